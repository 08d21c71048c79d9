"""A board to try things on by hand: prints its port and stays until Ctrl-C."""

import signal
import sys

from host_tests import ptyboard

with ptyboard.plugged_in(address=sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1") as board:
    print(board.port, flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass
