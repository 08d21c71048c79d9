"""What the rows of a storm prove: tables made by hand, each with the one cause that fits."""

import pytest
from pxebench.job import Refused
from pxebench.storm import limit, plan, summary

_IDLE = {"cpu": 0.2, "lag_ms": 3.0}


def _row(at_ms, first_ms, ms, asks, outcome="ok", error=None):
    return {
        "at_ms": at_ms, "first_ms": first_ms, "ms": ms, "asks": asks, "outcome": outcome,
        "error": error,
        "served_ms": at_ms + ms - asks[-1][0],
    }  # fmt: skip


def _served(count, at_ms=0, ms=1000):
    return [_row(at_ms, 1, ms, [[at_ms, 1]]) for _ in range(count)]


def test_all_well_is_no_limit():
    found = limit.limit(_served(40), _IDLE)
    assert (found["cause"], found["at_once"]) == ("none", 40)


def test_who_is_served_within_a_millisecond_is_served_all_the_same():
    found = limit.limit([_row(0, 9, 9, [[0, 9]])], _IDLE)
    assert (found["cause"], found["at_once"]) == ("none", 1)


def test_machines_that_waited_for_a_lease_are_told():
    """A pool of five addresses and eight machines: all boot, the last ones after 16 s, and
    nothing was wrong with TFTP."""
    rows = [{**row, "lease_ms": 1300} for row in _served(5)]
    assert "lease" not in limit.limit(rows, _IDLE)["text"]
    late = [{**row, "lease_ms": 15800} for row in _served(3, at_ms=2000)]
    found = limit.limit(rows + late, _IDLE)
    assert found["cause"] == "none"
    assert "3 waited for a lease, up to 15.8 s" in found["text"]


def test_two_machines_with_one_address_are_told():
    """One DHCP server that leases an address twice: only some of many boot."""
    rows = [
        {**row, "id": number, "rom": "ipxe", "address": "10.0.0.9", "code": None, "requests": 1,
         "retransmits": 0, "sha256": "0"}
        for number, row in enumerate(_served(2))
    ]  # fmt: skip
    pc = {"cpu": 0.1, "lag_ms": 1, "memory_mb": 9, "wall_s": 1, "drops": 0, "curve": [],
          "curve_ms": 100}  # fmt: skip
    told = {"server": None, "server_port": None, "file": "f", "interface": "eth0", "ramp": None}
    found = summary.document(rows, pc, limit.limit(rows, pc), **told, ended=None)
    assert "  WARNING   machines have the same address: 10.0.0.9." in list(summary.lines(found))


def test_who_waits_while_twenty_are_served_names_twenty():
    waited = [_row(0, 2001, 3000, [[0, None], [2000, 1]]) for _ in range(15)]
    found = limit.limit(_served(20, ms=1900) + waited, _IDLE)
    assert (found["cause"], found["at_once"]) == ("few-at-once", 20)


def test_a_busy_pc_is_never_the_servers_fault():
    waited = [_row(0, 2001, 3000, [[0, None], [2000, 1]]) for _ in range(15)]
    for pc in ({"cpu": 0.97, "lag_ms": 3.0}, {"cpu": 0.3, "lag_ms": 400.0}):
        assert limit.limit(_served(20, ms=1900) + waited, pc)["cause"] == "pc"


def test_unanswered_requests_while_few_are_served_are_a_rate():
    """Twenty ask in each second, five of them are answered, and each is served in 50 ms."""
    rows = []
    for number in range(60):
        at_ms = number * 50
        answered = number % 20 < 5
        if answered:
            rows.append(_row(at_ms, 1, 51, [[at_ms, 1]]))
        else:
            rows.append(_row(at_ms, None, 9000, [[at_ms, None]], "failed"))
    found = limit.limit(rows, _IDLE)
    assert (found["cause"], found["per_s"]) == ("rate-limit", 5)


def test_one_burst_alone_cannot_tell_a_number_from_a_rate():
    rows = _served(10, ms=50)
    rows += [_row(0, 5001, 5050, [[0, None], [5000, 1]]) for _ in range(10)]
    found = limit.limit(rows, _IDLE)
    assert (found["cause"], found["also_possible"]) == ("few-at-once", ["rate-limit"])
    assert "--spread" in found["text"]


def test_a_queue_at_the_server_is_a_number_at_once_without_a_single_loss():
    """dnsmasq at its --tftp-max reads no further RRQ: they are answered when others are done."""
    queued = [_row(0, 1, 2400, [[0, 1900]]) for _ in range(20)]
    found = limit.limit(_served(20, ms=1890) + queued, _IDLE)
    assert (found["cause"], found["at_once"]) == ("few-at-once", 20)


def test_of_hundreds_the_level_is_the_limit_and_not_its_highest_moment():
    """dnsmasq at its 250: clients on a busy PC end later than the server, by chance; so 300 seem
    to be served for a moment, and at all others it is 250."""
    rows, slots = _served(250, ms=3900), 250
    for number in range(500):
        turn, slot = divmod(number, slots)
        answered = 4000 * (turn + 1) + slot
        late_ms = 1500 if slot % 5 == 0 and not turn else 0
        rows.append(
            {**_row(0, answered, answered + 3700, [[0, None], [2000, answered - 2000]]),
             "served_ms": answered + 3700 + late_ms - 2000}
        )  # fmt: skip
    found = limit.limit(rows, _IDLE)
    assert found["cause"] == "few-at-once", found
    assert 245 <= found["at_once"] <= 255


def test_hundreds_at_any_level_are_no_limit_of_numbers():
    """A server that is merely slow: who waits, waits while few or many are served."""
    rows = [_row(number * 20, 1, 4000 + number * 7, [[number * 20, 1]]) for number in range(300)]
    for number in range(200):
        begun = number * 25
        rows.append(_row(begun, 2001, 2500, [[begun, None], [begun + 2000, 1]]))
    assert limit.limit(rows, _IDLE)["cause"] != "few-at-once"


def test_loss_here_and_there_is_neither():
    rows = _served(20) + [_row(5000, 2001, 2100, [[5000, None], [7000, 1]])]
    for at_ms in (9000, 12000, 15000, 18000):
        rows.append(_row(at_ms, 2001, 2100, [[at_ms, None], [at_ms + 2000, 1]]))
    assert limit.limit(rows, _IDLE)["cause"] == "unclear"


def test_a_machine_that_failed_though_nobody_waited_is_no_question_of_how_many():
    rows = [*_served(20), _row(5, 1, 4000, [[5, 1]], "failed")]
    found = limit.limit(rows, _IDLE)
    assert found["cause"] == "unclear"
    assert "1 machine did not boot all the same" in found["text"]


def test_nobody_served_is_no_question_of_how_many():
    rows = [_row(0, None, 60000, [[0, None]], "failed") for _ in range(5)]
    assert limit.limit(rows, _IDLE)["cause"] == "nobody"


def test_shares_are_those_typed_and_the_rest_goes_to_those_without_a_number():
    assert plan.shares(["a:20", "b"], 30) == {"a": 20, "b": 10}
    assert plan.shares(["a", "b"], 5) == {"a": 3, "b": 2}
    assert plan.shares(["a:3", "a:4"], None) == {"a": 7}
    assert plan.shares(["a"], None) == {"a": 10}
    for roms, count in ((["a:20"], 30), (["a:20", "b"], 20), (["a:0"], None), (["a"], 2001)):
        with pytest.raises(Refused):
            plan.shares(roms, count)


def test_a_step_of_a_ramp_has_the_same_mixture():
    assert plan.scaled({"a": 20, "b": 10}, 6) == {"a": 4, "b": 2}
    assert plan.scaled({"a": 98, "b": 1, "c": 1}, 3) == {"a": 1, "b": 1, "c": 1}
    assert sum(plan.scaled({"a": 7, "b": 5, "c": 3}, 50).values()) == 50


@pytest.mark.parametrize(
    "text", ["x", "10.0.0.5", "10.0.0.9-10.0.0.5", "0.0.0.1-0.0.0.9", "239.0.0.0/24", "10.0.0.1-x"]
)
def test_addresses_that_are_none_are_refused(text):
    with pytest.raises(Refused):
        plan.addresses(text, 3)


def test_addresses_are_those_of_the_range_in_order():
    assert plan.addresses("10.0.0.254-10.0.1.1", 3) == ["10.0.0.254", "10.0.0.255", "10.0.1.0"]
    assert plan.addresses("10.0.0.0/30", 2) == ["10.0.0.1", "10.0.0.2"]
