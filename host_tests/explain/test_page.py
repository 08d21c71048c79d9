"""`pxebench report` of a result of `explain`: the page says what the terminal says."""

import subprocess
import sys

import pytest

from host_tests.explain import told


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            "question.txt",
            ["client-port-filter", "2070-2078", "third and fourth request", "tcpdump"],
        ),
        ("tcpdump-n.txt", ["intel-undi", "OACK", "gxs-data-port"]),
        ("dnsmasq.log", ["file-missing"]),
        ("PXE-E32", ["TFTP open timeout", "legacy PXE ROM"]),
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
    assert "<script" not in text
