"""How fast and how small pxerom is, beside the C clients. See README.md."""
