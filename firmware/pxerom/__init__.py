"""pxerom: a PXE ROM for MicroPython boards; the same files run on CPython and on the unix port.

A bench calls `agent.run(job, emit)`; a program of its own may use `fetch.Fetch`.
"""

__version__ = "0.2.0"
