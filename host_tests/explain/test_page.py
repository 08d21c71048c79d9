"""`pxebench report` of a result of `explain`: the page says what the terminal says."""

import json
import subprocess
import sys

import pytest

from host_tests.explain import told, wire


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            "question.txt",
            ["client-port-filter", "2070-2078", "third and fourth request", "tcpdump"],
        ),
        ("tcpdump-n.txt", ["intel-undi", "OACK", "gxs-data-port"]),
        ("dnsmasq.log", ["file-missing"]),
        ("PXE-E32", ["PXE-E32: TFTP open timeout", "legacy PXE ROM"]),
        ("kea.log", ["The client has its lease and sends no request"]),
    ],
)
def test_a_result_becomes_a_page(given, words, tmp_path):
    page, result = tmp_path / "page.html", tmp_path / "result.json"
    source = told.INPUTS / given if "." in given else given
    bench = [sys.executable, "-m", "pxebench"]
    subprocess.run([*bench, "explain", source, "--json", result, "-q"], check=False)
    subprocess.run([*bench, "report", result, "-o", page, "-q"], check=True)
    text = page.read_text("utf-8").replace("\N{NON-BREAKING HYPHEN}", "-")
    for word in words:
        assert word in text
    assert "<script" not in text and "undecided:" not in text


def test_page_of_a_rom_that_fails_is_not_green_because_a_later_client_boots(tmp_path):
    """The reported case: the ROM fails, and atftp from a high port gets the file."""
    boot = wire.intel(wire.Boot(ttl=63), answered=True)
    boot.whole(44669, 40.0)
    source = tmp_path / "server.pcap"
    source.write_bytes(wire.pcap(boot.frames))
    page, result = tmp_path / "page.html", tmp_path / "result.json"
    bench = [sys.executable, "-m", "pxebench"]
    run = subprocess.run([*bench, "explain", source, "--json", result, "-q"], check=False)
    assert run.returncode == 1
    subprocess.run([*bench, "report", result, "-o", page, "-q"], check=True)
    assert "client-port-filter: " in page.read_text("utf-8")
    found = json.loads(result.read_text())
    assert found["outcome"] == "failed"
    assert [one["boot"]["outcome"] for one in found["clients"]] == ["failed", "ok"]
