"""`pxebench explain` against what real programs print, and against real clients."""
