"""`pxebench sweep`."""
