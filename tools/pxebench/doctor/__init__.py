"""`pxebench doctor`: what this PC has for the bench, and what is missing."""
