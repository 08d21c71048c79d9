"""`pxebench diagnose`."""
