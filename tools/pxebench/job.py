"""Jobs, events and results: their shapes, and how the host makes and reads them.

The shapes are defined here and nowhere else on the host; the firmware's side is `pxerom.agent`.
This module opens no socket but the resolver's and runs nothing: `settings` adjusts a ROM,
`endpoints` runs a job, `view` and `captures.pcap` show its events.  URLs follow RFC 3617, ROM
files `firmware/pxerom/roms`.  What a boot (DHCP first) adds to the shapes stands in
`boot/boot_job.py`.

A **job** (one JSON object, one line):

    {"job": "fetch", "rom": "intel-undi" or a whole ROM, "server": "10.254.52.26", "port": 69,
     "file": "undionly.kpxe" (a list of its bytes where it is no text), "bind": "0.0.0.0",
     "sink": {"kind": "null"} or {"kind": "file", "path": "..."},
     "max_bytes": int or null, "max_time_ms": int or null, "trace": bool,
     "faults": what `faults.parse` makes, or null}

**Events** (each has "event"; `at_ms` counts from the first RRQ):

    start        schema, job, rom, runtime, epoch_us (the wall clock at t_us == 0, or null)
    request      transfer, purpose, attempt, source_port, at_ms, server, server_port, file, options
    oack         transfer, at_ms, server_tid, options
    data         transfer, at_ms, server_tid, blksize, oack         the first DATA accepted
    progress     transfer, at_ms, bytes, total or null, blocks       about 10 a second at most
    timeout      transfer, at_ms, phase ("open" or "read"), waited_ms
    aborted      transfer, at_ms, error                    the ROM ended the transfer (size probe)
    error        transfer, at_ms, server_tid, error                  the server's ERROR
    unreachable  transfer, at_ms, errno, type, code, from            an ICMP error; null: not known
    packet       t_us, dir, host, port, local_port, len, data        only with "trace": true
    image        what stands under "image" in the result
    failed       status
    result       the result; the last event of a job that ran
    refused      exit, message; the last event of a job that could not be run

A **result** (`--json`):

    {"schema": 1, "outcome": "ok" or "failed",
     "status": {"code", "text", "side": "ours|server|path", "detail", "reason", "advice"} or null,
     "rom": id, "endpoint": {"kind", "runtime", "board", "mac"}, "lease": null,
     "transfers": [{"purpose", "file", "server", "server_port", "server_tid",
        "requests": [{"source_port", "at_ms", "options"}], "oack", "outcome", "error", "blocks",
        "bytes", "retransmits", "duplicates", "foreign", "unreachable", "blksize", "windowsize",
        "elapsed_ms", "icmp": [{"errno", "type", "code", "from", "count"}], "unused": hex of the
        first bytes of what the server sent before any packet that the ROM took, or null}],
     "image": {"kind", "bytes", "sha256"} or null, "warnings": [text],
     "ended": {"by": "bench|user|fault", "after_ms", "next"} or null,
     "faults": {"asked", "seed", "acks", "lost", "late", "doubled", "withheld", "strange",
        "answers", "errors_5"} or null}

A status' "reason" is the id of what happened: a hazard (`tftp_hazards`), or the code where there
is nothing more to say. A mistake of the user is a `Refused` with exit code 2, something that the
bench lacks one with 3; both carry one sentence.
"""

import copy
import os

from pxebench import icmp

EXIT_OK = 0  # booted
EXIT_FAILED = 1  # the boot failed; the result says how
EXIT_USAGE = 2  # wrong usage or a bad input file
EXIT_BENCH = 3  # the bench itself is not in order
EXIT_INTERRUPTED = 130  # Ctrl-C

SCHEMA = 1  # version of the shape of events and results

# A result and a transfer of which nothing is known yet: the only place on the host that states
# their shape.  The firmware's are in `pxerom.job` and `pxerom.fetch`; a test holds them equal.
RESULT = {
    "schema": SCHEMA,
    "outcome": "failed",
    "status": None,
    "ended": None,
    "rom": None,
    "transfers": [],
    "image": None,
    "faults": None,
    "warnings": [],
}
TRANSFER = {
    "purpose": None,
    "file": None,
    "server": None,
    "server_port": None,
    "server_tid": None,
    "requests": [],
    "oack": None,
    "outcome": "ended",
    "error": None,
    "blocks": 0,
    "bytes": 0,
    "retransmits": 0,
    "duplicates": 0,
    "foreign": 0,
    "unreachable": 0,
    "blksize": None,
    "windowsize": None,
    "elapsed_ms": 0,
    "icmp": [],
    "unused": None,
}

# A file name must fit the 128-byte `file` field of DHCP with its NUL (RFC 2131 §2).
FILE_NAME_MAX = 127
_MAX_ROM_BYTES = 1 << 20


class Refused(Exception):
    """A job that cannot be run: one sentence for the user, and the exit code that goes with it."""

    def __init__(self, message, exit_code=EXIT_USAGE):
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


# ---- from the command line to a job


def parse_url(url):
    """Split `tftp://HOST[:PORT]/FILE` into (host, port, file); `Refused` when it is none.
    `HOST[:PORT]/FILE` is understood too.

    The name is percent-decoded and gets no slash of its own: `tftp://h/a/b` asks for `a/b`,
    `tftp://h//a` for `/a` (RFC 3617 §3).  A byte that is no UTF-8 stands as a surrogate, as in the
    words of a command line.  A `;mode=octet` at the end is understood.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or "/" in scheme:  # none, or `://` in the name of the file
        scheme, rest = "tftp", url
        bare_host = url.partition("/")[0]
        if "/" not in url or not bare_host or bare_host.endswith(":"):
            scheme = ""
    if scheme.lower() != "tftp":
        raise Refused(f"{show(url)} is not a TFTP address; write it as tftp://HOST/FILE.")
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        raise Refused(f"{show(url)} names a user, and TFTP knows none; write tftp://HOST/FILE.")
    if authority.startswith("["):
        raise Refused(f"{show(url)} names an IPv6 address; these ROMs speak IPv4 only.")
    host, colon, port_text = authority.partition(":")
    if not host or not host.isprintable() or " " in host:
        raise Refused(f"{show(url)} names no host; write it as tftp://HOST/FILE.")
    port = 69
    if colon:
        if not (port_text.isascii() and port_text.isdigit() and 0 < int(port_text[:6]) < 65536):
            raise Refused(f"{show(port_text)} in {show(url)} is not a port (1 to 65535).")
        port = int(port_text)
    lowered = path.lower()
    if lowered.endswith(";mode=octet"):
        path = path[: -len(";mode=octet")]
    elif ";mode=" in lowered:
        raise Refused(f"{show(url)} asks for a mode other than octet, which no ROM uses.")
    file = path
    if "%" in path:
        from urllib.parse import unquote_to_bytes

        raw = unquote_to_bytes(path.encode("utf-8", "surrogateescape"))
        file = raw.decode("utf-8", "surrogateescape")
    if not slash or not file:
        raise Refused(f"{show(url)} names no file; write it as tftp://HOST/FILE.")
    if "\0" in file:
        raise Refused(f"The file name in {show(url)} holds a NUL, which ends a name in TFTP.")
    size = len(name_bytes(file))
    if size > FILE_NAME_MAX:
        raise Refused(f"The file name is {size} bytes long; a ROM takes {FILE_NAME_MAX} at most.")
    return host, port, file


def resolve(host, max_time_ms=None):
    """The numeric IPv4 address of `host`.  A ROM has no resolver, so the host asks for it."""
    import socket
    import threading

    try:
        return socket.inet_ntoa(socket.inet_pton(socket.AF_INET, host))
    except (OSError, ValueError):
        pass  # a name, or 127.1
    if any(part[:1] == "0" and part != "0" for part in host.split(".")):
        try:
            octal = socket.inet_ntoa(socket.inet_aton(host))
        except (OSError, ValueError):
            pass  # a name that begins so
        else:
            raise Refused(
                f"A leading zero makes a part of {show(host)} octal to some programs, which go to "
                f"{octal}: write the address without it."
            )

    found = []
    reason = ["the resolver did not answer in time"]

    def ask():
        try:
            found.extend(socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_DGRAM))
        except (OSError, UnicodeError) as error:
            reason[0] = getattr(error, "strerror", None) or "it is not a host name"

    # The resolver may take long and ignores Ctrl-C; a thread can be left running.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(None if max_time_ms is None else max_time_ms / 1000)
    if not found:
        raise Refused(f"Cannot find the host {show(host)}: {reason[0]}.", EXIT_BENCH)
    return found[0][4][0]


def load_rom(wanted):
    """The ROM (a dict as in its file, evidence and all) for an id or a file.

    `Refused` when there is none such, or when it breaks the shape: with the field's path.
    """
    from pxerom import rom_check

    if "/" in wanted or wanted.endswith(".json"):
        if not os.path.exists(wanted):
            raise Refused(f"Cannot read {show(wanted)}: there is no such file.")
        # A device or a huge file is not parsed.
        if not os.path.isfile(wanted) or os.path.getsize(wanted) > _MAX_ROM_BYTES:
            raise Refused(f"{show(wanted)} is no ROM file.")
    elif not os.path.isfile(os.path.join(rom_check.folder(), wanted + ".json")):
        names = os.listdir(rom_check.folder())
        near = nearest(wanted, [name[:-5] for name in names if name.endswith(".json")])
        also = f"the nearest is {near}, and " if near else ""
        raise Refused(f"There is no ROM called {show(wanted)}; {also}`pxebench roms` lists them.")
    try:
        rom = rom_check.read(wanted)
        if isinstance(rom, dict) and "flat" in rom:
            raise Refused(
                f"{show(wanted)} is a ROM as a board carries it, without its evidence: give the "
                f"file that it was made from."
            )
        rom_check.flatten(rom)
        return rom
    except rom_check.RomFileError as error:
        raise Refused(one_sentence(f"ROM {wanted}: {error}")) from None


def flat(rom):
    """The checked, complete form of a ROM: every field there, no evidence."""
    from pxerom import rom_check

    try:
        return rom_check.flatten(rom)
    except rom_check.RomFileError as error:
        raise Refused(one_sentence(f"ROM {show(str(rom.get('id')))}: {error}")) from None


def fetch_job(rom, server, port, file, **options):
    """A fetch job; `options` are bind, out, max_bytes, max_time_ms, trace and faults, each may be
    left."""
    out = options.get("out")
    job = {
        "job": "fetch",
        "rom": bare(rom),
        "server": server,
        "port": port,
        "file": wire_name(file),
        "sink": {"kind": "file", "path": str(out)} if out else {"kind": "null"},
        "max_bytes": options.get("max_bytes"),
        "max_time_ms": options.get("max_time_ms"),
        "trace": bool(options.get("trace")),
        "faults": options.get("faults"),
    }
    if options.get("bind"):
        job["bind"] = options["bind"]
    return job


def name_bytes(file):
    """The bytes of a file's name, of `parse_url` or of a command line's words."""
    return file.encode("utf-8", "surrogateescape")


def wire_name(file):
    """A file's name as a job carries it: text, or a list of its bytes where it is no UTF-8."""
    try:
        file.encode()
        return file
    except UnicodeEncodeError:
        return list(name_bytes(file))


def bare(fact):
    """A ROM, or a part of one, without its evidence, which a board does not need."""
    fact = value(fact)
    if isinstance(fact, dict):
        return {name: bare(part) for name, part in fact.items()}
    if isinstance(fact, list):
        return [bare(part) for part in fact]
    return fact


def rom_id(job):
    """The id of the ROM that a job names or carries."""
    return value(job["rom"]["id"]) if isinstance(job["rom"], dict) else job["rom"]


def value(fact):
    """The value of a fact, whether it stands bare or with its evidence."""
    return fact["value"] if isinstance(fact, dict) and "value" in fact else fact


# ---- from a result to what the user gets


def exit_code(result):
    """The exit code of `pxebench` for a result."""
    if (result.get("ended") or {}).get("by") == "user":
        return EXIT_INTERRUPTED
    return EXIT_OK if result["outcome"] == "ok" else EXIT_FAILED


def source_ports(result):
    """The client ports of all requests, in the order in which they were sent."""
    return [r["source_port"] for t in result["transfers"] for r in t["requests"]]


# The order in which they are written; a MicroPython dict keeps none.
_ORDER = (
    *("schema", "purpose", "file", "server", "server_port", "server_tid", "requests"),
    *("source_port", "at_ms", "options", "oack", "outcome", "status", "ended", "rom"),
    *(
        "endpoint",
        "lease",
        "boot",
        "menu",
        "warnings",
        "transfers",
        "image",
        "code",
        "text",
        "message",
        "side",
        "detail",
    ),
    *("advice", "by", "after_ms", "next", "kind", "runtime", "board", "mac", "error"),
    *("blksize", "windowsize", "blocks", "bytes", "sha256", "retransmits", "duplicates"),
    *("foreign", "unreachable", "elapsed_ms", "faults", "asked", "seed", "acks", "lost", "late"),
    *("doubled", "withheld", "strange", "answers", "errors_5"),
    *("icmp", "errno", "type", "from", "count", "unused"),
)


def ordered(part):
    """A result, or a part of one, with every object's names in the order of this file."""
    if isinstance(part, dict):
        names = sorted(part, key=lambda name: (_ORDER.index(name) if name in _ORDER else 99, name))
        return {name: ordered(part[name]) for name in names}
    if isinstance(part, (list, tuple)):
        return [ordered(item) for item in part]
    return part


class Witness:
    """What is known so far of a running job, from its events alone.

    An endpoint that has to end its child without a last event makes the result from this.
    """

    def __init__(self):
        self.start = {}
        self.at_ms = 0
        self.image = None
        self.lease = None
        self.transfers = {}

    def event(self, event):
        """Take one event in; kinds that add nothing are skipped."""
        kind = event["event"]
        if kind == "start":
            self.start = event
            return
        if kind in ("image", "lease"):
            setattr(self, kind, {k: v for k, v in event.items() if k != "event"})
            return
        self.at_ms = max(self.at_ms, event.get("at_ms", 0))
        if "transfer" not in event:
            return
        transfer = self.transfers.setdefault(event["transfer"], _empty_transfer())
        if kind == "request":
            for name in ("purpose", "file", "server", "server_port"):
                transfer[name] = event[name]
            sent = {name: event[name] for name in ("source_port", "at_ms", "options")}
            transfer["requests"].append(sent)
        elif kind == "oack":
            transfer["oack"] = event["options"]
        elif kind == "data":
            transfer["blksize"] = event["blksize"]
        elif kind == "progress":
            transfer["bytes"], transfer["blocks"] = event["bytes"], event["blocks"]
        elif kind in ("aborted", "error"):
            transfer["outcome"], transfer["error"] = kind, event["error"]
        elif kind == "unreachable":
            transfer["unreachable"] += 1
            icmp.count(transfer["icmp"], event)
        transfer["server_tid"] = event.get("server_tid", transfer["server_tid"])

    def result(self, ended):
        """The result of a job that was ended before it could give one."""
        return {
            **RESULT,
            "rom": self.start.get("rom"),
            "transfers": [self.transfers[index] for index in sorted(self.transfers)],
            "lease": self.lease,
            "ended": ended,
        }


def whole(result):
    """A result with all fields, also those that a firmware left out; `Refused` if it is none."""
    if result.get("schema") != SCHEMA or result.get("outcome") not in ("ok", "failed"):
        raise Refused(
            f"The firmware's result is of schema {show(str(result.get('schema')))}, "
            f"not {SCHEMA}: it is another version of pxerom.",
            EXIT_BENCH,
        )
    result = {**copy.deepcopy(RESULT), **result}
    result["transfers"] = [{**_empty_transfer(), **transfer} for transfer in result["transfers"]]
    return result


def _empty_transfer():
    return copy.deepcopy(TRANSFER)


# ---- words


def nearest(wanted, names):
    """The one of `names` that is most like `wanted`, or None."""
    from difflib import get_close_matches

    wanted = wanted.lower()
    near = get_close_matches(wanted, list(names), 1)
    if near:
        return near[0]
    holding = sorted((name for name in names if len(wanted) > 2 and wanted in name), key=len)
    return holding[0] if holding else None


def show(text):
    """`text` made safe for a terminal: what is not printable becomes an escape, a byte that is no
    UTF-8 becomes \\xff."""
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(c):
    if "\udc80" <= c <= "\udcff":
        return f"\\x{ord(c) - 0xDC00:02x}"
    return c.encode("unicode_escape").decode()


def one_sentence(text):
    """`text` on one line, made safe as by `show`, with a full stop."""
    text = show(" ".join(str(text).split()))
    return text if text.endswith((".", "!", "?")) else text + "."
