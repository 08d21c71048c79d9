"""What an ICMP error means: the table of situations, each with the words for it."""

import pytest
from pxebench import icmp

SERVER, ROUTER, CLIENT = "10.0.0.1", "10.55.32.1", "10.55.32.175"


def _row(errno, kind, code, sender, count=1):
    return {"errno": errno, "type": kind, "code": code, "from": sender, "count": count}


@pytest.mark.parametrize(
    "row, meaning, said",
    [
        (_row(111, 3, 3, SERVER), icmp.PORT, "itself says that nothing listens"),
        (_row(111, 3, 3, ROUTER), icmp.REJECTED, f"A firewall ({ROUTER}) rejects"),
        (_row(113, 3, 10, ROUTER), icmp.REJECTED, f"A firewall ({ROUTER}) rejects"),
        (_row(101, 3, 9, ROUTER), icmp.REJECTED, f"A firewall ({ROUTER}) rejects"),
        (_row(113, 3, 13, SERVER), icmp.REJECTED, "The firewall of the server rejects"),
        (_row(113, 3, 1, ROUTER), icmp.HOST, f"The router {ROUTER} says that there is no host"),
        (_row(101, 3, 0, ROUTER), icmp.HOST, f"The router {ROUTER} has no route to {SERVER}"),
        (_row(113, 3, 1, CLIENT), icmp.HOST, "on this network (no ARP reply)"),
        (_row(113, 11, 0, ROUTER), icmp.HOST, "routing loop"),
        (_row(90, 3, 4, ROUTER), icmp.OTHER, "fragmentation needed (type 3, code 4)"),
        # MicroPython and boards: the errno is all there is, and no more is said.
        (_row(111, None, None, None), icmp.PORT, "or a firewall says so"),
        (_row(113, None, None, None), icmp.HOST, "no such host, or a firewall rejects"),
    ],
)
def test_situations_are_told_apart(row, meaning, said):
    assert icmp.meaning(row, SERVER) == meaning
    assert said in icmp.sentence([row], SERVER, CLIENT)


def test_port_that_closes_in_mid_transfer_is_no_server_that_is_not_there():
    rows = [_row(111, 3, 3, SERVER)]
    assert "this transfer's port any more" in icmp.sentence(rows, SERVER, CLIENT, begun=True)
    assert "log" in icmp.advice(rows, SERVER, begun=True)
    assert "Start the TFTP server" in icmp.advice(rows, SERVER)


def test_rows_are_counted_by_who_and_what():
    rows = icmp.total(
        [_row(111, 3, 3, SERVER), _row(113, 3, 1, ROUTER), _row(111, 3, 3, SERVER, 4)]
    )
    assert [row["count"] for row in rows] == [5, 1]
    assert icmp.most(rows)["from"] == SERVER
    assert icmp.words(rows[0], SERVER) == (
        "ICMP port unreachable (type 3, code 3) from the server 10.0.0.1, 5 times"
    )


def test_earlier_firmware_that_only_counts_is_still_read():
    assert icmp.total([{}]) == [_row(None, None, None, None)]
    assert icmp.meaning(icmp.total([{}])[0], SERVER) == icmp.PORT
