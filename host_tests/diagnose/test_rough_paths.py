"""Ways that are bad but whole are no cause of failure; one that loses packets is called that.

Between `diagnose` and in.tftpd stands the lab's relay, which doubles, reorders, delays and loses.
"""

import concurrent.futures
import json
import subprocess
import sys

import pytest

from host_tests.lab import relay, servers
from host_tests.lab.firewall import FILE, image

pytestmark = pytest.mark.slow

_WAYS = {
    "every packet twice": ({"duplicate": 1.0}, "healthy"),
    "packets overtake each other": ({"reorder": 0.2}, "healthy"),
    "60 ms there and back, more than the boot is given": ({"delay_s": (0.02, 0.04)}, "healthy"),
    "some of all": ({"duplicate": 0.3, "reorder": 0.1, "delay_s": (0.001, 0.01)}, "healthy"),
    "one packet in twelve lost": ({"loss": 0.08}, "loss"),
    "a third of a second for each block": ({"delay_s": (0.15, 0.2)}, "slow-server"),
}


def _play(number, how):
    with (
        servers.folder({FILE: image()}) as folder,
        servers.in_tftpd(folder) as server,
        relay.line(server.host, server.port, seed=7, host=f"127.55.7.{number}", **how) as line,
    ):
        words = ("--server", f"{line.host}:{line.port}", "--file", FILE, "--quick", "--json", "-")
        bind = ("--bind", f"127.55.6.{number}")
        done = subprocess.run(
            [sys.executable, "-m", "pxebench", "diagnose", *words, *bind],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.stderr == ""  # nothing but JSON, and no progress into a pipe
        return json.loads(done.stdout)["verdict"]


@pytest.fixture(scope="module")
def played():
    with concurrent.futures.ThreadPoolExecutor(len(_WAYS)) as pool:
        futures = [
            pool.submit(_play, number, how) for number, (how, _) in enumerate(_WAYS.values(), 1)
        ]
        return dict(zip(_WAYS, [future.result() for future in futures], strict=True))


@pytest.mark.parametrize("way", _WAYS)
def test_way_gets_its_own_name_and_no_other(played, way):
    assert played[way]["cause"] == _WAYS[way][1], played[way]["explains"]


def test_boot_that_was_cut_off_while_it_went_well_is_said_to_be(played):
    unknown = played["60 ms there and back, more than the boot is given"]["unknown"]
    assert any("Whether the whole file comes was not seen" in text for text in unknown)
