"""`pxebench serve`."""
