"""A ROM file: what makes one ROM different from another, as data; read, checked, flattened.

The shape is the table `_SHAPE` below; a file that breaks it is refused with the path of the field
and what was expected there. Evidence (`{"value": ..., "evidence": ..., "note": ...}`) and the
texts for people are dropped on the way in: a board keeps bare values.

1. A field that may be absent says so by its default; all others must be there.
2. A request inherits `tftp.on` and may override any reaction of it in an `on` of its own.
"""

import json

from pxerom import rom_file

_EVIDENCE = ("observed", "source", "derived", "assumed")

# One line for each field: path, what it takes, and the default of a field that may be absent.
#   text          no control characters       1..65535     a whole number in that range
#   a|b|0         one of these words          [...]        a list of it, at least one
#   a|b|ERROR     a reaction: one of these words, or {"error": code, "message": text}:
#                 the ERROR with which the ROM ends the transfer; with "then": "go_on" it does not
# `x[]` is a list of objects, `x?` an object that may be absent.
_SHAPE = """\
id text
name text
about text
sources [text] []
runs [text] null
refuses text null
udp.source_port.policy counter|random|fixed|clock
udp.source_port.first 1..65535
udp.source_port.first_max 1..65535 null
udp.source_port.last 1..65535 65535
udp.source_port.step 1..65535 1
udp.source_port.per request|until_data|transfer|boot "transfer"
udp.source_port.wrap 1..65535 null
udp.ttl 1..255 64
tftp.requests[].purpose size|data "data"
tftp.requests[].mode octet|OCTET "octet"
tftp.requests[].options pairs []
tftp.requests[].padding 0..1024 0
tftp.requests[].finish ERROR null
tftp.requests[].least_blksize 8..512 null
tftp.requests[].least_tsize 1..65535 null
tftp.requests[].on any {}
tftp.retry.size?.waits_ms [1..3600000]
tftp.retry.size?.then next|fail "next"
tftp.retry.open.waits_ms [1..3600000]
tftp.retry.open.then fail "fail"
tftp.retry.read.waits_ms [1..3600000]
tftp.retry.read.then fail "fail"
tftp.timer table|round_trips null
tftp.slash add|drop null
tftp.on any {}
tftp.rollover 0|1|fail 0
tftp.dally_ms 0..60000 0
tftp.adjustable [blksize|windowsize|timeout|retries|tsize] []
dhcp any null
screen.banner [text] []
screen.file text ""
screen.exit text null
screen.codes pxe|uefi "pxe"
screen.errors any {}
screen.boot any {}"""

# What the ROM does when ...; the default is what the RFCs ask for, or else the safest. `null`:
# what the engine does without it; it is left out of the flat form. For the rarer words see
# `tftp_quirks`.
_ON = """\
duplicate_data ack|ack_once|ack_due|ignore|ERROR "ack_once"
future_data ignore|ack|ack_once|hold|error|fail|ERROR "ignore"
window_gap ack_once|ack|ERROR "ack_once"
old_data ignore|ack|ack_once|ack_that|error|fail|ERROR "ignore"
block_zero ignore|ack|ack_once|ack_that|error|fail|ERROR "ignore"
unknown_tid error|ignore|accept|follow|fail|ERROR "error"
no_oack accept|next|swallow|error|fail|ERROR "accept"
malformed_oack error|ignore|fail|ERROR "error"
unrequested_option error|ignore|accept|drop|fail|ERROR "error"
larger_blksize error|ignore|accept|fail|ERROR "error"
unrequested_blksize ERROR null
other_timeout accept null
odd_number accept null
oversize_data error|ignore|ack|cut|fail|ERROR "error"
wrong_size error|accept|fail|ERROR null
longer_than_tsize error|accept|fail|ERROR null
stray_opcode error|ignore|ack|fail|ERROR "error"
stray_ack ack_zero_go_on|ERROR null
duplicate_oack ack|ignore|fail|ERROR "ack"
late_oack ignore|ack|ack_once|ack_and_lose|ack_zero|ack_zero_go_on|fail|ERROR "ignore"
error fail|next|next_if_refused "fail"
error_reply ack_due|error_block null
time_out last_sent null
rrq_unreachable fail null
ack_unreachable fail|ERROR null
give_up silent|ERROR "silent\""""

_ERROR = {"error": "0..65535", "message": "ascii", "then": "go_on null"}
_RANGES = {"blksize": (8, 65464), "windowsize": (1, 65535), "timeout": (1, 255)}


class RomFileError(ValueError):
    """A ROM file that breaks the shape. `path`: the field, as "tftp.retry.open.waits_ms[2]"."""

    def __init__(self, path, message):
        super().__init__(path + ": " + message if path else message)
        self.path = path


def _wrong(path, expected, value):
    text = json.dumps(value)
    if len(text) > 40:
        text = text[:37] + "..."
    raise RomFileError(path, "expected %s, got %s" % (expected, text))


def _bare(value, path):
    # A value without the evidence around it.
    if isinstance(value, dict) and "value" in value:
        mark = value.get("evidence", "observed")
        if mark not in _EVIDENCE:
            _wrong(path + ".evidence", "one of " + ", ".join(_EVIDENCE), mark)
        return value["value"]
    return value


def _field(kind, value, path):
    # The bare value of one field, checked against what the shape says of it.
    value = _bare(value, path)
    if kind[0] == "[":
        if not isinstance(value, list) or not value and path[-8:] == "waits_ms":
            _wrong(path, "a list", value)
        return [_field(kind[1:-1], item, "%s[%d]" % (path, i)) for i, item in enumerate(value)]
    if kind == "pairs":
        return _pairs(value, path)
    if kind in ("text", "ascii"):
        if not _is_text(value, "~" if kind == "ascii" else "\ud7ff"):
            _wrong(path, kind, value)
    elif ".." in kind:
        low, high = [int(bound) for bound in kind.split("..")]
        if type(value) is not int or not low <= value <= high:
            _wrong(path, "a whole number %d..%d" % (low, high), value)
    elif kind != "any":
        words = kind.split("|")
        if isinstance(value, dict) and words[-1] == "ERROR":
            error = _object(_ERROR, value, path)
            if error["then"] is None:
                del error["then"]
            return error
        if value == "ERROR" or value not in [int(w) if w.isdigit() else w for w in words]:
            if words[-1] == "ERROR":
                words[-1] = '{"error": code, "message": text}'
            _wrong(path, " or ".join(words), value)
        if value is True or value is False:
            _wrong(path, " or ".join(words), value)
    return value


def _is_text(value, last):
    # Text without control characters, up to the character `last`: it can be sent and shown.
    return isinstance(value, str) and (not value or min(value) >= " " and max(value) <= last)


def _pairs(value, path):
    # The options of a request: [["name", "value"], ...], each name once (R-TFTP-5).
    if not isinstance(value, list):
        _wrong(path, "a list of options", value)
    names = []
    for i, pair in enumerate(value):
        at = "%s[%d]" % (path, i)
        if not isinstance(pair, list) or len(pair) != 2 or not pair[0]:
            _wrong(at, '["name", "value"]', pair)
        for part in pair:
            if not _is_text(part, "~"):
                _wrong(at, "two texts", pair)
        name = pair[0].lower()
        if name in names:
            raise RomFileError(at, "the option %s stands there twice" % name)
        names.append(name)
        low, high = _RANGES.get(name, (0, 0))
        if high and (not pair[1].isdigit() or not low <= int(pair[1]) <= high):
            _wrong(at, "%s %d..%d" % (name, low, high), pair[1])
    return value


def _tree(shape):
    # The lines of a shape as nested dicts; a leaf is the rest of its line.
    root = {}
    for line in shape.split("\n"):
        path, _, rule = line.partition(" ")
        names = path.split(".")
        node = root
        for name in names[:-1]:
            node = node.setdefault(name, {})
        node[names[-1]] = rule
    return root


def _object(tree, value, path):
    # A dict checked against a tree, with the defaults filled in.
    value = _bare(value, path)
    if not isinstance(value, dict):
        _wrong(path, "an object", value)
    known = [name.rstrip("[]?") for name in tree]
    for name in value:
        if name not in known:
            known.sort()
            raise RomFileError(_at(path, name), "no such field; there are " + ", ".join(known))
    flat = {}
    for mark, rule in tree.items():
        name = mark.rstrip("[]?")
        at = _at(path, name)
        leaf = isinstance(rule, str)
        kind, _, default = rule.partition(" ") if leaf else ("", "", "null" * (mark[-1] == "?"))
        if name not in value:
            if not default:
                raise RomFileError(at, "is missing")
            flat[name] = json.loads(default)
        elif leaf:
            flat[name] = _field(kind, value[name], at)
        elif mark[-1] == "]":
            items = _bare(value[name], at)
            if not isinstance(items, list) or not items:
                _wrong(at, "a list of objects", items)
            flat[name] = [_object(rule, item, "%s[%d]" % (at, i)) for i, item in enumerate(items)]
        elif mark[-1] == "?" and _bare(value[name], at) is None:
            flat[name] = None
        else:
            flat[name] = _object(rule, value[name], at)
    return flat


def _at(path, name):
    return path + "." + name if path else name


def value(fact):
    """A fact without its evidence."""
    return _bare(fact, "")


def check(shape, fact, path):
    """The checked, bare form of a part of a ROM file that has a shape of its own."""
    return _object(_tree(shape), fact, path)


def checked(rom):
    """The checked, bare form of a ROM (a dict as in the file), as `rom_file.unfold` takes it; its
    `dhcp` and the screen of a boot are `rom_check_dhcp`'s. Raises RomFileError."""
    shape = _tree(_SHAPE)
    if isinstance(rom, dict):
        # A MicroPython dict keeps no order: a missing id is the first thing reported.
        _object({"id": shape["id"]}, {name: rom[name] for name in rom if name == "id"}, "")
    flat = _object(shape, rom, "")
    for name in ("name", "about", "sources", "runs", "refuses"):
        del flat[name]  # for people, and for the bench
    flat["dhcp"] = None
    del flat["tftp"]["adjustable"]  # for the bench
    del flat["screen"]["boot"]
    errors = flat["screen"]["errors"]
    if not isinstance(errors, dict) or not all(_is_text(errors[code], "~") for code in errors):
        _wrong("screen.errors", "an object with the ROM's text for a code", errors)
    ports = flat["udp"]["source_port"]
    if ports["last"] < ports["first"]:
        raise RomFileError("udp.source_port.last", "expected %d or more" % ports["first"])
    if ports["first_max"] is None:
        del ports["first_max"]
    elif not ports["first"] <= ports["first_max"] <= ports["last"]:
        raise RomFileError("udp.source_port.first_max", "expected a port from first to last")
    for name in ("timer", "slash"):
        if flat["tftp"][name] is None:
            del flat["tftp"][name]
    requests = flat["tftp"]["requests"]
    if requests[-1]["purpose"] != "data":
        raise RomFileError("tftp.requests", "the last request must have the purpose data")
    reactions = _tree(_ON)
    common = _object(reactions, flat["tftp"]["on"], "tftp.on")
    flat["tftp"]["on"] = {name: common[name] for name in common if common[name] is not None}
    for i, request in enumerate(requests):
        for name in ("least_blksize", "least_tsize"):
            if request[name] is None:
                del request[name]
        own = _bare(request["on"], "")
        if own:
            complete = _object(reactions, own, "tftp.requests[%d].on" % i)
            own = {name: complete[name] for name in own}
        request["on"] = own
    return flat


def flatten(rom):
    """The flat form of a ROM (a dict as in the file), for a fetch. Raises RomFileError."""
    return rom_file.unfold(checked(rom), False)[0]


def folder():
    """The folder of the ROM files that come with pxerom."""
    return rom_file.folder()


def read(rom):
    """A ROM as its file has it, as `rom_file.read` gives it; raises RomFileError."""
    try:
        return rom_file.read(rom)
    except ValueError as error:
        raise RomFileError("", str(error))


def load(rom):
    """The flat form of a ROM, given by id, by path or as a dict."""
    return flatten(rom if isinstance(rom, dict) else read(str(rom)))
