"""Do not copy this to a board: it runs tests on a PC that plays one.

`python host_tests/shim/run.py PORT FILE ...` runs test files that need no pytest, as a board with
that port of MicroPython. It prints what `core/run.py` prints.
"""

import importlib
import sys
import time
import traceback  # no board has it: it must be here before this is one
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "firmware"), str(ROOT / "boards" / "common")]


def main(port, files):
    from host_tests.shim.become import become

    names = [Path(file).resolve().relative_to(ROOT).with_suffix("").parts for file in files]
    become(port)
    count = failed = 0
    for parts in names:
        module = importlib.import_module(".".join(parts))
        for name in sorted(vars(module)):
            if name.startswith("test_"):
                count += 1
                failed += not passes(f"{parts[-1]}.{name}", vars(module)[name])
    print(f"end {count}")
    return 1 if failed else 0


def passes(name, test):
    began = time.monotonic()
    try:
        test()
    except Exception:  # noqa: BLE001
        print("FAILED", name)
        traceback.print_exc(file=sys.stdout)
        return False
    print("ok", name, round((time.monotonic() - began) * 1000), flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
