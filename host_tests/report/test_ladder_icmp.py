"""An ICMP error is drawn from where it came, and read out as what it means."""

import re

import pytest
from pxebench.hops import path
from pxebench.report.ladder import ladder

from host_tests.report import wire

ROUTER = "10.55.32.1"


def _drawn(sender, code, errno=113):
    run = wire.Run().out(0, 2070, wire.rrq())
    error = {"event": "unreachable", "transfer": 0, "at_ms": 3, "errno": errno}
    error.update({"type": None if code is None else 3, "code": code, "from": sender})
    events = [*run.events(), error]
    drawn = ladder(path.merge(events, [], wire.CLIENT, wire.SERVER), events)
    (row,) = [row for row in drawn["rows"] if row["kind"] == "icmp"]
    (start, end) = re.search(r'x1="([\d.]+)%" x2="([\d.]+)%"', _wire(row["svg"])).groups()
    return float(start), float(end), row


def _wire(svg):
    return re.search(r'<line class="wire icmp"[^>]*>', str(svg)).group()


@pytest.mark.parametrize(
    "sender, code, start, said",
    [
        (wire.SERVER, 3, 85, "nothing listens on that port"),
        (ROUTER, 13, 50, f"A firewall ({ROUTER}) rejects the requests."),
        (ROUTER, 3, 50, f"A firewall ({ROUTER}) rejects the requests."),
        (ROUTER, 1, 50, "there is no host"),
        (wire.CLIENT, 1, 21, "no ARP reply"),
        (None, None, 50, "no route to the server"),
    ],
)
def test_arrow_begins_at_who_sent_it(sender, code, start, said):
    began, end, row = _drawn(sender, code)
    assert (began, end) == (start, 15)  # the ROM's lane
    assert said in row["text"]
    assert row["where"] == (f"from {sender}" if sender else "")
