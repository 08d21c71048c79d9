"""`pxebench fetch`."""
