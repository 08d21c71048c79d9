"""A ROM file: its shape, its evidence, and the sentence that a broken one gets."""

from pxerom import rom_check
from pxerom.rom_check import RomFileError

from host_tests.core.check import Folder, raises, rom, rom_ids, same


def _wrong(path, value):
    """The message of the intel-undi ROM with `value` at `path` ("a__b__0")."""
    return str(raises(RomFileError, _changed, path, value))


def _changed(path, value):
    return rom("intel-undi", **{path: value})


def test_intel_rom_says_what_the_captures_say():
    """R-TFTP-76, R-TFTP-38: blksize 1456 for a BIOS ROM, never together with tsize."""
    flat = rom("intel-undi")
    same(
        flat["udp"]["source_port"],
        {
            "policy": "counter",
            "first": 2070,
            "last": 65535,
            "step": 1,
            "per": "request",
            "wrap": 2070,
        },
    )
    probe, transfer = flat["tftp"]["requests"]
    same((probe["purpose"], probe["options"]), ("size", [["tsize", "0"]]))
    same(probe["finish"], {"error": 0, "message": "TFTP Aborted"})
    same((transfer["purpose"], transfer["options"]), ("data", [["blksize", "1456"]]))
    same((probe["on"]["error"], transfer["on"]["error"]), ("next", "fail"))
    same((probe["on"]["no_oack"], transfer["on"]["no_oack"]), ("next", "accept"))
    same(flat["screen"]["exit"], "PXE-M0F: Exiting Intel PXE ROM.")


def test_every_rom_is_flat_and_asks_for_no_fragment():
    """R-TFTP-76: no evidence is left in it, and a block fits an Ethernet frame."""
    for name in rom_ids():
        flat = rom(name)
        same(flat["id"], name)
        assert "evidence" not in repr(flat), name
        for text in ("name", "about", "sources", "dhcp"):
            assert text not in flat, (name, text)
        for request in flat["tftp"]["requests"]:
            assert int(dict(request["options"]).get("blksize", 512)) <= 1468


def test_evidence_is_one_of_four_words():
    message = _wrong("tftp__rollover", {"value": 0, "evidence": "rumour"})
    same(
        message,
        'tftp.rollover.evidence: expected one of observed, source, derived, assumed, got "rumour"',
    )
    same(_changed("tftp__rollover", {"value": 1})["tftp"]["rollover"], 1)


def test_broken_field_is_named_with_its_path_and_what_was_expected():
    first_option = "tftp__requests__0__options"
    for path, value, message in (
        ("id", 7, "id: expected text, got 7"),
        ("tftp__rollover", 2, "tftp.rollover: expected 0 or 1 or fail, got 2"),
        ("tftp__rollover", False, "tftp.rollover: expected 0 or 1 or fail, got false"),
        ("tftp__rollover", [], "tftp.rollover: expected 0 or 1 or fail, got []"),
        ("tftp__dally_ms", -1, "tftp.dally_ms: expected a whole number 0..60000, got -1"),
        ("tftp__dally_ms", True, "tftp.dally_ms: expected a whole number 0..60000, got true"),
        ("tftp__dally_ms", 1.5, "tftp.dally_ms: expected a whole number 0..60000, got 1.5"),
        ("tftp__retry__open__waits_ms", [], "tftp.retry.open.waits_ms: expected a list, got []"),
        (
            "tftp__retry__open__waits_ms",
            [1, 2, "3"],
            'tftp.retry.open.waits_ms[2]: expected a whole number 1..3600000, got "3"',
        ),
        (
            "udp__source_port__first",
            70000,
            "udp.source_port.first: expected a whole number 1..65535, got 70000",
        ),
        ("udp__source_port__last", 2069, "udp.source_port.last: expected 2070 or more"),
        (
            "udp__source_port__policy",
            "lottery",
            'udp.source_port.policy: expected counter or random or fixed or clock, got "lottery"',
        ),
        ("udp", [], "udp: expected an object, got []"),
        ("tftp__requests", [], "tftp.requests: expected a list of objects, got []"),
        ("tftp__requests", {}, "tftp.requests: expected a list of objects, got {}"),
        ("tftp__requests__1", 3, "tftp.requests[1]: expected an object, got 3"),
        (
            "tftp__requests__0__mode",
            "netascii",
            'tftp.requests[0].mode: expected octet or OCTET, got "netascii"',
        ),
        (first_option, {}, "tftp.requests[0].options: expected a list of options, got {}"),
        (
            first_option,
            [["tsize"]],
            'tftp.requests[0].options[0]: expected ["name", "value"], got ["tsize"]',
        ),
        (
            first_option,
            [["tsize", 0]],
            'tftp.requests[0].options[0]: expected two texts, got ["tsize", 0]',
        ),
        (
            first_option,
            [["blksize", "7"]],
            'tftp.requests[0].options[0]: expected blksize 8..65464, got "7"',
        ),
        (
            first_option,
            [["windowsize", "65536"]],
            'tftp.requests[0].options[0]: expected windowsize 1..65535, got "65536"',
        ),
        (
            first_option,
            [["tsize", "0"], ["TSIZE", "0"]],
            "tftp.requests[0].options[1]: the option tsize stands there twice",
        ),
        (
            "tftp__on__give_up",
            "shout",
            'tftp.on.give_up: expected silent or {"error": code, "message": text}, got "shout"',
        ),
        (
            "tftp__on__give_up",
            {"error": 65536, "message": ""},
            "tftp.on.give_up.error: expected a whole number 0..65535, got 65536",
        ),
        ("tftp__on__give_up", {"error": 0}, "tftp.on.give_up.message: is missing"),
        ("tftp__requests__0__on", {"error": "ERROR"}, "tftp.requests[0].on.error: expected "),
        ("screen__banner", [1], "screen.banner[0]: expected text, got 1"),
    ):
        got = _wrong(path, value)
        assert got.startswith(message), "%s\n     got %s\nexpected %s" % (path, got, message)


def test_unknown_field_is_named_with_those_that_there_are():
    message = _wrong("tftp__retri", {})
    assert message.startswith("tftp.retri: no such field; there are adjustable, dally_ms, "), (
        message
    )
    message = _wrong("tftp__requests__0__on", {"eror": "next"})
    assert message.startswith("tftp.requests[0].on.eror: no such field; "), message


def test_missing_field_is_named():
    tree = rom_check.read("intel-undi")
    del tree["tftp"]["retry"]["read"]
    same(str(raises(RomFileError, rom_check.flatten, tree)), "tftp.retry.read: is missing")
    same(str(raises(RomFileError, rom_check.flatten, {})), "id: is missing")
    same(str(raises(RomFileError, rom_check.flatten, [])), ": expected an object, got []"[2:])


def test_last_request_is_for_data():
    """A ROM that only probes would have nothing to boot."""
    tree = rom_check.read("intel-undi")
    del tree["tftp"]["requests"][1]
    message = str(raises(RomFileError, rom_check.flatten, tree))
    same(message, "tftp.requests: the last request must have the purpose data")


def test_options_go_out_as_the_file_has_them():
    """R-TFTP-5: order and letters are the ROM's; each option once whatever its case."""
    tree = rom_check.read("standard")
    options = [["TSize", "0"], ["blksize", "512"], ["x-vendor", ""]]
    tree["tftp"]["requests"][0]["options"] = options
    same(rom_check.flatten(tree)["tftp"]["requests"][0]["options"], options)


def test_request_overrides_single_reactions():
    flat = rom("standard", tftp__on={"unknown_tid": "ignore", "error": "fail"})
    first, second = flat["tftp"]["requests"]
    same((first["on"]["error"], second["on"]["error"]), ("next_if_refused", "fail"))
    same((first["on"]["unknown_tid"], second["on"]["unknown_tid"]), ("ignore", "ignore"))
    same(first["on"]["duplicate_data"], "ack_once", "the default")


def test_rom_file_that_cannot_be_read_gets_a_sentence():
    with Folder() as folder:
        for text in (b"", b"{", b"[1,", b"\xff\xfe\x00", b'{"id": }', b"[" * 1200):
            path = folder.put("rom.json", text)
            message = str(raises(RomFileError, rom_check.load, path))
            # MicroPython takes `{` for `{}`, and `[1,` for `[1]`: the shape catches those.
            assert message in (
                path + " is not a JSON file",
                "id: is missing",
                "expected an object, got [1]",
            ), (text, message)
        missing = folder.at("no.json")
        message = str(raises(RomFileError, rom_check.load, missing))
        same(message, "cannot read %s: no such file or folder" % missing)
    same(str(raises(RomFileError, rom_check.load, "amiga")), "there is no ROM called amiga")
    same(str(raises(RomFileError, rom_check.load, None)), "there is no ROM called None")


def test_rom_is_loaded_by_id_by_path_and_as_a_whole():
    by_id = rom_check.load("os-client")
    same(rom_check.load(rom_check.folder() + "/os-client.json"), by_id)
    same(rom_check.load(rom_check.read("os-client")), by_id)
