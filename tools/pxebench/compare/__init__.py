"""`pxebench compare`."""
