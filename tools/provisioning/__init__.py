"""The steps of `tools/provision.py`, one module each; `folder` and `apt` are what they stand on."""
