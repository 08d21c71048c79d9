"""A rack of boards, as labgrid knows it: coordinator, places, the driver for its test suites."""
