"""`python -m host_tests.diagnose`: write the table; with `--play`, play the conditions as well."""

import sys

from host_tests.diagnose import play, table
from host_tests.diagnose.conditions import CONDITIONS


def main():
    table.write()
    if "--play" not in sys.argv[1:]:
        return 0
    wrong = 0
    played = play.play_all()
    for condition in CONDITIONS:
        result = played[condition.name][0]
        found = play.differences(condition, result)
        wrong += bool(found)
        seconds = result["elapsed_ms"] / 1000
        what = "; ".join(found) or result["verdict"]["cause"]
        print(f"{seconds:6.1f} s  {condition.name:<50} {what}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
