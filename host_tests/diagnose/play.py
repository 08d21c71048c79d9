"""Play conditions, several at a time: nearly all of it is waiting for silence to end."""

import concurrent.futures

from host_tests.diagnose.conditions import CONDITIONS
from host_tests.diagnose.place import place

AT_ONCE = 12


def play(condition):
    """(result, exit code, what was printed) of `diagnose` under one condition."""
    with place(condition.serve, condition.rules, condition.prepare) as where:
        words = {"file": condition.file} if condition.file else {}
        return where.diagnose(*condition.words, **words)


def play_all(conditions=CONDITIONS):
    """{name: what `play` returns}."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        # The table ends with those that take longest.
        played = {one.name: pool.submit(play, one) for one in reversed(conditions)}
        return {name: future.result() for name, future in played.items()}


def differences(condition, result):
    """What a verdict says that it should not, as sentences; none when it is right."""
    verdict = result["verdict"]
    found = []
    if verdict["cause"] != condition.cause:
        found.append(f"it says {verdict['cause']}, not {condition.cause}")
    if sorted(verdict["also_possible"]) != sorted(condition.also):
        found.append(f"also possible are {verdict['also_possible']}, not {condition.also}")
    told = {fact["id"] for fact in verdict["facts"]}
    if not set(condition.facts) <= told:
        found.append(f"it tells {sorted(told)}, which lacks one of {condition.facts}")
    return found
