"""The command `pxebench explain`: who boots, how far and why, from captures, logs and screens."""
