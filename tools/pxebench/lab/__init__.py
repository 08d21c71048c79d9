"""A rack of boards in labgrid: coordinator, places, and a driver for labgrid's test suites."""
