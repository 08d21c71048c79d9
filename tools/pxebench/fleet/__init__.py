"""`pxebench fleet`: the boards of a rack, taken through labgrid, used at once and given back."""
