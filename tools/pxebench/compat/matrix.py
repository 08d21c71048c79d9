"""Every ROM against one server: which of them it boots, and why not the others.

A ROM is run in the hardest form that it may have (`hard_form`): a server that serves this one
serves the easier ones. Where it fails, the easiest form is run as well, so that the table
distinguishes "never" from "sometimes". `endpoints` run the jobs, `cli` shows the table; `row`
makes a row.

1. One ROM after the other: the server's limits under load are not the question here.
2. What the server sent is taken from the packets, not from the ROM's result.
3. ROMs share ports (2070, 49152), and a server may still be busy with one ROM when the next asks
   from the same port: a ROM that fails there is run once more after a pause.
4. A ROM that would wait for minutes is stopped after --max-time, and its row says so.
"""

import copy
import time

from pxerom import tftp_packet

from pxebench import icmp, job
from pxebench.job import Refused, show, value
from pxebench.record import headed
from pxebench.settings import adjust, offered_by

_WINDOW = 16  # the windowsize of a ROM that may choose one
_PAUSE_S = 5  # until a server has given up a client
_LOW_PORT = 32767  # the last port below those that "allow high ports to clients" allows
_OPCODES = {3: "DATA", 5: "ERROR", 6: "OACK"}


# ---- the forms of a ROM


def hard_form(rom):
    """(the ROM in its hardest form, the changes in words); the ROM itself where it has one form
    only. `rom`: as in its file."""
    words = []
    offered = offered_by(rom)
    if "windowsize" in offered:
        rom = adjust(rom, {"windowsize": _WINDOW})
        words.append(f"windowsize {_WINDOW}")
    low, high = _split_ports(rom)
    if low and high:
        rom = _with_ports(rom, low)
        words.append(f"a port of {low[0]}-{low[1]}")
    return rom, ", ".join(words)


def mild_form(rom):
    """(the ROM in its easiest form, in words), or None where `hard_form` is its only one."""
    words = []
    plain = _without(rom, "windowsize")  # as older firmware of its kind asks
    if plain != rom or "windowsize" in offered_by(rom):
        rom = plain
        words.append("no windowsize")
    low, high = _split_ports(rom)
    if low and high:
        rom = _with_ports(rom, high)
        words.append(f"a port of {high[0]}-{high[1]}")
    return (rom, ", ".join(words)) if words else None


def _without(rom, option):
    rom = copy.deepcopy(rom)
    for fact in value(value(rom["tftp"])["requests"]):
        request = value(fact)
        pairs = [pair for pair in value(request.get("options", [])) if value(pair)[0] != option]
        if len(pairs) != len(value(request.get("options", []))):
            request["options"] = pairs
    return rom


def _split_ports(rom):
    # The low and the high part of a range from which a ROM draws; either may be None.
    ports = value(value(rom["udp"])["source_port"])
    if value(ports["policy"]) not in ("random", "clock"):
        return None, None
    first, last = value(ports["first"]), value(ports.get("last", 65535))
    low = (first, min(last, _LOW_PORT)) if first <= _LOW_PORT else None
    high = (max(first, _LOW_PORT + 1), last) if last > _LOW_PORT else None
    return low, high


def _with_ports(rom, span):
    rom = copy.deepcopy(rom)
    ports = value(value(rom["udp"])["source_port"])
    ports["first"], ports["last"] = span
    return rom


# ---- running them


class Wire:
    """What the server sent during one boot, from the `packet` events of the job."""

    def __init__(self):
        self.counts = {}  # kind: how many
        self.ports = []  # the server's ports, as they came
        self.granted = []  # the options of its OACKs
        self.hosts = []  # the addresses that answers came from

    def event(self, event):
        if event["event"] != "packet" or event["dir"] != "in":
            return
        kind = _OPCODES.get(int(event["data"][:4] or "0", 16), "other")
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if event["host"] not in self.hosts:
            self.hosts.append(event["host"])
        if event["port"] not in self.ports:
            self.ports.append(event["port"])
        if kind == "OACK":
            self.granted += tftp_packet.oack_options(bytes.fromhex(event["data"])) or ()


def run(roms, run_job, server, port, file, options, on_start):
    """Run each of `roms` (as in their files); the rows, and whether Ctrl-C ended it.

    `run_job`: of `open_endpoint`; `on_start(number, count, rom, words)` tells how far it is. The
    easiest forms are run last, and only if the server has answered any ROM.
    """
    rows = []
    unfinished = set()  # ports of ROMs that the server may not have given up
    for number, rom in enumerate(roms, 1):
        changed, words = hard_form(rom)
        on_start(number, len(roms), rom, words)
        made = _run_one(rom, "hard", changed, words, run_job, (server, port, file), options)
        if made and made["verdict"] == "fails" and made["server_ports"]:
            if unfinished & set(made["ports"]):
                time.sleep(_PAUSE_S)
                made = _run_one(
                    rom, "hard", changed, words, run_job, (server, port, file), options
                )
            unfinished |= set(made["ports"] if made else ())
        if made is None:
            return rows, True
        rows.append(made)
    if any(made["server_ports"] for made in rows):
        failed = [made["verdict"] == "fails" for made in rows]
        again = [rom for rom, wrong in zip(roms, failed, strict=True) if wrong and mild_form(rom)]
        for number, rom in enumerate(again, 1):
            changed, words = mild_form(rom)
            on_start(number, len(again), rom, words)
            made = _run_one(rom, "mild", changed, words, run_job, (server, port, file), options)
            if made is None:
                return rows, True
            place = [each["rom"] for each in rows].index(made["rom"]) + 1
            rows.insert(place, made)
    _compare_images(rows)
    return rows, False


def _run_one(rom, form, changed, words, run_job, target, options):
    # One row; None when Ctrl-C ended it.
    wire = Wire()
    wanted = job.fetch_job(changed, *target, trace=True, **options)
    try:
        result = run_job(wanted, wire.event)
    except Refused as refusal:
        made = _row(rom, form, words)
        made.update(verdict="not run", why=refusal.message)
        return made
    if (result["ended"] or {}).get("by") == "user":
        return None
    return row(rom, form, words, result, wire)


def _row(rom, form, words):
    return {
        "rom": value(rom["id"]),
        "name": value(rom["name"]),
        "form": form,
        "form_text": words,
        "verdict": None,  # "boots", "fails", "not run"
        "time_ms": 0,
        "ports": [],
        "asked": [],
        "oack": None,
        "blksize": None,
        "windowsize": None,
        "bytes": None,
        "sha256": None,
        "code": None,
        "ended": None,
        "server_ports": [],
        "answers": {},
        "granted": [],
        "assumed": None,  # the reaction by which it fails, where the ROM file only assumes it
        "why": "",
    }


def row(rom, form, words, result, wire):
    """One row of the table, as `--json` has it."""
    made = _row(rom, form, words)
    transfers = result["transfers"]
    last = transfers[-1] if transfers else None
    made["verdict"] = "boots" if result["outcome"] == "ok" else "fails"
    made["time_ms"] = sum(transfer["elapsed_ms"] for transfer in transfers)
    made["ports"] = job.source_ports(result)
    made["asked"] = [t["requests"][0]["options"] for t in transfers if t["requests"]]
    made["oack"] = last and last["oack"]
    if last and last["blocks"]:
        made["blksize"], made["windowsize"] = last["blksize"], last["windowsize"]
    made["code"] = (result["status"] or {}).get("code")
    made["ended"] = result["ended"]
    made["server_ports"] = wire.ports
    made["answers"] = wire.counts
    made["granted"] = sorted(set(wire.granted))
    if result["image"]:
        made["bytes"], made["sha256"] = result["image"]["bytes"], result["image"]["sha256"]
    made["why"] = job.one_sentence(_success(result) if result["image"] else _failure(result, wire))
    hazard = (result["status"] or {}).get("reason")
    if not result["image"] and hazard and _assumed(rom, len(transfers) - 1, hazard):
        made["assumed"] = hazard
        made["why"] += " That this ROM fails for it is assumed, not known."
    return made


def _assumed(rom, number, hazard):
    # True when the ROM file only assumes how the ROM reacts in its request of that number. A
    # failure whose reason is no hazard (a time-out, an ERROR) rests on no reaction.
    tftp_part = value(rom["tftp"])
    requests = value(tftp_part["requests"])
    own = value(value(requests[min(number, len(requests) - 1)]).get("on", {}))
    reaction = own.get(hazard, value(tftp_part.get("on", {})).get(hazard))
    return isinstance(reaction, dict) and reaction.get("evidence") == "assumed"


def _success(result):
    last = result["transfers"][-1]
    asked = {name.lower(): text for name, text in last["requests"][0]["options"]}
    granted = last["oack"]
    said = []
    for transfer in result["transfers"][:-1]:
        if transfer["outcome"] == "error":
            said.append(
                f"ERROR {transfer['error']['code']} to its first request, an answer to its next"
            )
        elif transfer["outcome"] == "timeout":
            said.append(f"its first request ({_options(transfer)}) was never answered")
    if not asked:
        said.append("asks for no option")
    elif granted is None:
        said.append("the server sends no OACK: blocks of 512")
    else:
        left = [name for name in asked if name not in granted]
        smaller = [
            f"{name} {show(granted[name])} instead of {asked[name]}"
            for name in ("blksize", "windowsize")
            if name in granted and name in asked and granted[name] != asked[name]
        ]
        if left:
            said.append(f"the server leaves out {', '.join(left)}")
        said += smaller
    if last["retransmits"]:
        number = last["retransmits"]
        said.append(f"{number} packet{'s' * (number != 1)} sent again")
    return "; ".join(said) or "everything it asks for is granted"


def _failure(result, wire):
    status = result["status"] or {}
    transfers = result["transfers"]
    last = transfers[-1] if transfers else None
    ended = result["ended"]
    if last and last["outcome"] == "error":
        error = last["error"]
        said = f"the server answers ERROR {error['code']}, {show(error['message']) or 'no text'}"
        return f"{said}, to {_options(last)}" if error["code"] not in (1, 2, 6) else said
    if last is None or not wire.counts:
        said = _silence(result)
    elif last["server"] not in wire.hosts:
        said = f"answers come from {wire.hosts[0]}, which was not asked"
    elif (
        "OACK" not in wire.counts
        and "DATA" in wire.counts
        and any(t["oack"] is None for t in transfers)
    ):
        said = f"the server sends DATA without an OACK, and this ROM needs one ({_options(last)})"
    elif last["outcome"] == "refused":
        said = show(status.get("detail") or "")
    elif last["blocks"]:
        said = f"it stops after block {last['blocks']}"
    else:
        said = show(status.get("detail") or "")
    if ended:
        seconds = ended["after_ms"] / 1000
        said = f"{said}; stopped after {seconds:.0f} s. {show(ended.get('next') or '')}"
    return said


def _silence(result):
    ports = job.source_ports(result)
    if not ports:
        return "it sent nothing"
    spread = f"port {ports[0]}" if len(set(ports)) == 1 else f"ports {ports[0]} to {ports[-1]}"
    said = f"no answer reaches UDP {spread} ({len(ports)} request{'s' * (len(ports) > 1)})"
    rows = icmp.of_result(result)
    if rows:
        said += f"; {icmp.words(icmp.most(rows), result['transfers'][-1]['server'])}"
    return said


def _options(transfer):
    options = transfer["requests"][0]["options"] if transfer["requests"] else []
    return ", ".join(f"{name} {text}" for name, text in options) or "no options"


def _compare_images(rows):
    # A ROM that "boots" with other bytes than the rest has not booted (iPXE accepts a larger
    # blksize than it asked for, and then stores blocks at wrong offsets).
    digests = [made["sha256"] for made in rows if made["sha256"]]
    if not digests:
        return
    usual = max(digests, key=digests.count)
    for made in rows:
        if made["sha256"] not in (None, usual):
            made["verdict"] = "fails"
            made["why"] = (
                f"It ends without an error, but its {made['bytes']} bytes are not those that the "
                f"other ROMs get. {made['why']}"
            )


# ---- the server


def server_facts(rows, port):
    """Sentences on the server, from the rows."""
    facts = []
    tids = {each for made in rows for each in made["server_ports"]}
    if not tids:
        facts.append("It answered nobody.")
        return facts
    if tids == {port}:
        facts.append(
            f"It answers from one port, {port}: a stateful firewall needs no TFTP helper."
        )
    else:
        facts.append(
            "It answers from a new port each time: a stateful firewall needs a TFTP helper."
        )
    asked, granted = _options_of(rows)
    if not granted and asked:
        facts.append("It sends no OACK: every ROM gets blocks of 512, or nothing.")
    else:
        never = sorted(asked - granted)
        facts.append(f"It grants {', '.join(sorted(granted)) or 'nothing'}.")
        if never:
            facts.append(f"It never grants {', '.join(never)}.")
    for before, after in zip(rows, rows[1:], strict=False):
        if (after["form"], after["verdict"]) == ("mild", "boots"):
            worse = before["form_text"] or "windowsize"
            facts.append(f"{after['rom']} boots with {after['form_text']}, and not with {worse}.")
    return facts


def _options_of(rows):
    asked, granted = set(), set()
    for made in rows:
        if not made["server_ports"]:
            continue
        for options in made["asked"]:
            asked |= {name.lower() for name, _ in options}
        granted |= set(made["granted"])
    return asked, granted


def _roms(rows, verdict):
    # By the hardest form: a ROM that boots from some of its ports only does not boot.
    return [made["rom"] for made in rows if (made["form"], made["verdict"]) == ("hard", verdict)]


def exit_code(rows):
    """0: every ROM boots in its worst form; 1: some do not; 3: some could not be run."""
    verdicts = {made["verdict"] for made in rows}
    if "not run" in verdicts or not rows:
        return job.EXIT_BENCH
    return job.EXIT_FAILED if "fails" in verdicts else job.EXIT_OK


def document(rows, server, port, file, endpoint, client=None):
    """The result of a run, as `--json` gives it. `client`: the address that it asked from."""
    result = {
        "port": port,
        "file": file,
        "client": client,
        "endpoint": endpoint,
        "boots": _roms(rows, "boots"),
        "fails": _roms(rows, "fails"),
        "not_run": _roms(rows, "not run"),
        "server_facts": server_facts(rows, port),
        "rows": rows,
    }
    return headed("compat", result, server)
