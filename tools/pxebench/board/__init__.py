"""`pxebench board`."""
