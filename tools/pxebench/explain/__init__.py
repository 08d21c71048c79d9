"""The command `pxebench explain`: from what a user already has to who boots, how far, and why."""
