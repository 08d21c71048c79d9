"""`pxebench learn`."""
