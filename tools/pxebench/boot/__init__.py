"""`pxebench boot`: its job and result, the interface that a ROM boots from, its menu and words."""
