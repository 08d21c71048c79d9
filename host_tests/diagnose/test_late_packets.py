"""A packet that comes late from an earlier transfer with the same client port is no answer."""

from pxebench.sweep import asking

SERVER = "10.0.0.1"
_RRQ, _DATA, _OACK = "0001", "00030001", "0006"


def _packet(way, t_ms, local_port, port, data, host=SERVER):
    return {"dir": way, "t_us": t_ms * 1000, "local_port": local_port, "port": port,
            "data": data, "host": host}  # fmt: skip


def test_each_rrq_of_a_port_has_an_answer_of_its_own():
    """A ROM with one port for its size probe and for the file (SLOF's policy)."""
    packets = [
        _packet("out", 0, 2001, 69, _RRQ),
        _packet("in", 2, 2001, 40001, "0005"),
        _packet("out", 10, 2001, 69, _RRQ),
        _packet("in", 15, 2001, 40002, _DATA),
    ]
    first, second = asking.first_answers(packets, SERVER)[2001]
    assert (first["opcode"], first["ms"], second["opcode"], second["ms"]) == ("0005", 2, "0003", 5)


def test_repeat_of_an_earlier_tid_answers_no_later_rrq():
    packets = [
        _packet("out", 0, 2001, 69, _RRQ),
        _packet("in", 2, 2001, 40001, _OACK),
        _packet("out", 900, 2001, 69, _RRQ),
        _packet("in", 1002, 2001, 40001, _OACK),  # it has not heard the end of the first
    ]
    assert asking.first_answers(packets, SERVER)[2001][1] is None
    packets.append(_packet("in", 1100, 2001, 40002, _DATA))
    assert asking.first_answers(packets, SERVER)[2001][1]["server_port"] == 40002


def test_single_port_server_answers_every_rrq_from_there():
    packets = [
        _packet("out", 0, 2001, 69, _RRQ),
        _packet("in", 2, 2001, 69, _OACK),
        _packet("out", 900, 2001, 69, _RRQ),
        _packet("in", 903, 2001, 69, _OACK),
    ]
    assert asking.first_answers(packets, SERVER)[2001][1]["ms"] == 3


def test_rrq_that_another_one_followed_is_silent_and_the_next_transfer_s_is_not_its_answer():
    request = {"options": [], "at_ms": 0, "source_port": 2001}
    one = {"icmp": [], "unreachable": 0, "error": None, "oack": None}
    transfers = [
        {**one, "requests": [request] * 2, "server_tid": None},
        {**one, "requests": [request], "server_tid": 40003},
    ]
    packets = [_packet("out", at, 2001, 69, _RRQ) for at in (0, 1000, 2000)]
    packets.append(_packet("in", 2004, 2001, 40003, _DATA))
    asks = asking._of_result({"transfers": transfers}, packets, SERVER)
    assert [ask["answer"] for ask in asks] == ["silent", "silent", "data"]
