"""`pxebench roms`."""
