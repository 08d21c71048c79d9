"""The steps of `tools/provision.py`, one module each; they use `folder`, `apt` and `npm`."""
