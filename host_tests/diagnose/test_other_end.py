"""What looks the same from the client is told apart by a capture at the server.

`tcpdump` runs there as `diagnose` prints it; the verdict is made anew from the result and it.
"""

import concurrent.futures
import json
import re
import sys
import tempfile
from pathlib import Path

import pytest

from host_tests.diagnose import conditions
from host_tests.diagnose.conditions import CONDITIONS
from host_tests.diagnose.place import place
from host_tests.lab.tcpdump import tcpdump

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("diagnose-rules")]

_CASES = {
    "stateful firewall without helper": "no-tftp-helper",
    "port 69 blocked": "request-blocked",
    "translator without helper": "nat-port",
}


def _play(name):
    (condition,) = [one for one in CONDITIONS if one.name == name]
    return _captured(condition)


def _captured(condition):
    with (
        place(condition.serve, condition.rules, condition.prepare) as where,
        tempfile.TemporaryDirectory() as folder,
    ):
        capture, before, after = (Path(folder, n) for n in ("server.pcap", "1.json", "2.json"))
        with tcpdump(where.server, capture):
            result, _, printed = where.diagnose("--quick")
        before.write_text(json.dumps(result))
        run = (sys.executable, "-m", "pxebench", "diagnose", "--again", before)
        done = where.client.run(
            *(*run, "--server-pcap", capture, "--json", after), check=False, timeout_s=60
        )
        return result, printed, json.loads(after.read_text()), done


@pytest.fixture(scope="module")
def played():
    with concurrent.futures.ThreadPoolExecutor(len(_CASES)) as pool:
        return dict(zip(_CASES, pool.map(_play, _CASES), strict=True))


@pytest.mark.parametrize("name", _CASES)
def test_capture_at_the_server_decides_what_the_client_cannot(played, name):
    result, printed, again, done = played[name]
    assert _CASES[name] in (result["verdict"]["cause"], *result["verdict"]["also_possible"])
    assert len(result["verdict"]["also_possible"]) == 2
    assert again["verdict"]["cause"] == _CASES[name], done.stdout + done.stderr
    assert again["verdict"]["also_possible"] == []
    assert done.returncode == 1
    assert "On the way:" in done.stdout


@pytest.mark.parametrize("name", _CASES)
def test_command_for_the_servers_admin_is_printed_when_it_would_decide(played, name):
    _, printed, _, done = played[name]
    assert re.search(r"^    tcpdump .*-w server.pcap .*10.55.32.175", printed, re.M)
    assert "tcpdump" not in done.stdout


def _server_filters(place, folder):
    """On the server itself, before a capture there could see what in.tftpd sends."""
    rules = """
    table inet own {
      chain out {
        type filter hook output priority filter; policy accept;
        udp dport < 32768 drop
      }
    }
    """
    place.server.run("nft", "-f", "-", input=rules)


_WAYS = {
    "in": (conditions.HIGH_ONLY, None, "drops the answers", "ports"),
    "out": (conditions.LOW_REQUESTS_DROPPED, None, "drops the requests", "request"),
    "server": ("", _server_filters, "does not answer requests", "ports"),
}


@pytest.mark.parametrize("way", _WAYS)
def test_capture_at_the_server_says_which_way_the_low_ports_are_filtered(way):
    rules, prepare, said, cure = _WAYS[way]
    made = conditions.Condition(
        way, "", conditions.tftpd(), rules, prepare, "client-port-filter", (), (), ()
    )
    result, printed, again, done = _captured(made)
    assert result["verdict"]["cause"] == "client-port-filter", printed
    assert "cannot be seen from this end" in " ".join(printed.split())
    verdict = again["verdict"]
    assert (verdict["cause"], verdict["way"]) == ("client-port-filter", way), done.stdout
    words = " ".join(done.stdout.split())
    assert said in words and "The capture at the server shows" in words
    assert "cannot be seen from this end" not in words and "What would decide" not in words
    assert verdict["rules"]["items"][0]["cure"] == cure
