"""A TFTP server at HOST:69 that sends an empty datagram ahead of each packet, until it is ended.

empty_server.py HOST FOLDER; it serves the files in FOLDER, and prints one line once it listens.
"""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from host_tests.boards.on_board.tftp_server import Server

if __name__ == "__main__":
    files = {path.name: path.read_bytes() for path in Path(sys.argv[2]).iterdir()}
    with Server(files, empties=1, everywhere=True, host=sys.argv[1], port=69):
        print("listening", flush=True)
        signal.pause()
