"""Runs on micropython-esp32: a power-up of an ESP32 board, its packets on the TAP.

power_up.py BOARD FOLDER [NAME VALUE]
    main.py's power-up with BOARD's link.py, as FOLDER/config.json says; result.json, and the image
    if it is to be kept, come into FOLDER. NAME of the `scene` that is played is VALUE.
"""

import os
import sys

_HERE = __file__.rpartition("/")[0]
_ROOT = _HERE + "/../../.."


def be(board):
    """Be a board of that id: its modules and the firmware's, before anything of the PC's."""
    sys.path[:0] = [
        _HERE + "/modules",
        _ROOT + "/host_tests/shim/modules",  # machine
        _ROOT + "/boards/" + board,
        _ROOT + "/boards/common",
        _ROOT + "/firmware",
        _ROOT,
    ]


if __name__ == "__main__":
    be(sys.argv[1])
    import network
    import powerup

    network.reset(**dict(zip(sys.argv[3::2], sys.argv[4::2])))
    os.chdir(sys.argv[2])
    powerup.run()
