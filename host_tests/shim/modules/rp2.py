"""Do not copy this to a board: it stands in for the RP2's own module, on a PC. Nothing in the
firmware asks it for anything."""
