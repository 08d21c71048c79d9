"""What to do about a boot that failed, with the user's own values: server, port, file, ROM.

The firmware's advice depends on the PXE code alone (`pxe_codes`); here it also depends on what was
asked, what came, and what was just tried.

1. Nothing is advised that was done just now: no os-client after os-client, no port 69 after 70.
2. Whose side a time-out is on: the server's where it did answer, or says itself that nothing
   listens; the path's where nothing came, or a firewall or a router says why.
3. The text of an ERROR is compared with those of in.tftpd, dnsmasq, atftpd and Windows, nothing
   more.
"""

import re
import shlex

from pxebench import icmp
from pxebench.job import show

_TFTP = 69
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_HIGH = 32768  # systems' own clients use ports from here on, and firewalls allow these

# (text in the server's ERROR, lower case; advice); the first match counts.
_SAID = (
    (
        "absolute filenames",
        "in.tftpd runs without --secure and takes a name from its root folder on only: start it "
        "with `--secure FOLDER`, or let DHCP name the file with a leading / and its folder.",
    ),
    (
        "forbidden directory",
        "in.tftpd was not started with this folder: name a file below one of its folders, or "
        "start it with `--secure FOLDER`, which takes names below FOLDER.",
    ),
    ("reverse path", "Take the .. out of the file's name."),
    ("outside", "The name leads out of the server's folder: take the .. and the links out of it."),
    (
        "global read",
        "Make the file readable for everybody (chmod a+r): in.tftpd asks for that without "
        "--permissive.",
    ),
    (
        "permission denied",
        "Make the file, and each folder above it, readable for the server's user (chmod a+r, "
        "a+x); where that is so already, look at SELinux or AppArmor.",
    ),
)


# Advice by the id of the failure (`status.reason`): what a server does that this ROM refuses, and
# what DHCP did.
_OF_REASON = {
    "unrequested_option": "Let the server grant only what was asked for (RFC 2347): update it, "
    "or switch that option off there. Many ROMs refuse such an OACK.",
    "larger_blksize": "Let the server grant the blksize that was asked for, or a smaller one (RFC "
    "2348): update it, or limit its block size.",
    "malformed_oack": "The server's OACK breaks RFC 2347: update the server, or switch its "
    "options off.",
    "oversize_data": "The server sends larger blocks than it granted (RFC 2348): update it, or "
    "switch its blksize off.",
    "wrong_size": "The file was not as long as the server said (tsize, RFC 2349): it changed "
    "meanwhile, the server counts wrongly, or its blocks are shorter than it granted.",
    "rollover": "Let the server grant a larger blksize, or give the file in parts: with blocks as "
    "small as these it has more of them than this ROM can count.",
    "unused_answer": "The server, or what answers in its place, sends what this ROM did not ask "
    "for (RFC 1350, RFC 2347): capture the exchange (`--pcap`), and update or replace the server.",
    "no_oack": "The server sends no OACK, and this ROM needs one: use another server, drop what "
    "forbids it options (in.tftpd: --refuse), or check that no firewall or proxy on the way "
    "removes them.",
    "no_gateway": "Let the DHCP server name the router (option 3), or give the lease the mask of "
    "the network that both are in (option 1).",
    "other_scheme": "No TFTP is asked there, so nothing of it can be tried here: fetch that URL "
    "with curl, or let DHCP name the file for TFTP.",
    "host_name": "Write the host's address into the URL to try it here; for the real ROM see that "
    "the DNS server of the lease (option 6) knows the name.",
    "nak": "See the log of the DHCP server for why it refused (NAK): often two servers that do "
    "not know each other's leases, or a pool of another network.",
    "no_ack": "See the log of the DHCP server for whether the REQUEST arrived there, and why it "
    "gave no ACK; a relay or a switch may have lost either of them.",
    "no_use": "Let the DHCP server offer an address, or a proxyDHCP what this ROM looks for.",
    "no_entry": "Write an entry into that file, as PXELINUX reads it (KERNEL, INITRD, APPEND), or "
    "name the kernel's own file in option 67.",
    "time_up": "Give the boot more time (`--max-time`).",
}
_UNSAID = (
    "The server puts the blksize that was asked for into effect without an OACK (RFC 2347), and "
    "without one 512 bytes hold: update it, or switch its options off. `--rom os-client` asks for "
    "no blksize and gets the file."
)
_OPTIONS = (
    "The server refuses an option, where it may only leave it out of its OACK (RFC 2347): update "
    "it, or switch its options off. `--rom os-client` asks without any."
)
_BYTES = (
    "The name has bytes that are no text. Where \\xff stands at its end, option 67 came without a "
    "NUL and an old ROM read on to the options' end: let the DHCP server send a NUL after the "
    "name, or another option behind it."
)
_WINDOWS = (
    "Make the file readable for the server's user, and see which folders it serves (Windows "
    "Deployment Services: the ReadFilter in the registry)."
)


def fitted(result, todo, words):
    """The result with advice that fits. `todo`: the job; `words`: those of the command line that
    `pxebench diagnose` takes as well (--rom, --endpoint, --bind ...)."""
    status = result["status"]
    if not status or (result["ended"] or {}).get("by") == "user":
        return result
    asked = _asked(result, todo)
    told = None
    status = {**status, **_whose(result, status)}
    result = {**result, "status": status}
    if _error(result):
        told = _refused(_error(result), asked)
    elif status.get("reason") == "oversize_data" and unsaid_blksize(result["transfers"]):
        told = _UNSAID
    elif status.get("reason") in _OF_REASON:
        told = _OF_REASON[status["reason"]]
    elif status.get("reason") == "no_reply":
        told = _silent(result, asked, words)
    elif status.get("reason") == "stopped" and asked:
        told = f"{status['advice']} {_diagnose(asked, words)} looks for it."
    return {**result, "status": {**status, "advice": told}} if told else result


# Who an ICMP error blames, by its meaning; another firewall than the server's is on the path.
_SIDE_OF = {icmp.PORT: "server", icmp.REJECTED: "path", icmp.HOST: "path"}
_UNREACHABLE = ("rrq_unreachable", "ack_unreachable")


def _whose(result, status):
    """What of the status is known better from what came: side, detail, reason."""
    last = result["transfers"][-1] if result["transfers"] else {}
    row = icmp.most(icmp.of_result(result))
    if status.get("reason") in ("no_reply", *_UNREACHABLE) and row:
        meaning = icmp.meaning(row, last["server"])
        of_server = meaning == icmp.REJECTED and row["from"] == last["server"]
        known = row["from"] is not None and meaning in _SIDE_OF
        return {"side": "server" if of_server else _SIDE_OF[meaning]} if known else {}
    if status.get("reason") != "no_reply" or not last.get("unused"):
        return {}
    came, reason = _unused(last)
    if not came:
        return {}
    detail = f"{status['detail']}. The server did answer, with {came}"
    return {"side": "server", "detail": detail, "reason": reason}


def _unused(transfer):
    # (what the server's first packet was that the ROM did not take, reason); (None, None) where
    # it may belong to an earlier transfer.
    head = transfer["unused"]
    if head[:4] == "0006":
        return "an OACK that this ROM ignores", "unused_answer"
    if head[:4] == "0003" and len(head) == 8:
        if head[4:] != "0001":
            return None, None
        if transfer["requests"][-1]["options"]:
            return "DATA and no OACK, and this ROM needs an OACK first", "no_oack"
        return "DATA that this ROM ignores", "unused_answer"
    return "a packet that is no part of a read", "unused_answer"


def _asked(result, todo):
    # (server, port, file) of the last transfer, or of the job; the file as bytes where it is no
    # text.
    name = todo.get("file")
    if (result.get("boot") or {}).get("file_hex"):
        name = bytes.fromhex(result["boot"]["file_hex"])
    elif isinstance(name, list):
        name = bytes(name)
    if result["transfers"]:
        last = result["transfers"][-1]
        odd = isinstance(name, bytes)
        return last["server"], last["server_port"], name if odd else last["file"]
    if todo.get("server") and name:
        return todo["server"], todo.get("port", _TFTP), name
    return None


def _diagnose(asked, words):
    server, port, file = asked
    place = server if port == _TFTP else f"{server}:{port}"
    target = ["--server", place, "--file", file]
    if isinstance(file, bytes):
        from urllib.parse import quote  # most boots give no advice

        target = [f"tftp://{place}/{quote(file)}"]
    return f"`{shlex.join(['pxebench', 'diagnose', *target, *words])}`"


def _silent(result, asked, words):
    if not asked:
        return None
    server, port, _ = asked
    strange = sum(transfer["foreign"] for transfer in result["transfers"])
    if strange:
        return (
            f"{_packets(strange)} came from an address that was not asked, and this ROM takes "
            f"nothing from there: let the server answer from {server}, or name in DHCP the one "
            f"that it answers from. {_diagnose(asked, words)} says which that is."
        )
    ports = [r["source_port"] for t in result["transfers"] for r in t["requests"]]
    tried = f"{_diagnose(asked, words)} tries other ports and options, and names the cause"
    if port != _TFTP:
        tried += (
            f" (port {port} was asked; a TFTP server listens on {_TFTP} unless told otherwise)"
        )
    if ports and min(ports) < _HIGH and result["rom"] != "os-client":
        return (
            f"{tried}. Or fetch it with `--rom os-client`, from a high port: if that works, a "
            f"firewall drops answers to this ROM's ports."
        )
    return (
        f"{tried}. See that the server runs and listens on UDP port {port} of {server}, and that "
        f"no firewall on the way drops such requests."
    )


def _packets(count):
    return "One packet" if count == 1 else f"{count} packets"


def _error(result):
    # The server's ERROR that ended the boot, or None.
    last = result["transfers"][-1] if result["transfers"] else None
    return last["error"] if last and last["outcome"] == "error" else None


def unsaid_blksize(transfers):
    """The blksize that the last request asked for, where no OACK came to it; else None."""
    last = transfers[-1] if transfers else None
    if last is None or last["oack"] is not None or not last["requests"]:
        return None
    options = {name.lower(): value for name, value in last["requests"][-1]["options"]}
    return options.get("blksize")


def _refused(error, asked):
    said = (error["message"] or "").lower()
    for words, told in _SAID:
        if words in said:
            return told
    if error["code"] == 8 or "option" in said:
        return _OPTIONS
    if error["code"] == 2:
        return _WINDOWS
    name = asked[2]
    if isinstance(name, bytes):
        return _BYTES
    if error["code"] == 1 and "://" in name:
        path = show(name.partition("://")[2].partition("/")[2]) or "the file"
        return (
            f"The name is a URL, and a ROM sends it to its TFTP server unchanged: let DHCP "
            f"name {path} alone, and its server in next-server (siaddr). An http URL is for "
            f"UEFI's HTTP boot or for iPXE."
        )
    if error["code"] == 1 and "\\" in name:
        return (
            "The name has backslashes, which to a Unix server are part of the name: name the file "
            "with / in DHCP, or map them (in.tftpd: a --map-file with `gr \\\\ /`)."
        )
    if error["code"] == 1 and _ESCAPE.search(name):
        return (
            f"The ROM asked for {show(name)} letter by letter: %-escapes are decoded in a URL "
            f"(tftp://HOST/FILE), not in --file, and not in what DHCP says. A shell writes the "
            f"byte %FF as $'\\xff'."
        )
    if error["code"] == 1:
        return (
            f"See that the server has {show(name)} below its root folder: upper and lower case, "
            f"and no name of the root folder in front{_slash(name)}."
        )
    return None


def _slash(name):
    return ", and whether its root takes a leading /" if name.startswith("/") else ""
