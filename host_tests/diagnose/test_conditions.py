"""Each condition that the lab can set up gets its name from `diagnose`; no healthy one gets any.

All conditions are played once, some at a time, and serve all tests of this file.
"""

import pytest
from pxebench.diagnose import causes

from host_tests.diagnose import play, table
from host_tests.diagnose.conditions import CONDITIONS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("diagnose")]
_NAMES = [condition.name for condition in CONDITIONS]


@pytest.fixture(scope="module")
def played():
    return play.play_all()


@pytest.mark.parametrize("condition", CONDITIONS, ids=_NAMES)
def test_condition_gets_its_own_name_and_no_other(played, condition):
    result, exit_code, printed = played[condition.name]
    assert play.differences(condition, result) == [], printed
    assert exit_code == (0 if condition.cause == "healthy" else 1)
    assert f"Verdict: {condition.cause}" in printed


@pytest.mark.parametrize("condition", CONDITIONS, ids=_NAMES)
def test_verdict_says_of_each_cause_whether_it_is_possible(played, condition):
    verdict = played[condition.name][0]["verdict"]
    out = {entry["cause"] for entry in verdict["ruled_out"]}
    assert verdict["cause"] not in out
    assert not out & set(verdict["also_possible"])
    assert verdict["explains"]
    if verdict["also_possible"]:  # what cannot be told apart is said to be so
        assert any("look the same from this end" in text for text in verdict["unknown"])


@pytest.mark.parametrize("condition", CONDITIONS, ids=_NAMES)
def test_no_server_child_is_left_talking_to_a_port_that_was_answered(played, condition):
    """Every conversation that was answered in an ask is ended by an ERROR of ours."""
    for experiment in played[condition.name][0]["experiments"]:
        if experiment["kind"] != "ask":
            continue
        packets = [event for event in experiment["events"] if event["event"] == "packet"]
        ended = {p["local_port"] for p in packets if p["dir"] == "out" and p["data"][:4] == "0005"}
        answered = {a["port"] for a in experiment["asks"] if a["answer"] in ("oack", "data")}
        assert answered <= ended


def test_every_cause_there_is_has_a_condition():
    assert {condition.cause for condition in CONDITIONS} == set(causes.IDS)


def test_table_in_the_readme_is_the_one_that_is_played():
    """Made by `python -m host_tests.diagnose`."""
    assert table.README.read_text("utf-8").count(table.BEGIN) == 1
    assert table.in_readme() == table.text()
