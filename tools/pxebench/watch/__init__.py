"""`pxebench watch`."""
