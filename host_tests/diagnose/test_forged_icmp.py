"""ICMP errors for packets of another conversation, or forged ones, change nothing (R-SEC-18)."""

import contextlib
import json
import sys
import tempfile
from pathlib import Path

import pytest

from host_tests.diagnose import conditions
from host_tests.diagnose.place import place
from host_tests.lab import processes
from host_tests.lab.firewall import CLIENT, FILE, SERVER, image

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("diagnose")]
_FORGE = Path(__file__).with_name("forged_icmp.py")


@contextlib.contextmanager
def _forged(where, first, last):
    words = (_FORGE, CLIENT, SERVER, str(first), str(last))
    with where.firewall.start(sys.executable, *words) as forger:
        processes.wait_until(lambda: "forging" in forger.output(), "a forger", process=forger)
        yield


def _fetched(where, endpoint):
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "result.json")
        words = ("--max-time", "20", "--quiet", "--json", path, "--endpoint", endpoint)
        argv = (sys.executable, "-m", "pxebench", "fetch", f"tftp://{SERVER}/{FILE}")
        done = where.client.run(*argv, *words, check=False, timeout_s=60)
        return json.loads(path.read_text()), done.stdout + done.stderr


@pytest.mark.parametrize("endpoint", ["local", "micropython"])
def test_boot_amid_forged_icmp_gets_the_whole_file(endpoint):
    with (
        place(conditions.tftpd()) as where,
        _forged(where, 2070, 2071),
    ):
        result, printed = _fetched(where, endpoint)
    assert result["outcome"] == "ok", printed
    assert result["image"]["bytes"] == len(image())
    seen = [row for transfer in result["transfers"] for row in transfer["icmp"]]
    if endpoint == "local":  # of those that came, only the ones that name our server count
        assert seen, "the forger came too late: this shows nothing"
        assert {row["from"] for row in seen} == {"10.55.32.1"}


def test_verdict_amid_forged_icmp_is_healthy():
    with (
        place(conditions.tftpd()) as where,
        _forged(where, 2070, 2073),
    ):
        result, _, printed = where.diagnose("--quick")
    assert result["verdict"]["cause"] == "healthy", printed
    assert any(fact["id"] == "icmp" for fact in result["verdict"]["facts"]), printed
