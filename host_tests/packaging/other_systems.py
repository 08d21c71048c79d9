"""A program: pxebench and pxerom on a system that is not Unix, as far as Linux can show it.

Modules and names that Windows has not are taken away first. Without arguments every module is
imported, and each that does not import is a line; what is for Unix alone (`_UNIX_ONLY`) is left
out, and no other module may import it. With arguments it is `pxebench` with these.
"""

import importlib
import os
import pkgutil
import signal
import socket
import sys
import traceback

_NOT_ON_WINDOWS = ("fcntl", "termios", "pwd", "grp", "resource", "tty", "pty", "syslog")
_SIGNALS = ("SIGPIPE", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "SIGWINCH")
_SOCKET = ("AF_UNIX", "AF_PACKET", "AF_NETLINK", "MSG_DONTWAIT", "MSG_ERRQUEUE", "IP_RECVERR")
_OS = ("geteuid", "getegid", "getuid", "getgroups", "fork", "setsid", "killpg", "openpty",
       "sched_setaffinity", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "getpgid", "mkfifo",
       "sched_getaffinity")  # fmt: skip
# Run by a command on Linux alone, or in a process of their own.
_UNIX_ONLY = ("pxebench.board.rp2040js", "pxebench.storm.worker", "pxebench.demo")


# Of an extra that need not be installed.
_EXTRAS = ("grpc", "labgrid", "gevent", "esptool")


class _Blocked:
    """Finds the modules that Windows has not, and says so."""

    def find_spec(self, name, path=None, target=None):
        if name in _NOT_ON_WINDOWS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def main(arguments):
    # Libraries have ways of their own for Windows: they are loaded as they are.
    for name in ("click", "rich.console", "jinja2", "dpkt", "serial", "mpremote.main", "asyncio",
                 "subprocess", "tempfile", "multiprocessing", "pytest", "selectors"):  # fmt: skip
        importlib.import_module(name)
    for name in _NOT_ON_WINDOWS:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, _Blocked())
    for module, names in ((signal, _SIGNALS), (socket, _SOCKET), (os, _OS)):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    sys.platform = "another"
    if arguments:
        from pxebench import cli

        cli.main(arguments)
    import pxebench
    import pxerom

    failed = 0
    for package in (pxerom, pxebench):
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if found.name in _UNIX_ONLY or found.name.endswith("__main__"):
                continue
            try:
                importlib.import_module(found.name)
            except (ImportError, AttributeError, OSError) as error:
                if getattr(error, "name", None) in _EXTRAS:
                    continue
                failed += 1
                print(found.name, traceback.format_exc().splitlines()[-1])
    for name in _UNIX_ONLY:
        if name in sys.modules:
            failed += 1
            print(f"{name} is imported by another module")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
