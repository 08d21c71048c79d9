"""Every ROM file in every situation: outcome, code, side and words must fit what happened."""

import json
import os
import random

import pytest
from pxebench import advice, icmp, view
from pxerom import rom_check

from host_tests.core import fakenet
from host_tests.core.bootrun import Job
from host_tests.core.check import rom, rom_ids
from host_tests.core.fakelan import FakeLan, dhcp_of
from host_tests.every_rom.situations import BOOTS, CONTENT, FETCHES, LOW

_TIME_MS = 300_000  # iPXE answers a NAK by DISCOVER for ever


def _booting():
    """ROMs whose DHCP is known."""
    found = []
    for name in rom_ids():
        with open(os.path.join(rom_check.folder(), name + ".json"), encoding="utf-8") as file:
            if json.load(file).get("dhcp"):
                found.append(name)
    return found


def _fitted(result, name):
    todo = {"file": "undionly.kpxe"}
    return advice.fitted(result, todo, ["--rom", name])


def _check(situation, result, succeeds, where):
    """The rules that hold for any boot, and the situation's own."""
    status = result["status"]
    good = result["outcome"] == "ok"
    if succeeds is not None:
        assert good == succeeds, (where, status)
    # Success and failure exclude each other.
    assert good == (status is None) == (result["image"] is not None), (where, result)
    if good:
        assert result["transfers"][-1]["outcome"] == "ok", where
        return
    text = f"{status['detail']} {status['advice']}"
    assert status["code"].startswith("PXE-"), where
    assert status["side"] in situation.sides, (where, status)
    assert status["text"] and status["detail"] and status["advice"], (where, status)
    assert "%" not in status["detail"] and "{" not in status["detail"], (where, status)
    assert not status["detail"].endswith("."), (where, status)  # the view sets it
    for one_of in situation.says:
        assert any(words in text for words in one_of), (where, one_of, status)
    for words in situation.never:
        assert words not in text, (where, words, status)
    _check_transfers(result, status, where)


def _check_transfers(result, status, where):
    transfers = result["transfers"]
    if not transfers:
        return
    last = transfers[-1]
    heard = last["outcome"] == "refused" or any(
        t["server_tid"] or t["oack"] or t["error"] or t["unused"] for t in transfers
    )
    rows = icmp.of_result(result)
    if not heard:
        # What was never heard cannot be at fault: only an ICMP of its own can blame the server.
        assert status["side"] == "path" or rows, (where, status)
    if last["outcome"] == "error":
        assert status["side"] == "server", (where, status)
        assert status["detail"].startswith(
            f"The server answered with ERROR {last['error']['code']}"
        )
    if not any(t["blocks"] for t in transfers):
        assert "1 blocks" not in status["detail"], (where, status)
    # Rule 1 of `advice`.
    if result["rom"] == "os-client":
        assert "with `--rom os-client`" not in status["advice"], (where, status)


@pytest.mark.parametrize("name", FETCHES)
def test_every_rom_ends_a_fetch_as_the_situation_demands(name):
    situation = FETCHES[name]
    for one in rom_ids():
        flat = rom(one)
        run = fakenet.Run(flat, situation.make(0), "undionly.kpxe")
        result = _fitted(run.result, one)
        succeeds = situation.succeeds and situation.succeeds(flat)
        if name == "low ports filtered":
            # The last transfer decides, and the port that its last RRQ left from.
            last = run.result["transfers"][-1]["requests"][-1]
            succeeds = last["source_port"] > LOW
        _check(situation, result, succeeds, (name, one))
        if result["outcome"] == "ok":
            assert run.sink.data == CONTENT, (name, one)


def _boot(situation, one, network):
    """The result of a boot of ROM `one`; whoever it asks serves the file."""
    server = fakenet.FileServer(bytes(range(256)) * 7)  # s390x takes no more for a configuration

    def split(to):
        fakenet.HOST, port = _split(to)
        return fakenet.HOST, port

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fakenet, "HOST", fakenet.HOST)  # undone
        patch.setattr(fakenet, "split", split)
        return Job(one, network, server, FakeLan(network), max_time_ms=_TIME_MS)


_split = fakenet.split


@pytest.mark.parametrize("name", BOOTS)
def test_every_rom_ends_a_boot_as_the_situation_demands(name):
    situation = BOOTS[name]
    for one in _booting():
        dhcp = dhcp_of(one)
        result = _boot(situation, one, situation.make(0)).result
        result = _fitted(result, one)
        succeeds = situation.succeeds(dhcp)
        if result["transfers"] and result["outcome"] != "ok":  # a server that is named serves
            assert dhcp["boot"]["configs"], (name, one, result["status"])
        _check(situation, result, None if succeeds is None else bool(succeeds), (name, one))
        warnings = " ".join(result["warnings"])
        assert "%" not in warnings and "None" not in warnings, (name, one, warnings)


FIREWALL = "10.254.52.1"
# (errno, ICMP type, code, sender), what a user must read, what not
_ICMP = {
    "closed port": ((111, 3, 3, fakenet.HOST), "Start the TFTP server on", ("firewall",)),
    "firewall says closed": ((111, 3, 3, FIREWALL), f"firewall {FIREWALL}", ("Start the",)),
    "prohibited": ((113, 3, 13, FIREWALL), f"firewall {FIREWALL}", ("Start the",)),
    "no such host": ((113, 3, 1, FIREWALL), "that the host is up", ("Start the", "firewall")),
    "no route": ((101, 3, 0, FIREWALL), "the route to it", ("Start the", "firewall")),
}


@pytest.mark.parametrize("name", _ICMP)
def test_icmp_is_what_the_user_of_every_rom_is_told(name):
    """Whether the ROM believes it or not (RFC 792, RFC 1812 section 5.2.7.1)."""
    row, says, never = _ICMP[name]
    for one in rom_ids():
        flat = rom(one)
        net = fakenet.FakeNet(flat, None)

        def server(packet, local_port, port, net=net):
            return ((1, 69, lambda: net.errors.append((*row, None))),)

        result = _fitted(fakenet.Run(flat, server, "undionly.kpxe", net=net).result, one)
        assert icmp.of_result(result)[0]["from"] == row[3], one
        read = " ".join(text for _, text in view.closing(result))
        assert says in read, (one, read)
        assert not [words for words in never if words in read], (one, read)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_every_rom_on_a_rough_way_gets_the_right_file_or_one_fitting_sentence(seed):
    """Loss, copies and delay, drawn from a seed: never a wrong file, never a wrong side."""
    dice = random.Random(seed)
    rate = dice.choice((0.02, 0.1, 0.3))

    def lose(way, packet, count):
        return dice.random() < rate

    for one in rom_ids():
        server = fakenet.FileServer(CONTENT, delay_ms=dice.choice((1, 40, 900)), lose=lose)
        run = fakenet.Run(rom(one), server, "undionly.kpxe", max_time_ms=3_600_000)
        result = _fitted(run.result, one)
        if result["outcome"] == "ok":
            assert run.sink.data == CONTENT, (seed, one)
            continue
        status = result["status"]
        heard = any(t["server_tid"] for t in result["transfers"])
        assert status["side"] in ("path", "server") if heard else ("path",), (seed, one, status)
        _check_transfers(result, status, (seed, one))
