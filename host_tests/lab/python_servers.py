"""TFTP servers from PyPI, each started as its own documentation says: `LIBRARY HOST PORT FOLDER`.

They run unchanged, without fixes of ours, as further servers for the client.
"""

import os
import sys


def tftpy(host, port, folder):
    import tftpy as library

    library.TftpServer(folder).listen(host, port)


def py3tftp(host, port, folder):
    from py3tftp.__main__ import main

    os.chdir(folder)
    sys.argv = ["py3tftp", "--host", host, "--port", str(port)]
    main()


def fbtftp(host, port, folder):
    import fbtftp as library

    class File(library.ResponseData):
        def __init__(self, path):
            self._size = os.stat(path).st_size
            self._file = open(path, "rb")

        def read(self, n):
            return self._file.read(n)

        def size(self):
            return self._size

        def close(self):
            self._file.close()

    class Handler(library.BaseHandler):
        def get_response_data(self):
            return File(os.path.join(folder, self._path))

    class Server(library.BaseServer):
        def get_handler(self, server_addr, peer, path, options):
            return Handler(server_addr, peer, path, options, lambda stats: None)

    Server(host, port, retries=3, timeout=5).run()


if __name__ == "__main__":
    _, name, host, port, folder = sys.argv
    # This file's folder is first in the search path, and must not hide a library.
    del sys.path[0]
    {"tftpy": tftpy, "py3tftp": py3tftp, "fbtftp": fbtftp}[name](host, int(port), folder)
