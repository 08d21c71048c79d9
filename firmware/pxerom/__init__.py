"""pxerom: a PXE ROM for MicroPython boards; the same files run on CPython and on the unix port.

`agent.run(job, emit)` is the door for a bench, `fetch.Fetch` the one for a program of its own.
"""

__version__ = "0.2.0"
