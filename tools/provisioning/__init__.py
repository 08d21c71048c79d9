"""The steps of `tools/provision.py`, a module each; `folder` and `apt` are what they stand on."""
