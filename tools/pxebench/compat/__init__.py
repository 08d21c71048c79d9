"""`pxebench compat`."""
