"""`pxebench report`."""
