"""What a server may do wrong, over real sockets, on both interpreters: the end of each is known.

`fetch` (conftest) checks what holds of every end: exit code 0 or 1, no traceback, nothing but
printable text on the screen, the old file or the whole new one, no .part.
"""

import socket

import pytest

from host_tests.core.packets import data, error, oack
from host_tests.fuzz.conftest import Fetch
from host_tests.lab import programs, scripted
from host_tests.lab.scripted import CLOSE, DIE, NORMAL, unknown_tid

pytestmark = pytest.mark.slow

_FORGED = b"\xee" * 1468
_HOSTILE = b"\x1b[2J\x1b]0;owned\x07\r\nPXE-M0F\x00after the NUL" + b"A" * 1400

# What a client gets over: name, the script of the server.
_SURVIVED = [
    ("quiet", {}),
    ("empty datagrams", {"oack 1": [b"", NORMAL], "data 2": [b"", b"", NORMAL]}),
    (
        "short datagrams",
        {"data 1": [b"\0", b"\0\3", b"\0\3\0", NORMAL], "data 3": [b"\0\5\0", NORMAL]},
    ),
    ("opcode of an OACK alone", {"oack 1": [b"\0\6", b"\0\6\0", NORMAL]}),
    ("block 1 twice", {"data 1": [NORMAL, NORMAL]}),
    ("last block twice", {"data last": [NORMAL, NORMAL]}),
    ("block 3 before 2", {"data 2": [data(3, _FORGED), NORMAL]}),
    ("block 1 after 2", {"data 3": [data(1, _FORGED), NORMAL]}),
    ("block 0", {"data 2": [data(0, _FORGED), NORMAL]}),
    ("block 65535", {"data 2": [data(65535, _FORGED), NORMAL]}),
    ("not block 1 first", {"oack 1": [data(2, _FORGED), data(0, b""), NORMAL]}),
    ("a lost OACK", {"oack 1": []}),
    ("a lost block", {"data 2": []}),
    ("OACK twice", {"oack 1": [NORMAL, NORMAL]}),
    ("OACK in mid-file", {"data 3": [oack(blksize=8), NORMAL]}),
    ("four NULs after the OACK", {"oack 1": [oack(blksize=1468, tsize=5000) + b"\0\0\0\0"]}),
    ("unknown TID's ERROR", {"data 2": [unknown_tid(error(1, "no")), NORMAL]}),
    ("unknown TID's ERROR before all", {"data 1": [unknown_tid(error(0, "")), NORMAL]}),
    ("unknown TID's block", {"data 2": [unknown_tid(data(2, _FORGED)), NORMAL]}),
    ("unknown TID's end", {"data 2": [unknown_tid(data(2, b"")), NORMAL]}),
    ("unknown TID's OACK", {"data 1": [unknown_tid(oack(blksize=8)), NORMAL]}),
    ("unknown TID's nothing", {"data 2": [unknown_tid(b""), unknown_tid(b"\0"), NORMAL]}),
]

# What ends a boot: name, code, the script of the server.
_ENDED = [
    ("OACK without a last NUL", "E38", {"oack 1": [b"\0\6blksize\0512"]}),
    ("OACK without a value", "E38", {"oack 1": [b"\0\6blksize\0"]}),
    ("OACK with an empty name", "E38", {"oack 1": [b"\0\6\0512\0"]}),
    ("OACK with garbage after it", "E38", {"oack 1": [oack(blksize=512) + b"tail"]}),
    ("OACK that names an option twice", "E38", {"oack 1": [b"\0\6tsize\0001\0TSIZE\0002\0"]}),
    ("OACK of NULs", "E38", {"oack 1": [b"\0\6" + bytes(600)]}),
    ("blksize 0", "E38", {"oack 1": [oack(blksize=0)]}),
    ("blksize 7", "E38", {"oack 1": [oack(blksize=7)]}),
    ("blksize that is 512 in 16 bits", "E38", {"oack 1": [oack(blksize=66048)]}),
    ("blksize that is no number", "E38", {"oack 1": [oack(blksize="0x200")]}),
    ("blksize beyond what was asked", "E3F", {"oack 1": [oack(blksize=1469)]}),
    ("an option that nobody asked for", "E38", {"oack 1": [oack(windowsize=4)]}),
    ("an option with escape sequences", "E38", {"oack 1": [b"\0\6\x1b[31m\0\x07\0"]}),
    ("tsize below zero", "E38", {"oack 1": [oack(tsize=-1)]}),
    ("tsize of 2 to the 64th", "E38", {"oack 1": [oack(tsize=1 << 64)]}),
    ("tsize of 2 to the 63rd", "E3A", {"oack 1": [oack(tsize=1 << 63)]}),
    ("a block of one byte too many", "E3F", {"data 2": [data(2, _FORGED + b"!")]}),
    ("a block of 60,000 bytes", "E3F", {"data 2": [data(2, bytes(60000))]}),
    ("a block that ends the file early", "E39", {"data 2": [data(2, b"short")]}),
    ("a write request", "E33", {"data 2": [b"\0\2f\0octet\0"]}),
    ("an ACK", "E33", {"data 2": [b"\0\4\0\1"]}),
    ("an opcode of 0x0300", "E33", {"data 2": [b"\3\0\0\2" + _FORGED]}),
    ("an opcode that does not exist", "E33", {"data 2": [b"\xff\xff\0\0"]}),
    ("ERROR to the request", "E3B", {"oack 1": [error(1, "File not found")]}),
    ("ERROR before the first block", "E3C", {"data 1": [error(2, "Access violation")]}),
    ("ERROR in mid-file", "E36", {"data 2": [error(0, "read error")]}),
    ("ERROR 8 in mid-file", "E36", {"data 2": [error(8, "options")]}),
    ("ERROR in the place of the end", "E36", {"data last": [error(3, "disk")]}),
    ("ERROR with escape sequences", "E36", {"data 2": [error(7, _HOSTILE)]}),
    ("ERROR with every byte", "E36", {"data 2": [error(7, bytes(range(1, 256)))]}),
    ("ERROR without text or NUL", "E36", {"data 2": [error(7, b"", end=b"")]}),
    ("ERROR without its last NUL", "E36", {"data 2": [error(7, "no NUL", end=b"")]}),
    ("ERROR 65535", "E36", {"data 2": [error(65535, "what")]}),
    ("silence at once", "E32", {"oack 1": [DIE]}),
    ("silence after the OACK", "E35", {"data 1": [DIE]}),
    ("silence in mid-file", "E35", {"data 3": [DIE]}),
    ("silence before the end", "E35", {"data last": [DIE]}),
    ("an OACK for ever", "E35", {"data 1 always": [oack(blksize=1468, tsize=5000)]}),
    ("block 1 for ever", "E35", {"data 2 always": [data(1, _FORGED)]}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "script"), _SURVIVED, ids=[each[0] for each in _SURVIVED])
def test_fault_that_a_transfer_survives(fetch, content, name, script):
    with scripted.serve({"f": content}, script, retry_s=0.1) as server:
        result = fetch(server.url("f"), fetch.rom("standard"), content)
    assert result["outcome"] == "ok", result["status"]


@pytest.mark.parametrize(("name", "code", "script"), _ENDED, ids=[each[0] for each in _ENDED])
def test_fault_that_ends_a_boot_has_one_code(fetch, content, name, code, script):
    with scripted.serve({"f": content}, script, retry_s=0.1) as server:
        result = fetch(server.url("f"), fetch.rom("standard"), content)
    assert result["outcome"] == "failed"
    assert result["status"]["code"] == "PXE-" + code, result["status"]


@pytest.mark.parametrize("claimed", [0, 1, 4999, 5001, 1 << 32])
def test_lying_tsize_never_ends_in_a_file(fetch, content, claimed):
    with scripted.serve({"f": content}, tsize=claimed) as server:
        result = fetch(server.url("f"), fetch.rom("standard"), content, "--max-bytes", "6000")
    assert result["status"]["code"] == ("PXE-E3A" if claimed > 6000 else "PXE-E39")


@pytest.mark.parametrize("claimed", [0, 4999, 5001])
def test_size_probe_that_lies_never_ends_in_a_wrong_file(fetch, content, claimed):
    with scripted.serve({"f": content}, tsize=claimed) as server:
        result = fetch(server.url("f"), fetch.rom("intel-undi"), content)
    assert result["status"]["code"] == "PXE-E39"
    assert result["transfers"][0]["oack"] == {"tsize": str(claimed)}


def test_stray_opcodes_without_end_wear_out_a_patient_rom(fetch, content):
    with scripted.serve({"f": content}, {"data 2": [b"\0\4\0\1"] * 300}) as server:
        result = fetch(server.url("f"), fetch.rom("intel-undi"), content)
    assert result["status"]["code"] == "PXE-E33"


def test_data_in_answer_to_a_size_probe_is_not_stored(fetch, content):
    # Also where the ROM's table would accept it: a probe fetches nothing.
    rom = fetch.rom("intel-undi", requests=[
        {"purpose": "size", "options": [["tsize", "0"]], "on": {"no_oack": "accept"}},
        {"options": [["blksize", "1456"]]},
    ])  # fmt: skip
    with scripted.serve({"f": content}, known=()) as server:
        result = fetch(server.url("f"), rom, content)
    assert [record["outcome"] for record in result["transfers"]] == ["aborted", "ok"]


def test_error_in_mid_file_does_not_start_the_file_again(fetch, content):
    # `standard` asks again without options after ERROR 0, 4 or 8, but only before the first block.
    with scripted.serve({"f": content}, {"data 3": [error(0, "oops")]}) as server:
        result = fetch(server.url("f"), fetch.rom("standard"), content)
    assert len(result["transfers"]) == 1
    assert result["status"]["code"] == "PXE-E36"


def test_server_that_drips_is_ended_by_the_bench(fetch, content):
    with scripted.serve({"f": content}, known=(), drip_s=0.15) as server:
        words = ("--max-time", "1")
        result = fetch(server.url("f"), fetch.rom("os-client"), content, *words)
    assert result["outcome"] == "failed"
    assert result["status"]["code"] == "PXE-E35"
    assert result["ended"]["by"] == "bench"
    assert 900 <= result["ended"]["after_ms"] <= 2000
    assert 0 < result["transfers"][0]["blocks"] < 10


def test_server_that_drips_is_waited_for(fetch, content):
    with scripted.serve({"f": content}, drip_s=0.15) as server:
        result = fetch(server.url("f"), fetch.rom("standard"), content)
    assert result["outcome"] == "ok"


@pytest.mark.parametrize("rom", ["intel-undi", "os-client"])
def test_port_where_nothing_listens_is_tried_to_the_end(fetch, content, rom):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    result = fetch(f"tftp://127.0.0.1:{port}/f", fetch.rom(rom), content)
    assert result["status"]["code"] == "PXE-E32"
    requests = sum(len(record["requests"]) for record in result["transfers"])
    assert requests == (6 if rom == "intel-undi" else 3)
    assert sum(record["unreachable"] for record in result["transfers"]) > 0


def test_server_that_goes_away_in_mid_file_is_waited_for(fetch, content):
    with scripted.serve({"f": content}, {"data 2": [CLOSE]}) as server:
        result = fetch(server.url("f"), fetch.rom("standard"), content)
    assert result["status"]["code"] == "PXE-E35"
    assert result["transfers"][0]["unreachable"] > 0


@pytest.mark.parametrize(
    ("point", "packets"),
    [
        ("data 2", [NORMAL]),
        ("data 1", [error(7, b"A" * 60000)]),
        ("oack 1", [b"\0\6" + b"".join(b"a%d\0b\0" % i for i in range(6000))]),
    ],
    ids=["blocks", "an ERROR", "an OACK"],
)
def test_packets_beyond_a_board_s_memory_end_in_a_code(tmp_path_factory, content, point, packets):
    board = tmp_path_factory.mktemp("board") / "micropython"
    board.write_text(f'#!/bin/sh\nexec "{programs.find("micropython")}" -X heapsize=128k "$@"\n')
    board.chmod(0o755)
    fetch = Fetch(tmp_path_factory.mktemp("fetch"), "micropython")
    words = ("--interpreter", board, "--blksize", "65464")
    with scripted.serve({"f": content * 40}, {point: packets}) as server:
        result = fetch(server.url("f"), fetch.rom("standard"), content * 40, *words)
    assert result["status"]["code"] == "PXE-E3A"
    assert result["status"]["side"] == "ours"
