# Freezes pxerom and the link of this board into a firmware; see boards/README.md.
include("$(PORT_DIR)/boards/manifest.py")
include("../../firmware/manifest.py")
module("link.py", opt=3)
module("wired.py", base_path="../common", opt=3)
module("nic.py", base_path="../common", opt=3)
