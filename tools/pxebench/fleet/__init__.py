"""`pxebench fleet`: the boards of a rack, acquired through labgrid, used at once and released."""
