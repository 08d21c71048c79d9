"""`pxebench boot`: its job and result, the interface to boot from, menu keys, closing words."""
