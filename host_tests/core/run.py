"""Runs the core's tests without pytest: `micropython host_tests/core/run.py [MODULE ...]`.

One line for each test: `ok NAME MS` or `FAILED NAME` with the traceback after it, and `end N` when
all of them came to an end. The exit code is 0 when none failed.
"""

import os
import sys
import time

HERE = __file__.rpartition("/")[0] or "."
ROOT = HERE + "/../.."
sys.path[0] = ROOT
sys.path.insert(1, ROOT + "/firmware")


def show(error):
    if hasattr(sys, "print_exception"):
        sys.print_exception(error)
    else:
        sys.excepthook(type(error), error, error.__traceback__)


def main(names):
    if not names:
        names = sorted(
            name[:-3]
            for name in os.listdir(HERE)
            if name.startswith("test_") and name.endswith(".py")
        )
    count = failed = 0
    for name in names:
        path = name if "." in name else "host_tests.core." + name
        module = __import__(path, None, None, ("*",))
        name = path.split(".")[-1]
        for test in sorted(dir(module)):
            if test.startswith("test_"):
                count += 1
                began = time.time()
                try:
                    getattr(module, test)()
                except Exception as error:  # noqa: BLE001
                    failed += 1
                    print("FAILED %s.%s" % (name, test))
                    show(error)
                else:
                    print("ok %s.%s %d" % (name, test, (time.time() - began) * 1000))
    print("end %d" % count)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
