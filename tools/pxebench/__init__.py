"""The bench around pxerom on a PC: it gives a ROM its job, watches it and says what went wrong.

Each command imports what it needs when it runs, so that `pxebench fetch` starts at once.
"""

__version__ = "0.2.0"
