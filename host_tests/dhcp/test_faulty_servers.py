"""DHCP servers that do what no real one does: silent, slow, wrong, lying. One fault at a time.

Each ends in a boot or in one clear code, on every interpreter, and never in another machine's
lease. What the engine makes of every single byte is the core's tests' matter; here it is what
comes over a wire and what a user gets.
"""

import pytest

from host_tests.dhcp import scenes
from host_tests.dhcp.scenes import FILES, SECOND, SERVER, Scene, everywhere, failed, play_all, tftp
from host_tests.lab import scripted_dhcp
from host_tests.lab.scripted_dhcp import ack, nak, offer

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dhcp")]

ADDRESS = "10.88.0.77"
FILE = {"yiaddr": ADDRESS, "siaddr": SERVER, "file": "linux.0"}
GOOD = {"discover": [offer(**FILE)], "request": [ack(**FILE)]}
OTHER_MAC = bytes.fromhex("020000000099")
_PXE = (60, b"PXEClient")


def _scripted(script, *others):
    """A scene's servers: one that keeps to the script, and in.tftpd beside it."""

    def start(lan, stack, folder):
        machine = lan.machine("server", f"{SERVER}/24")
        said = [stack.enter_context(scripted_dhcp.serve(machine, SERVER, script)).packets]
        tftp(stack, folder, machine)
        for host, more in others:
            other = lan.machine("other", f"{host}/24")
            if more is not None:
                said.append(stack.enter_context(scripted_dhcp.serve(other, host, more)).packets)
        return said

    return start


def _raw(tail):
    return offer(yiaddr="10.88.0.66", siaddr=SERVER, file="evil", raw=tail)


# All of them come before an honest offer; none may be taken, or hide it.
LIES = {
    "cut-in-the-header": offer(yiaddr="10.88.0.66", file="evil", cut=200),
    "cut-before-the-cookie": offer(yiaddr="10.88.0.66", file="evil", cut=238),
    "empty": offer(cut=0),
    "request-instead-of-a-reply": offer(yiaddr="10.88.0.66", file="evil", op=1),
    "other-xid": offer(yiaddr="10.88.0.66", file="evil", xid=b"\xde\xad\xbe\xef"),
    "other-mac": offer(yiaddr="10.88.0.66", file="evil", chaddr=OTHER_MAC),
    "no-message-type-and-no-file": scripted_dhcp.reply(None, yiaddr="10.88.0.66"),
    "ack-before-any-request": ack(yiaddr="10.88.0.66", file="evil"),
}
# Taken for what can be read of them; nothing may be believed that is not there. Each with what
# comes of it: "ok" or a code.
HALF_LIES = {
    "length-past-the-end": (b"\x43\xff" + b"x" * 20, "PXE-E51"),
    "length-byte-missing": (b"\x43", "ok"),
    "no-end": (b"\0" * 40, "ok"),
    "pxe-sub-option-past-the-end": (b"\x3c\x09PXEClient\x2b\x04\x06\x01\x08\xfe", "ok"),
    "pxe-sub-option-of-254": (b"\x3c\x09PXEClient\x2b\x08\xfe\xfe" + b"\0" * 6 + b"\xff", "ok"),
    "boot-servers-beyond-their-option": (
        b"\x3c\x09PXEClient\x2b\x06\x08\x04\0\1\xff\x0a\xff",
        "ok",
    ),
    "menu-entry-beyond-its-option": (b"\x3c\x09PXEClient\x2b\x06\x09\x04\0\1\xffx\xff", "PXE-E74"),
    "overload-that-leads-nowhere": (b"\x34\x01\x03\xff", "PXE-E53"),
    "relay-agent-option-of-nothing": (b"\x52\x00\xff", "ok"),
    "four-byte-options-of-two": (b"\x01\x02\xff\xff\x03\x02\x0a\x58\x36\x02\x0a\x58\xff", "ok"),
}

SCENES = {
    "silent": Scene(_scripted({})),
    "silent-edk2": Scene(_scripted({}), "edk2"),
    "slow": Scene(_scripted({**GOOD, "discover": [], "discover 3": [offer(**FILE)]})),
    "late-answer": Scene(_scripted({**GOOD, "discover 1": [offer(**FILE, after_s=0.7)]})),
    "nak-once": Scene(_scripted({**GOOD, "request 1": [nak()]})),
    "nak-always": Scene(_scripted({**GOOD, "request": [nak(options=[(56, b"\x1b[2Jgo away")])]})),
    "no-ack": Scene(_scripted({"discover": [offer(**FILE)]})),
    "ack-of-another-address": Scene(
        _scripted({**GOOD, "request": [ack(yiaddr="10.88.0.66"), ack(**FILE)]})
    ),
    "ack-of-another-server": Scene(
        _scripted(
            {**GOOD, "request": [ack(**{**FILE, "file": "evil"}, server=SECOND), ack(**FILE)]}
        )
    ),
    "relayed": Scene(
        _scripted(
            {
                "discover": [offer(**FILE, giaddr="10.88.0.3")],
                "request": [ack(**FILE, giaddr="10.88.0.3")],
            }
        )
    ),
    "lease-for-another": Scene(
        _scripted({"discover": [offer(**FILE, chaddr=OTHER_MAC), offer(**FILE, xid=b"4321")]})
    ),
    "two-servers": Scene(
        _scripted(
            {**GOOD, "discover": [offer(**FILE, after_s=0.1)]},
            (SECOND, {"discover": [offer(yiaddr="10.88.0.66")]}),
        )
    ),
    "name-without-nul": Scene(
        _scripted(
            {
                "discover": [offer(yiaddr=ADDRESS, siaddr=SERVER, options=[(67, b"linux.0")])],
                "request": [ack(yiaddr=ADDRESS, siaddr=SERVER, options=[(67, b"linux.0")])],
            }
        )
    ),
    "overloaded": Scene(
        _scripted(
            {
                point: [
                    made(
                        yiaddr=ADDRESS,
                        options=[(52, b"\x03")],
                        file=b"\x43\x07linux.0\xff",
                        sname=b"\x42\x09" + SERVER.encode() + b"\xff",
                    )
                ]
                for point, made in (("discover", offer), ("request", ack))
            }
        )
    ),
    "bootp": Scene(_scripted({"discover": [scripted_dhcp.reply(None, **FILE)]})),
    "server-is-gone": Scene(
        _scripted(
            {
                "discover": [offer(yiaddr=ADDRESS, siaddr="10.88.0.250", file="linux.0")],
                "request": [ack(yiaddr=ADDRESS, siaddr="10.88.0.250", file="linux.0")],
            }
        )
    ),
    "address-in-use": Scene(
        _scripted(
            {
                "discover 1": [offer(**{**FILE, "yiaddr": SECOND})],
                "request 1": [ack(**{**FILE, "yiaddr": SECOND})],
                **GOOD,
            },
            (SECOND, None),
        ),
        "standard",
    ),
    "hostile-texts": Scene(
        _scripted(
            {
                point: [
                    made(
                        yiaddr=ADDRESS,
                        siaddr=SERVER,
                        file=b"a\x1b]0;x\x07b",
                        options=[_PXE, (43, b"\x06\x01\x08\xff")],
                    )
                ]
                for point, made in (("discover", offer), ("request", ack))
            }
        )
    ),
    "lies": Scene(_scripted({**GOOD, "discover 1": [*LIES.values(), offer(**FILE)]}), "u-boot"),
}
HALF_LIE_SCENES = {
        f"half-{name}": Scene(_scripted({"discover": [_raw(tail)], "request": [ack(
            yiaddr="10.88.0.66", siaddr=SERVER, file="linux.0", raw=tail)]}), "ipxe")
        for name, (tail, _) in HALF_LIES.items()
}  # fmt: skip


@pytest.fixture(scope="module")
def boots():
    return play_all(SCENES) | play_all(HALF_LIE_SCENES, interpreters=["MicroPython-1.26"])


def _booted(boot, ip=ADDRESS):
    assert boot.exit_code == 0, boot.said
    assert boot.stored == FILES["linux.0"]
    assert boot.result["lease"]["ip"] == ip
    return boot.result


def _heard(boot, server=0):
    """What a scripted server heard, in order."""
    return [point for _, point, _ in boot.servers[server]]


def _order(boot):
    """What it heard, repetitions left out: on a busy PC an answer may be late, and is asked for
    again. How often a ROM asks whom is tested in virtual time."""
    heard = _heard(boot)
    return [one for number, one in enumerate(heard) if not number or heard[number - 1] != one]


@everywhere
@pytest.mark.parametrize(
    ("scene", "code", "waits_ms"),
    [
        ("silent", "PXE-E51", [2090, 4000, 8000, 16000]),
        ("silent-edk2", "PXE-E18", [4000, 8000, 16000, 32000]),
    ],
)
def test_silence_is_asked_at_the_roms_times_and_then_given_up(
    boots, scene, code, waits_ms, interpreter
):
    """R-PXE-10. To the millisecond in virtual time; here a busy PC may be late, never early."""
    boot = boots[scene, interpreter]
    result = failed(boot, code)
    assert _heard(boot) == ["discover"] * 4
    waits_s = [scenes.hurried_ms(wait_ms) / 1000 for wait_ms in waits_ms]
    for number, sent in enumerate(result["dhcp"]):
        assert sent["at_ms"] / 1000 >= sum(waits_s[:number])
    ended = [event for event in result["events"] if event["event"] == "failed"]
    assert ended[0]["at_ms"] / 1000 >= sum(waits_s)


@everywhere
def test_slow_server_is_waited_for(boots, interpreter):
    boot = boots["slow", interpreter]
    _booted(boot)
    assert _heard(boot)[:3] == ["discover"] * 3
    assert _order(boot) == ["discover", "request"]
    # An answer to the first DISCOVER that comes after the second is still an answer to it.
    _booted(boots["late-answer", interpreter])


@everywhere
def test_nak_starts_again_and_ends_some_day(boots, interpreter):
    """R-PXE-27."""
    boot = boots["nak-once", interpreter]
    _booted(boot)
    assert _order(boot) == ["discover", "request"] * 2
    boot = boots["nak-always", interpreter]
    result = failed(boot, "PXE-E51")
    assert "NAK" in result["status"]["detail"]
    assert _order(boot) == ["discover", "request"] * 4
    assert "\x1b" not in boot.said
    naks = [event for event in result["events"] if event["event"] == "nak"]
    assert len(naks) == 4
    assert all("go away" in event["message"] and "\x1b" not in event["message"] for event in naks)


@everywhere
def test_request_is_repeated_and_then_given_up(boots, interpreter):
    boot = boots["no-ack", interpreter]
    result = failed(boot, "PXE-E51")
    assert _order(boot) == ["discover", "request"]
    assert _heard(boot).count("request") == 4
    assert result["lease"] is None


@everywhere
@pytest.mark.parametrize("scene", ["ack-of-another-address", "ack-of-another-server"])
def test_ack_of_something_else_is_no_ack(boots, scene, interpreter):
    """R-PXE-27."""
    result = _booted(boots[scene, interpreter])
    assert result["lease"]["server"] == SERVER
    assert result["dropped"]["count"] >= 1


@everywhere
def test_relayed_reply_is_a_reply(boots, interpreter):
    assert _booted(boots["relayed", interpreter])["lease"]["relay"] == "10.88.0.3"


@everywhere
def test_nobody_elses_lease_is_taken(boots, interpreter):
    result = failed(boots["lease-for-another", interpreter], "PXE-E51")
    assert result["lease"] is None
    assert result["dropped"]["count"] == 8
    assert {"request"} & set(_heard(boots["lease-for-another", interpreter])) == set()


@everywhere
def test_server_with_a_file_wins_over_a_faster_one_without(boots, interpreter):
    """R-PXE-23."""
    boot = boots["two-servers", interpreter]
    result = _booted(boot)
    loser = next(one for one in result["offers"] if one["server"] == SECOND)
    assert not loser["chosen"]
    assert "file" in loser["reason"]
    assert any("2 DHCP servers" in warning for warning in result["warnings"])
    # Both hear the REQUEST, and by option 54 the other knows that it was not chosen (RFC 2131).
    requests = [data for _, point, data in boot.servers[1] if point == "request"]
    server_id = scripted_dhcp.options(requests[0])[54]
    assert server_id == bytes(map(int, SERVER.split(".")))


@everywhere
@pytest.mark.parametrize("scene", ["name-without-nul", "overloaded", "bootp"])
def test_name_is_found_where_it_stands(boots, scene, interpreter):
    result = _booted(boots[scene, interpreter])
    assert result["boot"]["file"] == "linux.0"
    assert result["boot"]["server"] == SERVER


@everywhere
def test_boot_server_that_is_gone_is_e11(boots, interpreter):
    result = failed(boots["server-is-gone", interpreter], "PXE-E11")
    assert "10.88.0.250" in result["status"]["detail"]
    assert result["transfers"] == []


@everywhere
def test_address_that_somebody_has_is_declined(boots, interpreter):
    """R-PXE-28."""
    boot = boots["address-in-use", interpreter]
    result = _booted(boot)
    assert "decline" in _heard(boot)
    assert any(SECOND in warning for warning in result["warnings"])


@everywhere
def test_text_from_the_network_is_harmless(boots, interpreter):
    """R-SEC-22."""
    boot = boots["hostile-texts", interpreter]
    assert boot.exit_code == 1
    assert not {"\x1b", "\x07"} & set(boot.said)


@everywhere
def test_every_lie_is_passed_over_and_the_honest_offer_taken(boots, interpreter):
    result = _booted(boots["lies", interpreter])
    passed_over = [one for one in result["offers"] if one["ip"] == "10.88.0.66"]
    assert result["dropped"]["count"] + len(passed_over) == len(LIES)
    assert not any(one["chosen"] for one in passed_over)
    assert all(one["reason"] for one in passed_over)


@pytest.mark.parametrize("lie", HALF_LIES)
def test_lengths_that_lie_are_not_followed(boots, lie):
    """R-SEC-14, R-SEC-15."""
    boot = boots[f"half-{lie}", "MicroPython-1.26"]
    expected = HALF_LIES[lie][1]
    assert (boot.result["status"] or {}).get("code", "ok") == expected, boot.said
    assert boot.stored == (FILES["linux.0"] if expected == "ok" else None)


def test_interface_is_as_it_was_after_every_boot(boots):
    assert {key: boot.left for key, boot in boots.items() if boot.left} == {}
