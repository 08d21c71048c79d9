"""A slow boot that works: the summary and `diagnose` say what it waits for.

The cases are those of public reports: go-via#4 (1456 at 25 ms), s3tftpd#2 (7,399,773 bytes in
656 s, no options), a WDS whose client does not take up the window, shim#618 at 512.
"""

import subprocess
from types import SimpleNamespace

import pytest
from pxebench import pace

from host_tests.lab import relay, servers
from host_tests.lab.programs import ROOT


def _transfer(blocks, elapsed_ms, **more):
    blksize = more.get("blksize", 512)
    return {
        "blocks": blocks,
        "bytes": (blocks - 1) * blksize,
        "elapsed_ms": elapsed_ms,
        "retransmits": 0,
        "requests": [{"options": more.pop("asked", [])}],
        "oack": None,
        **more,
    }


@pytest.mark.parametrize(
    "transfer, words",
    [
        (_transfer(14453, 655700),
         "14453 blocks of 512 bytes, one at a time: 45.4 ms each. That is 14453 round trips; "
         "blocks of 1468 bytes need 5041, windows of 8 need 1807."),
        (_transfer(1441, 36025, blksize=1456, asked=[["blksize", "1456"]],
                   oack={"blksize": "1456"}),
         "1441 blocks of 1456 bytes, one at a time: 25.0 ms each. That is 1441 round trips; "
         "blocks of 1468 bytes need 1429, windows of 8 need 181."),
        (_transfer(1001, 25025, blksize=1468, asked=[["blksize", "1468"], ["windowsize", "4"]],
                   oack={"blksize": "1468"}),
         "1001 blocks of 1468 bytes, one at a time: 25.0 ms each. The server did not grant "
         "windowsize 4. That is 1001 round trips; windows of 8 need 126."),
        (_transfer(1001, 3150, blksize=1468, windowsize=8, oack={"windowsize": "8"}),
         "1001 blocks of 1468 bytes in windows of 8: 25.0 ms each. That is 126 round trips."),
        (_transfer(101, 8080, retransmits=3),
         "101 blocks of 512 bytes, one at a time: 80.0 ms each, and 3 times nothing came until "
         "the ROM sent again."),
        (_transfer(40001, 9000), "40001 blocks of 512 bytes, one at a time: 0.2 ms each."),
        (_transfer(101, 1999), None),
        (_transfer(1, 5000), None),
    ],
)  # fmt: skip
def test_long_transfer_says_what_it_waited_for(transfer, words):
    assert pace.of_transfer(transfer) == words


def _path(size, block_ms, blksize=512, windowsize=1, sizes=None):
    boot = {"size": size, "blksize": blksize, "windowsize": windowsize}
    return pace.of_path(boot, block_ms, {} if sizes is None else sizes)


def test_diagnose_says_how_long_the_file_takes_block_by_block():
    text = _path(7399773, 45.4, sizes={512: True, 1456: True, 1468: True, 8192: True})
    assert "So the file's 7399773 bytes take about 10 min 56 s, in blocks of 1468" in text
    assert "about 3 min 49 s." in text
    text = _path(7399773, 45.4, sizes={512: True, 1456: False, 1468: False, 8192: None})
    assert "10 min 56 s. A faster link does not help" in text
    assert "10 MiB take about 15 min 30 s" in _path(None, 45.4)
    assert "about 50 s" in _path(1 << 20, 24.4)


def test_diagnose_says_nothing_of_a_path_that_is_fast_enough():
    assert _path(100 << 20, 0.1, blksize=1468) is None
    assert _path(74213, 45.4) is None
    assert _path(None, 2.5) is None
    assert _path(7399773, 45.4, windowsize=8) is None
    assert pace.of_path(None, 45.4, {}) is None


def _messages(*packets):
    """(Packet, Tftp) as `Conversation.messages` gives them, of (seconds, kind)."""
    return [(SimpleNamespace(time=at), SimpleNamespace(kind=kind)) for at, kind in packets]


def test_capture_says_on_whose_side_the_time_passed():
    """ipxe#145: the server's capture has 2 ms between a block and its ACK."""
    packets = [(0, "RRQ"), (0.1, "OACK"), (0.1, "ACK")]
    for block in range(1000):
        packets += [(0.2 + block / 400, "DATA"), (0.202 + block / 400, "ACK")]
    assert pace.of_capture(_messages(*packets)) == (
        "Of its 2.6 s, 2.0 s (2.0 ms each) passed between a block and its ACK (the client's side, "
        "from where this was captured), 0.6 s (0.6 ms each) between an ACK and the next block "
        "(the server's side)."
    )
    again = [(0, "ACK"), (0.1, "DATA"), (0.1, "ACK"), (3.1, "ACK"), (3.2, "DATA"), (3.2, "ACK")]
    text = pace.of_capture(_messages(*again))
    assert text.endswith("and 3.0 s between packets of the same end: they were sent again.")


def test_short_or_halved_capture_says_nothing_of_it():
    assert pace.of_capture([]) is None
    assert pace.of_capture(_messages((0, "DATA"), (0.1, "ACK"), (1.9, "DATA"))) is None
    assert pace.of_capture(_messages((0, "DATA"), (5, "DATA"), (9, "DATA"))) is None


def test_summary_of_a_far_fetch_has_its_pace():
    with (
        servers.folder({"far": bytes(52000)}) as served,
        servers.in_tftpd(served) as server,
        relay.line(server.host, server.port, 1, delay_s=(0.0125, 0.0125)) as line,
    ):
        words = ["fetch", "--rom", "os-client", f"tftp://{line.host}:{line.port}/far"]
        done = subprocess.run(
            [ROOT / ".venv" / "bin" / "pxebench", *words], capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr
    (row,) = [each for each in done.stderr.splitlines() if each.startswith("  pace")]
    assert "102 blocks of 512 bytes, one at a time: " in row
    assert "That is 102 round trips; blocks of 1468 bytes need 36" in row
