"""`pxebench storm`: many ROMs at once from one PC, and what the server makes of them."""
