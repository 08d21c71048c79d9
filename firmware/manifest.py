# Freezes pxerom, the power-up and main.py into a firmware. JSON cannot be frozen: the ROM files in
# use go to the board's filesystem, and config.json names one by its path; see boards/README.md.
metadata(version="0.2.0", description="A PXE ROM's network client")
package("pxerom", opt=3)
module("powerup.py", opt=3)
module("main.py", opt=3)
