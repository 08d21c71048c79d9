"""The `dhcp` of a ROM file: its shape, checked for a boot and for nothing else.

The rest of a ROM file is checked by `rom_check`; the table here is written as the one there. What
the fields mean stands in `roms/README.md`. An option is [code, value]; a value is a whole number
(two bytes), a list of bytes, or text in ASCII with {arch} for the five digits of `dhcp.arch`. One
of these words alone stands for what is known only at boot: <type> <server> <address> <uuid> <mac>
<item> <arch>.

1. The options of a message are `dhcp.options`, unless the message has a list of its own.
2. A ROM whose `dhcp` is null cannot boot from nothing: the job is refused, nothing is guessed.
"""

from pxerom import rom_check, rom_file

_SHAPE = """\
arch 0..65535
adjustable [arch] []
flags 0|32768 0
pad 0..1024 0
xid.rule random|mac|mac_ms|fixed
xid.fixed ascii "00000000"
secs.rule elapsed|count
secs.first 0..65535 0
secs.step 0..65535 0
secs.offer 0..255 0
secs.pxe_offer 0..255 0
secs.skip 0..255 0
secs.request next|same|restart "next"
options any
boot?.server [43.8|siaddr|66|54|150|sname|sender]
boot?.file [67|file]
boot?.name ascii null
boot?.recognises ascii null
boot?.configs [ascii] null
boot?.urls [ascii] null
discover.waits_ms [1..3600000]
discover.secs [0..65535] null
discover.gather window|complete|first "window"
discover.proxy_wait_ms 0..3600000 0
discover.jitter_ms 0..10000 0
discover.needs_file yes|no "yes"
discover.options any null
request.waits_ms [1..3600000]
request.secs [0..65535] null
request.then fail|discover "fail"
request.options any null
nak?.then fail|discover "discover"
nak?.code ascii "PXE-E51"
nak?.wait_ms 0..60000 0
nak?.xid same|new "same"
nak?.resume 0..100 0
nak?.rounds 1..1000 null
decline?.not_a_host yes|no "no"
decline?.code ascii "PXE-E51"
decline?.ciaddr yes|no "no"
decline?.options any null
proxy?.waits_ms [1..3600000]
proxy?.secs [0..65535] null
proxy?.flags 0|32768 0
proxy?.xid same|new|zero "same"
proxy?.source_port 68|4011 68
proxy?.binl always|no_file|incomplete "always"
proxy?.silent fail|go_on "fail"
proxy?.gather first|window "first"
proxy?.options any null
discovery?.waits_ms [1..3600000]
discovery?.secs [0..65535] null
discovery?.flags 0|32768 0
discovery?.xid same|new|zero "same"
discovery?.source_port 68|4011 68
discovery?.each first|all "first"
discovery?.strict yes|no "no"
discovery?.no_menu first|cancel "first"
discovery?.gather first|window "first"
discovery?.options any null
dns?.waits_ms [1..3600000]
dns?.source_port 0..65535 0
dns?.id 0..65535 null
inform?.waits_ms [1..3600000]
inform?.secs [0..65535] null
inform?.options any null
pauses?.ready_ms 0..60000 0
pauses?.file_ms 0..60000 0
arp.tries_ms [1..3600000] []
arp.probes_ms [1..3600000] []
arp.announce yes|no "no"
release yes|no "no"
name_tail ascii ""
size_probe always|no_size "always"
memory 1..16777216 null"""

# The default of an object that a ROM file leaves out.
_ABSENT = {
    "boot": {"server": ["43.8", "siaddr", 66, 54, "sender"], "file": [67, "file"]},
    "nak": {"rounds": 4},
    "inform": {"waits_ms": [1000, 2000, 3000, 4000]},
    "pauses": {},
}

# The words of `screen_boot`.
_SCREEN = """\
start [text] []
discover any ""
again any ""
lease [text] []
menu_end any ""
boot [text] []"""

_WORDS = ("<type>", "<server>", "<address>", "<uuid>", "<mac>", "<item>", "<arch>")


def checked(tree):
    """The checked form of a ROM (a dict as in its file) with all that a boot needs; its `dhcp` is
    None where that is not known. Raises rom_check.RomFileError."""
    flat = rom_check.checked(tree)
    boot = rom_check.value(tree["screen"]).get("boot", {})
    flat["screen"]["boot"] = rom_check.check(_SCREEN, boot, "screen.boot")
    if rom_check.value(tree.get("dhcp")) is not None:
        flat["dhcp"] = flatten(tree)
    return flat


def load(rom):
    """(the flat ROM, its flat `dhcp`) of a ROM given by id, path or dict; the former has the
    screen of a boot in it. Raises rom_check.RomFileError."""
    flat = checked(rom if isinstance(rom, dict) else rom_check.read(str(rom)))
    if flat["dhcp"] is None:
        raise rom_check.RomFileError("dhcp", rom_file.UNKNOWN)
    return rom_file.unfold(flat, True)


def flatten(tree):
    """The checked, bare `dhcp` of a ROM (a dict as in its file)."""
    if rom_check.value(tree.get("dhcp")) is None:
        raise rom_check.RomFileError("dhcp", rom_file.UNKNOWN)
    facts = rom_check.value(tree["dhcp"])
    if isinstance(facts, dict):
        left_out = [name for name in _ABSENT if rom_check.value(facts.get(name)) is None]
        facts = dict(facts, **{name: _ABSENT[name] for name in left_out})
    spec = rom_check.check(_SHAPE, facts, "dhcp")
    spec["options"] = _options(spec["options"], "dhcp.options")
    spec["inform"].update(flags=0, xid="same")
    spec["boot"]["name_tail"] = spec.pop("name_tail")
    for name in ("discover", "request", "proxy", "discovery", "inform", "decline"):
        if spec[name] is None:
            continue  # null: this ROM does not do it
        own = spec[name]["options"]
        if own is not None:
            spec[name]["options"] = _options(own, "dhcp.%s.options" % name)
    for path, text in (
        ("dhcp.name_tail", spec["boot"]["name_tail"]),
        ("dhcp.xid.fixed", spec["xid"]["fixed"]),
    ):
        if len(text) % 2 or not all(digit in "0123456789abcdef" for digit in text):
            raise rom_check.RomFileError(path, "expected hexadecimal, got %s" % text)
    return spec


def _options(value, path):
    # [[code, value], ...]: each code once, each value one that can be sent.
    value = rom_check.value(value)
    if not isinstance(value, list) or not value:
        raise rom_check.RomFileError(path, "expected a list of options")
    checked = []
    codes = []
    for number, pair in enumerate(value):
        at = "%s[%d]" % (path, number)
        pair = rom_check.value(pair)
        if not isinstance(pair, list) or len(pair) != 2 or type(pair[0]) is not int:
            raise rom_check.RomFileError(at, "expected [code, value]")
        code, content = pair[0], rom_check.value(pair[1])
        if not 0 < code < 255 or code in codes:
            raise rom_check.RomFileError(at, "expected another code, 1..254")
        codes.append(code)
        if not _sendable(content):
            raise rom_check.RomFileError(
                at, "expected 0..65535, bytes, text, or one of %s" % (_WORDS,)
            )
        checked.append([code, content])
    return checked


def _sendable(content):
    if type(content) is int:
        return 0 <= content < 65536
    if isinstance(content, list):
        return len(content) < 256 and all(type(b) is int and 0 <= b < 256 for b in content)
    if not isinstance(content, str) or not content or len(content) > 250:
        return False
    return content in _WORDS or content[0] != "<" and all(" " <= c <= "~" for c in content)
