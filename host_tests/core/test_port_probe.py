"""The job "ask": one RRQ from each port, what came back, and how each conversation is ended."""

import socket

from pxerom import agent, port_probe, runtime

from host_tests.core.check import Patch, needs_loopback, same
from host_tests.core.packets import data, error, oack, rrq

_HOST = "127.0.0.1"
_ABORT = error(0, "TFTP Aborted")


class _Server:
    """A server that lives in the job's `on_wait`: reply(number, client port) -> bytes or None."""

    def __init__(self, reply, host=_HOST):
        self.reply = reply
        self.listen = _bound(_HOST)
        self.tid = _bound(host)  # answers from another port, as servers do
        needs_loopback(self.tid)
        self.port = _port(self.listen)
        self.heard = []  # (at the listening port?, client port, bytes)

    def step(self):
        for sock in (self.tid, self.listen):
            while True:
                try:
                    packet, sender = sock.recvfrom(1024)
                except OSError:
                    break
                port = runtime.split(sender)[1]
                self.heard.append((sock is self.listen, port, packet))
                if sock is self.listen:
                    reply = self.reply(sum(1 for heard in self.heard if heard[0]), port)
                    if reply:
                        self.tid.sendto(reply, sender)

    def close(self):
        self.listen.close()
        self.tid.close()


_next_port = 20000 + runtime.random_below(20000)
_ports = {}


def _bound(host):
    global _next_port
    while True:
        _next_port += 1
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.bind(runtime.address(host, _next_port))
        except OSError:
            sock.close()
            continue
        sock.setblocking(False)
        _ports[id(sock)] = _next_port
        return sock


def _port(sock):
    return _ports[id(sock)]


def _is_free(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.bind(runtime.address(_HOST, port))
        return True
    except OSError:
        return False
    finally:
        sock.close()  # one at a time: a board has four


def _free(count):
    # A row of ports that are free now.
    global _next_port
    while True:
        first = _next_port + 1
        _next_port += count
        if all(_is_free(port) for port in range(first, first + count)):
            return first


def _ask(server, ports, **changes):
    job = {
        "job": "ask",
        "rom": {"id": "ask"},
        "server": _HOST,
        "port": server.port,
        "file": "x",
        "bind": _HOST,
        "options": [["tsize", "0"]],
        "ports": ports,
        "wait_ms": 250,
        "gap_ms": 0,
    }
    job.update(changes)
    events = []
    last = agent.run(job, events.append, server.step)
    server.step()
    return last, [event for event in events if event["event"] == "answer"]


def test_each_port_asks_once_and_what_is_answered_is_ended_with_an_error():
    first = _free(3)
    server = _Server(lambda number, port: oack(("tsize", 7)) if number != 2 else None)
    try:
        last, answers = _ask(server, [[first, 3]])
    finally:
        server.close()
    same(last["outcome"], "ok")
    same([a["source_port"] for a in answers], [first, first + 1, first + 2])
    same([a["kind"] for a in answers], ["oack", "silent", "oack"])
    same(answers[0]["options"], {"tsize": "7"})
    same(answers[0]["server_port"], _port(server.tid))
    assert answers[0]["at_ms"] + answers[0]["ms"] <= answers[1]["at_ms"]
    request = rrq("x", ("tsize", 0))
    same([h[2] for h in server.heard if h[0]], [request] * 3)
    same([h[1:] for h in server.heard if not h[0]], [(first, _ABORT), (first + 2, _ABORT)])


def test_held_conversations_stand_open_until_all_have_asked():
    first = _free(2)
    server = _Server(lambda number, port: data(1, b"x"))
    try:
        _ask(server, [[first, 2]], hold=True, options=[])
    finally:
        server.close()
    same([(h[0], h[1]) for h in server.heard][:2], [(True, first), (True, first + 1)])
    same([h[1:] for h in server.heard[2:]], [(first, _ABORT), (first + 1, _ABORT)])


def test_several_questions_are_under_way_at_once_and_each_is_heard():
    """Two on every machine; a board has sockets for three."""
    first = _free(4)
    server = _Server(lambda number, port: data(1, b"x") if port == first + 1 else None)
    try:
        answers = _ask(server, [[first, 4]], most=2, wait_ms=400)[1]
    finally:
        server.close()
    # One after the other, the first one's silence would be told first.
    told = [(a["source_port"], a["kind"]) for a in answers]
    same(told[0], (first + 1, "data"))
    same(sorted(told[1:]), [(port, "silent") for port in (first, first + 2, first + 3)])
    asked_at = {a["source_port"]: a["at_ms"] for a in answers}
    assert asked_at[first + 3] >= 400, asked_at  # two at once, and no third
    same([h[1] for h in server.heard if h[0]], [first, first + 1, first + 2, first + 3])
    same([h[1:] for h in server.heard if not h[0]], [(first + 1, _ABORT)])


def test_answer_that_came_while_the_board_was_busy_is_heard():
    """Its time is over by the clock when it is looked for: it is in the socket's queue."""
    first = _free(1)

    def slowly(number, port):
        runtime.sleep_ms(300)
        return data(1, b"x")

    server = _Server(slowly)
    try:
        answers = _ask(server, [[first, 1]])[1]
    finally:
        server.close()
    same([a["kind"] for a in answers], ["data"])
    assert answers[0]["ms"] >= 300, answers


def test_error_of_the_server_is_told_and_never_answered():
    first = _free(1)
    server = _Server(lambda number, port: error(2, "go\x1b away"))
    try:
        answers = _ask(server, [[first, 1]])[1]
    finally:
        server.close()
    same(answers[0]["kind"], "error")
    same(answers[0]["error"], {"code": 2, "message": "go. away"})
    same([h for h in server.heard if not h[0]], [])


def test_answer_of_another_host_is_told_but_ends_nothing():
    first = _free(1)
    foreign = "127.0.0.9"
    split = port_probe.split
    if runtime.ESP32:  # it has no second address to answer from: the sender is said to be another
        split = lambda sender: (foreign, sender[1])  # noqa: E731
    server = _Server(lambda number, port: data(1, b"x"), _HOST if runtime.ESP32 else foreign)
    try:
        with Patch(port_probe, "split", split):
            answers = _ask(server, [[first, 1]], bind="0.0.0.0")[1]
    finally:
        server.close()
    same((answers[0]["kind"], answers[0]["host"]), ("foreign", "127.0.0.9"))
    same([h for h in server.heard if not h[0]], [])


def test_port_in_use_is_an_answer_and_the_others_are_asked():
    first = _free(2)
    holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    holder.bind(runtime.address(_HOST, first))
    server = _Server(lambda number, port: data(1, b"x"))
    try:
        answers = _ask(server, [[first, 2]])[1]
    finally:
        server.close()
        holder.close()
    same([a["kind"] for a in answers], ["busy", "data"])
    assert "in use" in answers[0]["reason"]


def test_rate_is_kept_and_the_bench_can_end_it():
    first = _free(9)
    server = _Server(lambda number, port: data(1, b"x"))
    try:
        last, answers = _ask(server, [[first, 9]], gap_ms=400, max_time_ms=1000)
    finally:
        server.close()
    same(last["ended"]["by"], "bench")
    assert 1 <= len(answers) <= 4, answers
    for earlier, later in zip(answers, answers[1:]):
        assert later["at_ms"] - earlier["at_ms"] >= 399, answers


def test_name_that_cannot_be_asked_for_is_one_refusal():
    server = _Server(lambda number, port: None)
    try:
        last, answers = _ask(server, [[_free(1), 1]], file="a\nb")
    finally:
        server.close()
    same((last["event"], last["exit"], answers), ("refused", 2, []))
