"""A board's modules for a PC. Nothing in here may go to a board."""
