"""`pxebench completion`."""
