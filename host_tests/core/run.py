"""Runs the core's tests without pytest: `micropython host_tests/core/run.py [WHAT ...]`.

WHAT is a module (test_udp), one test (test_udp.test_x), or the number of a requirement
(R-TFTP-43: every test of the core whose docstring names it); without one, all of them run. One
line for each test: `ok NAME MS` or `FAILED NAME` with the traceback after it, and `end N` when all
of them came to an end. The exit code is 0 when none failed, 2 when there is no such test.
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


def modules():
    return sorted(
        name[:-3] for name in os.listdir(HERE) if name.startswith("test_") and name.endswith(".py")
    )


def tests_of(number):
    """[module.test] of all tests whose docstring names a requirement. It is read from the file:
    MicroPython keeps no docstrings."""
    found = []
    for module in modules():
        with open("%s/%s.py" % (HERE, module)) as file:
            parts = file.read().split("\ndef test_")[1:]
        for part in parts:
            name, _, body = part.partition("(")
            body = body.partition("\n")[2].lstrip()
            words = body[3:].partition('"""')[0] if body[:3] == '"""' else ""
            for mark in ",.:;()\n":
                words = words.replace(mark, " ")
            if number in words.split(" "):
                found.append("%s.test_%s" % (module, name))
    return found


def chosen(names):
    """[(module, [tests] or None for all)] of what was asked for."""
    found = []
    for name in names or modules():
        if name.startswith("R-"):
            tests = tests_of(name)
            if not tests:
                print("no test of the core names %s; see host_tests/REQUIREMENTS.md" % name)
                sys.exit(2)
            found += [(test.split(".")[0], [test.split(".")[1]]) for test in tests]
        elif ".test_" in name and not name.startswith("host_tests."):
            module, test = name.split(".")
            found.append((module, [test]))
        else:
            found.append((name, None))
    return found


def main(names):
    count = failed = 0
    for name, tests in chosen(names):
        path = name if "." in name else "host_tests.core." + name
        module = __import__(path, None, None, ("*",))
        name = path.split(".")[-1]
        for test in tests or sorted(dir(module)):
            if not hasattr(module, test):
                print("there is no %s.%s" % (name, test))
                return 2
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
