"""Each captured server plays against our ROM of that client, and nothing may be left unexplained.

The replay is `replay`, the verdicts are `table`'s; here they are held to, and the replay itself is
held to finding what is wrong with a ROM that is a little different.
"""

import pytest
from pxerom import rom_check

from host_tests.fidelity import __main__ as command
from host_tests.fidelity import table, table_dhcp

_PROGRAMS = [
    (name, rom_id, number)
    for name in table.names()
    for number, (rom_id, _) in enumerate(table.programs(name))
]


def _id(program):
    name, rom_id, number = program
    return f"{name}:{rom_id}:{number}"


def _judge(name, rom_id, flat, number=None):
    plays = table.programs(name)
    if number is None:
        number = [each for each, _ in plays].index(rom_id)
    return table.judge(name, rom_id, plays[number][1], flat)


@pytest.mark.parametrize("program", _PROGRAMS, ids=_id)
def test_rom_is_as_its_captured_client(program):
    name, rom_id, number = program
    row = _judge(name, rom_id, table.rom(name, rom_id), number)
    assert row.verdict != "differs", "\n".join(row.differences)


def test_table_in_the_readme_is_what_the_replay_finds():
    found = command.readme(table.rows(), table_dhcp.rows())
    assert table.README.read_text() == found, "run `python -m host_tests.fidelity --write`"


def test_every_conversation_of_every_capture_is_played():
    for name in table.names():
        played = [talk for _, talks in table.programs(name) for talk in talks]
        there = [talk for client in table.read(name).clients for talk in client.conversations]
        left = [number for at, number in table.NOT_PLAYED if at == name]
        there = [talk for number, talk in enumerate(there) if number not in left]
        assert played == there, name
    without = [name for name in table.without_tftp() if "-d-" not in name]
    assert without == ["edk2-4011", "edk2-decline"] + [
        f"{client}-nodhcp" for client in ("ipxe", "ovmf", "ubootarm64")
    ]


def test_no_reason_stands_for_a_difference_that_is_gone():
    for (name, rom_id), reasons in table.REASONS.items():
        said = _judge(name, rom_id, table.rom(name, rom_id)).reasons
        assert {reason for _, reason in reasons} <= set(said), name
    for (name, rom_id), factor in list(table.CLOCKS.items()):
        kept = table.CLOCKS.pop((name, rom_id))
        try:
            row = _judge(name, rom_id, table.rom(name, rom_id))
        finally:
            table.CLOCKS[name, rom_id] = kept
        assert len(row.differences) + len(row.reasons) > 10, f"{name} needs no clock of {factor}"
    for name, rom_id in table.CUT.copy():
        table.CUT.remove((name, rom_id))
        try:
            row = _judge(name, rom_id, table.rom(name, rom_id))
        finally:
            table.CUT.add((name, rom_id))
        assert row.verdict == "differs", f"{name} is whole"
    for name, given in table.SETTINGS.items():
        talk = table.programs(name)[0][1][0]
        assert {option: int(text) for option, text in talk.asked.options} == given, name


# ---- what the replay must find. (capture, ROM, path, value, a word of the difference)

_CHANGES = [
    ("pxelinux-boot1", "pxelinux", "udp.source_port.first", 49153, "source ports: 49152"),
    ("pxelinux-boot1", "pxelinux", "udp.source_port.step", 2, "source ports: 49152, 49153"),
    ("grubpc-blackhole", "grub", "udp.source_port.per", "request", "source ports: 25300 40 times"),
    ("ovmf-boot1", "edk2", "udp.source_port.step", 3, "source ports: 1793, 1794"),
    ("ovmf-boot1", "edk2", "udp.source_port.first_max", 1500, "captured port 1793"),
    ("ipxe-boot1", "ipxe", "udp.source_port.last", 40000, "captured port 44880"),
    ("curl-normal", "curl", "udp.source_port.first", 60000, "captured port 52845"),
    ("ipxe-blackhole", "ipxe", "udp.source_port.per", "request", "the port stays"),
    (
        "ipxe-boot1",
        "ipxe",
        "tftp.requests.0.options",
        [["tsize", "0"], ["blksize", "1432"]],
        "RRQ",
    ),
    ("ipxe-boot1", "ipxe", "tftp.requests.0.mode", "OCTET", "RRQ"),
    ("ipxe-boot1", "ipxe", "tftp.requests.0.padding", 80, "packet 1 of the client"),
    ("ovmf-boot1", "edk2", "tftp.requests.0.finish.error", 0, "ERROR 8"),
    ("ovmf-boot1", "edk2", "tftp.requests.0.finish.message", "user aborted", "User aborted"),
    ("tftphpa-blackhole", "tftp-hpa", "tftp.retry.open.waits_ms", [5000] * 4, "5 packets"),
    ("tftphpa-blackhole", "tftp-hpa", "tftp.retry.open.waits_ms", [4700] * 5, "after 5.0"),
    ("atftp-dropall", "atftp", "tftp.retry.read.waits_ms", [5300] * 6, "after 5.0"),
    ("busybox-py-dup", "busybox", "tftp.on.duplicate_data", "ack", "packets of the client"),
    ("ubootarm64-py-dup", "u-boot", "tftp.on.duplicate_data", "ignore", "packets of the client"),
    ("atftp-py-wrongtid", "atftp", "tftp.on.unknown_tid", "error", "ERROR 5"),
    ("grubpc-dropall", "grub", "tftp.on.give_up", "silent", "packets of the client"),
]


def _changed(rom_id, path, value):
    tree = rom_check.read(rom_id)
    *steps, last = path.split(".")
    node = tree
    for step in steps:
        node = node[int(step) if step.isdigit() else step]
        if isinstance(node, dict) and "value" in node:
            node = node["value"]
    node[last] = value
    return rom_check.flatten(tree)


@pytest.mark.parametrize("change", _CHANGES, ids=lambda change: f"{change[1]}-{change[2]}")
def test_rom_that_is_a_little_different_does_not_pass(change):
    name, rom_id, path, value, words = change
    flat = _changed(rom_id, path, value)
    row = _judge(name, rom_id, flat)
    assert row.verdict == "differs"
    assert any(words in text for text in row.differences), row.differences


def test_another_clients_rom_does_not_pass():
    for name, rom_id, other in (
        ("ipxe-boot1", "ipxe", "u-boot"),
        ("busybox-drop1", "busybox", "curl"),
        ("curl-acklost", "curl", "busybox"),
        ("tftphpa-blackhole", "tftp-hpa", "atftp"),
    ):
        assert _judge(name, rom_id, rom_check.load(other)).verdict == "differs", name


# ---- DHCP


@pytest.mark.parametrize("name", table_dhcp.names())
def test_rom_asks_dhcp_as_its_captured_client(name):
    row = table_dhcp.judge(name, table_dhcp.rom(name))
    assert row.verdict != "differs", "\n".join(row.differences)


def test_dhcp_of_every_capture_is_played_but_that_of_a_loaded_program():
    left = 0
    for name in table.names():
        there = [boot for client in table.read(name).clients for boot in client.boots if boot.dhcp]
        left += len(there) - len(table_dhcp.boots(name))
    assert left == len(table_dhcp.OTHERS)
    assert set(table.without_tftp()) <= set(table_dhcp.names())


def test_network_card_in_option_175_is_a_difference():
    for name in ("pxelinux-boot2", "grubpc-boot2"):
        differences = table_dhcp.judge(name, rom_check.read("ipxe")).differences
        assert len(differences) == 3 and all("option 175" in text for text in differences)


@pytest.mark.parametrize(
    ("name", "path", "value", "words"),
    [
        ("ipxe-nodhcp", "discover.waits_ms", [1000, 2400, 4000, 8000], "time: after 2.0"),
        ("ipxe-nodhcp", "discover.waits_ms", [1000, 2000, 4000], "DISCOVER is missing"),
        ("ipxe-boot1", "flags", 32768, "flags: 0x0000"),
        ("ipxe-boot1", "secs.first", 0, "secs"),
        ("ovmf-boot1", "pad", 548, "length: 347"),
        ("ovmf-boot1", "arch", 0, "option 93"),
        ("ubootarm64-boot1", "discover.gather", "window", "time: after 0.0"),
    ],
)
def test_rom_whose_dhcp_is_a_little_different_does_not_pass(name, path, value, words):
    rom = table_dhcp.rom(name)
    *steps, last = path.split(".")
    node = rom["dhcp"]
    for step in steps:
        node = node[step]
        if isinstance(node, dict) and "value" in node:
            node = node["value"]
    node[last] = value
    row = table_dhcp.judge(name, rom)
    assert row.verdict == "differs"
    assert any(words in text for text in row.differences), row.differences
