"""`pxebench storm`: many ROMs at once from one PC, and the server's limit."""
