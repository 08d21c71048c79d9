"""A ROM file: what makes one ROM different from another, as data; read, checked, flattened.

The shape is the table `_SHAPE` below; a file that breaks it is refused with the path of the field
and what was expected there. Evidence (`{"value": ..., "evidence": ..., "note": ...}`) is for
people and for the bench: it is dropped on the way in, a board keeps bare values.

1. A field that may be absent says so by its default; all others must be there.
2. A request inherits `tftp.on` and may override any reaction of it in an `on` of its own.
"""

import json

from pxerom.compat import ENOENT, why

_EVIDENCE = ("observed", "source", "derived", "assumed")
_REQUIRED = object()


class ProfileError(ValueError):
    """A ROM file that breaks the shape. `path`: the field, as "tftp.retry.open.waits_ms[2]"."""

    def __init__(self, path, message):
        super().__init__("%s: %s" % (path or "the file", message))
        self.path = path


# --- one checker for each kind of value ----------------------------------------------------------
# Each is called with the value and its path and returns the flattened value or raises.


def _text(value, path):
    if not isinstance(value, str):
        raise ProfileError(path, "expected text, got %s" % _show(value))
    return value


def _whole(low, high):
    def check(value, path):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ProfileError(
                path, "expected a whole number %d..%d, got %s" % (low, high, _show(value))
            )
        return value

    return check


def _one_of(*choices):
    def check(value, path):
        if isinstance(value, (dict, list)) or value not in choices or isinstance(value, bool):
            names = ", ".join(_show(choice) for choice in choices)
            raise ProfileError(path, "expected one of %s, got %s" % (names, _show(value)))
        return value

    return check


def _list_of(item, least=0):
    def check(value, path):
        if not isinstance(value, list) or len(value) < least:
            what = "a list" if not least else "a list of at least %d" % least
            raise ProfileError(path, "expected %s, got %s" % (what, _show(value)))
        return [_check(item, part, "%s[%d]" % (path, i)) for i, part in enumerate(value)]

    return check


def _pair(value, path):
    if not isinstance(value, list) or len(value) != 2:
        raise ProfileError(path, 'expected ["name", "value"], got %s' % _show(value))
    pair = [_check(_text, part, path) for part in value]
    if not pair[0] or "\x00" in pair[0] + pair[1]:
        raise ProfileError(path, "an option needs a name, and neither part may hold a NUL")
    if pair[0].lower() in _RANGES:
        low, high = _RANGES[pair[0].lower()]
        if not pair[1].isdigit() or not low <= int(pair[1]) <= high:
            raise ProfileError(
                path, "expected digits for %d..%d, got %s" % (low, high, _show(pair[1]))
            )
    return pair


def _reaction(*names):
    # A reaction's name, or the ERROR that the ROM sends and stops with.
    def check(value, path):
        if isinstance(value, dict):
            return _check(_ERROR, value, path)
        if value not in names:
            raise ProfileError(
                path,
                'expected one of %s or {"error": code, "message": text}, got %s'
                % (", ".join(names), _show(value)),
            )
        return value

    return check


def _any(value, path):
    return value


def _check(shape, value, path):
    # Flatten evidence, then check against a checker or a {field: (shape, default)} table.
    if isinstance(value, dict) and "value" in value:
        mark = value.get("evidence", "observed")
        if mark not in _EVIDENCE:
            raise ProfileError(
                path + ".evidence",
                "expected one of %s, got %s" % (", ".join(_EVIDENCE), _show(mark)),
            )
        value = value["value"]
    if not isinstance(shape, dict):
        return shape(value, path)
    if not isinstance(value, dict):
        raise ProfileError(path, "expected an object, got %s" % _show(value))
    for name in value:
        if name not in shape:
            names = ", ".join(sorted(shape))
            raise ProfileError(_join(path, name), "no such field; there are %s" % names)
    flat = {}
    for name, (part, default) in shape.items():
        if name in value:
            flat[name] = _check(part, value[name], _join(path, name))
        elif default is _REQUIRED:
            raise ProfileError(_join(path, name), "is missing")
        else:
            flat[name] = default
    return flat


def _join(path, name):
    return "%s.%s" % (path, name) if path else name


def _show(value):
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


# --- the shape: field: (checker, default) ----------------------------------------------------------

_RANGES = {"blksize": (8, 65464), "windowsize": (1, 65535), "timeout": (1, 255), "tsize": (0, 1 << 62)}
_PORT = _whole(1, 65535)
_WAITS = (_list_of(_whole(1, 3600000), 1), _REQUIRED)
_ERROR = {"error": (_whole(0, 65535), _REQUIRED), "message": (_text, _REQUIRED)}


def _phase(*then):
    return {"waits_ms": _WAITS, "then": (_one_of(*then), then[0])}


# What the ROM does when ...; the default is what RFC and good sense ask for.
_ON = {
    "duplicate_data": (_reaction("ack", "ack_once", "ignore"), "ack_once"),
    "future_data": (_reaction("ignore", "ack", "ack_once", "error", "fail"), "ignore"),
    "window_gap": (_reaction("ack_once", "ack"), "ack_once"),
    "old_data": (_reaction("ignore", "ack", "ack_once", "ack_that", "error", "fail"), "ignore"),
    "block_zero": (_reaction("ignore", "ack", "ack_once", "ack_that", "error", "fail"), "ignore"),
    "unknown_tid": (_reaction("error", "ignore", "accept", "follow"), "error"),
    "no_oack": (_reaction("accept", "next", "error", "fail"), "accept"),
    "malformed_oack": (_reaction("error", "ignore", "fail"), "error"),
    "unrequested_option": (_reaction("error", "ignore", "accept", "fail"), "error"),
    "larger_blksize": (_reaction("error", "ignore", "accept", "fail"), "error"),
    "oversize_data": (_reaction("error", "ignore", "fail"), "error"),
    "stray_opcode": (_reaction("error", "ignore", "fail"), "error"),
    "duplicate_oack": (_reaction("ack", "ignore", "fail"), "ack"),
    "late_oack": (_reaction("ignore", "ack", "ack_once", "fail"), "ignore"),
    "error": (_reaction("fail", "next", "next_if_refused"), "fail"),
    "give_up": (_reaction("silent"), "silent"),
}

_SHAPE = {
    "id": (_text, _REQUIRED),
    "name": (_text, _REQUIRED),
    "about": (_text, _REQUIRED),
    "sources": (_list_of(_text), _REQUIRED),
    "udp": (
        {
            "source_port": (
                {
                    "policy": (_one_of("counter", "random", "fixed", "clock"), _REQUIRED),
                    "first": (_PORT, _REQUIRED),
                    "last": (_PORT, 65535),
                    "step": (_whole(1, 65535), 1),
                    "per": (_one_of("request", "transfer", "boot"), "transfer"),
                    "wrap": (_PORT, None),
                },
                _REQUIRED,
            ),
            "ttl": (_whole(1, 255), 64),
        },
        _REQUIRED,
    ),
    "tftp": (
        {
            "requests": (
                _list_of(
                    {
                        "purpose": (_one_of("size", "data"), "data"),
                        "mode": (_one_of("octet", "OCTET"), "octet"),
                        "options": (_list_of(_pair), []),
                        "padding": (_whole(0, 1024), 0),
                        "finish": (_ERROR, None),
                        "on": (_any, {}),
                    },
                    1,
                ),
                _REQUIRED,
            ),
            "retry": (
                {
                    "size": (_phase("next", "fail"), None),
                    "open": (_phase("fail"), _REQUIRED),
                    "read": (_phase("fail"), _REQUIRED),
                },
                _REQUIRED,
            ),
            "on": (_ON, {}),
            "rollover": (_one_of(0, 1, "fail"), 0),
            "dally_ms": (_whole(0, 60000), 0),
            "adjustable": (
                _list_of(_one_of("blksize", "windowsize", "timeout", "retries", "tsize")),
                [],
            ),
        },
        _REQUIRED,
    ),
    "dhcp": (_any, None),
    "screen": (
        {
            "banner": (_list_of(_text), []),
            "file": (_text, ""),
            "done": (_text, ""),
            "exit": (_text, None),
        },
        _REQUIRED,
    ),
}


# --- the doors ---------------------------------------------------------------------------------


def flatten(rom):
    """The checked, bare form of a ROM (a dict as in the file). Raises ProfileError."""
    flat = _check(_SHAPE, rom, "")
    ports = flat["udp"]["source_port"]
    if ports["last"] < ports["first"]:
        raise ProfileError("udp.source_port.last", "expected %d or more" % ports["first"])
    tftp = flat["tftp"]
    base = _check(_ON, tftp["on"], "tftp.on") if not tftp["on"] else tftp["on"]
    for i, request in enumerate(tftp["requests"]):
        path = "tftp.requests[%d]" % i
        for name, _value in request["options"]:
            if [n.lower() for n, _v in request["options"]].count(name.lower()) > 1:
                raise ProfileError(path + ".options", "%s stands there twice" % name)
        own = request["on"]
        if not isinstance(own, dict):
            raise ProfileError(path + ".on", "expected an object, got %s" % _show(own))
        request["on"] = dict(base)
        for name in own:
            if name not in _ON:
                raise ProfileError("%s.on.%s" % (path, name), "no such reaction")
            request["on"][name] = _check(_ON[name][0], own[name], "%s.on.%s" % (path, name))
    if tftp["requests"][-1]["purpose"] != "data":
        raise ProfileError("tftp.requests", "the last request must have the purpose data")
    flat["dhcp"] = None  # the DHCP engine reads its own part
    return flat


def folder():
    """The folder of the ROM files that come with pxerom."""
    return __file__.rsplit("/", 1)[0] + "/roms"


def read(rom):
    """A ROM as it stands in its file, evidence and all. `rom`: an id, or a path with a slash or
    ending in .json. Raises ProfileError (path "" when the file itself is the trouble)."""
    path = rom if "/" in rom or rom.endswith(".json") else "%s/%s.json" % (folder(), rom)
    try:
        with open(path) as file:
            return json.load(file)
    except OSError as error:
        if path != rom and error.errno == ENOENT:
            raise ProfileError("", "there is no ROM called %s" % rom)
        raise ProfileError("", "cannot read %s: %s" % (path, why(error)))
    except (ValueError, RuntimeError):  # no JSON, no text, or nested beyond all sense
        raise ProfileError("", "%s is not a JSON file" % path)


def load(rom):
    """The flat form of a ROM, given by id, by path or as a dict."""
    return flatten(rom if isinstance(rom, dict) else read(rom))
