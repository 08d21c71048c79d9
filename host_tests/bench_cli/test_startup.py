"""What a command loads before its work: most of what a short one costs is imports.

Counted, not timed: a machine that is busy is as slow as it likes.
"""

import re

# Each takes milliseconds, and a plain fetch has no need of it.
_NOT_FOR_A_FETCH = {
    "shutil",
    "tempfile",
    "random",
    "ipaddress",
    "pathlib",
    "subprocess",
    "urllib.parse",
    "encodings.idna",
    "ssl",
    "rich",
    "textwrap",
    "traceback",
    "dataclasses",
    "pxebench.captures",
    "pxebench.hops",
    "pxebench.board",
    "pxerom.boot",
    "pxerom.dhcp_client",
    "pxerom.faults",
    "pxerom.trace",
    "pxerom.tftp_quirks",
}


def _loaded(done):
    """The modules that a run imported, from what -X importtime prints."""
    assert done.returncode == 0, done.stderr
    names = re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.M)
    assert "click.core" in names, done.stderr
    return set(names)


def _trace(bench, *words):
    return _loaded(bench(*words, env={"PYTHONPROFILEIMPORTTIME": "1"}))


def test_fetch_loads_what_it_needs_and_no_more(bench, served):
    loaded = _trace(bench, "fetch", "--rom", "os-client", "-o", "got", served.url("a b.bin"))
    assert {"pxerom.fetch", "pxebench.running"} <= loaded
    assert not loaded & _NOT_FOR_A_FETCH
    # With all that click and CPython need for themselves.
    assert len(loaded) < 165, sorted(loaded)


def test_help_and_version_load_no_command(bench):
    for word in ("-h", "--version"):
        loaded = _trace(bench, word)
        assert {name for name in loaded if name.startswith(("pxebench.", "pxerom"))} == {
            "pxebench.cli",
            "pxebench.job",
            "pxebench.icmp",
        }
