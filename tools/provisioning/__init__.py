"""The steps of `tools/provision.py`, and what they share: `folder`, `apt`, `npm`, `sources`."""
