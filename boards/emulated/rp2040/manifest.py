# What the W5500_EVB_PICO freezes, without the packages of micropython-lib (they are in no package
# of Debian): pxerom needs none of them.
freeze("$(PORT_DIR)/modules")
include("$(MPY_DIR)/extmod/asyncio")
