"""This PC's own firewall, where it can be read: may it drop the answers to a ROM's ports?

The rules of nf_tables are read, which include those of ufw, firewalld and iptables-nft. A TFTP
server answers from a new port (RFC 1350 §4), so a rule for "established" does not match the answer
unless the kernel follows TFTP (nf_conntrack_tftp, and a rule that assigns the helper).

1. A chain counts when it sees incoming packets (hooks prerouting and input) and its policy, one of
   its rules or a rule of a chain that it jumps to may drop a UDP answer.
2. It blocks answers for certain only when it drops the rest and no rule accepts new UDP packets;
   else the state is unknown: rules are not evaluated here.
"""

import json
import subprocess
import sys
from pathlib import Path

from pxebench.doctor.finding import LACKS, OK, UNKNOWN, Finding, as_root, install, program
from pxebench.job import show

_COSTS = (
    "fetch, sweep, diagnose, compat and watch from this PC may be told silence by this PC itself: "
    "a TFTP answer comes from a new port of the server, which no rule for `established` lets in"
)
_HOOKS = ("prerouting", "input")
_ENDS = {"drop", "reject"}
_KNOWN_FLOWS = {"established", "related", "invalid"}  # no TFTP answer's, without helper


def firewall():
    """The `Finding` about this PC's own firewall."""
    if not sys.platform.startswith("linux"):
        return Finding(UNKNOWN, "only Linux's own can be read")
    nft = program("nft")
    if nft is None:
        return Finding(UNKNOWN, "the program nft is not here", mend=install("nftables"))
    done = subprocess.run([nft, "-j", "list", "ruleset"], capture_output=True, check=False)
    if done.returncode:
        return Finding(UNKNOWN, "only root may read it", mend=as_root("doctor", "firewall"))
    chains = dropping(json.loads(done.stdout or b'{"nftables": []}')["nftables"])
    if chains:
        certain = [chain for chain, sure in chains.items() if sure]
        first = (certain or list(chains))[0]
        place = show(" ".join(first))
        if certain:
            found = f"lets no new UDP packet in: {place}"
            return Finding(LACKS, found, _COSTS, _mend(*first))
        found = f"drops some of what comes in: {place}; an answer may be among that"
        return Finding(UNKNOWN, found, _COSTS, _mend(*first))
    if _legacy():
        return Finding(UNKNOWN, "old iptables has rules", mend="sudo iptables-legacy -S")
    return Finding(OK, "drops nothing that comes in")


def dropping(objects):
    """{(family, table, chain): is it certain} of the base chains that may drop a TFTP answer.
    `objects`: of `nft -j list ruleset` (libnftables-json(5))."""
    base, rules, jumps = {}, {}, {}
    helper = False
    for one in objects:
        chain, rule = one.get("chain"), one.get("rule")
        if chain and chain.get("hook") in _HOOKS and chain["family"] in ("ip", "inet"):
            base[chain["family"], chain["table"], chain["name"]] = chain.get("policy")
        if rule:
            place = rule["family"], rule["table"], rule["chain"]
            rules.setdefault(place, []).append(rule["expr"])
            for part in _parts(rule["expr"]):
                helper = helper or "ct helper" in part
                for name in {"jump", "goto"} & part.keys():
                    jumps.setdefault(place, set()).add((*place[:2], part[name]["target"]))
    found = {}
    for place, policy in base.items():
        met = [rule for each in _reached(place, jumps) for rule in rules.get(each, ())]
        met = [rule for rule in met if _meets_an_answer(rule)]
        ends = [rule for rule in met if any(map(_is_end, _parts(rule)))]
        if policy == "drop" or ends:
            rest = policy == "drop" or any(not _is_conditional(rule) for rule in ends)
            lets_in = any("accept" in part for rule in met for part in _parts(rule))
            found[place] = rest and not lets_in and not helper
    return found


def _is_end(part):
    # iptables-nft writes its REJECT as a target of its own.
    return bool(_ENDS & part.keys()) or _xt(part) == ("target", "REJECT")


def _is_conditional(rule):
    return any("match" in part or _xt(part)[0] == "match" for part in rule)


def _xt(part):
    # An extension of iptables, (type, name); an nft before 1.0.6 does not say which one it is.
    if "xt" not in part:
        return None, None
    extension = part["xt"] or {"type": "match", "name": None}
    return extension["type"], extension["name"]


def _meets_an_answer(rule):
    # Whether a UDP datagram of an unknown flow may match a rule.
    if any(_is_state(part["vmap"].get("key")) for part in rule if "vmap" in part):
        return False
    for match in (part["match"] for part in rule if "match" in part):
        left, right = match["left"], match["right"]
        if not isinstance(left, dict):
            continue
        right = right.get("set", right) if isinstance(right, dict) else right
        values = right if isinstance(right, list) else [right]
        meta, payload = left.get("meta", {}).get("key"), left.get("payload", {})
        if _is_state(left) and match["op"] in ("==", "in"):
            if all(value in _KNOWN_FLOWS for value in values):
                return False
        elif payload.get("protocol") in ("tcp", "icmp", "icmpv6", "ip6"):
            return False
        elif meta == "l4proto" or payload.get("field") == "protocol":
            if match["op"] in ("==", "in") and "udp" not in values:
                return False
        elif meta in ("iif", "iifname") and match["op"] == "==" and values == ["lo"]:
            return False
    return True


def _is_state(left):
    return isinstance(left, dict) and left.get("ct", {}).get("key") == "state"


def _parts(part):
    # Every object in an expression, those in a verdict map too.
    if isinstance(part, dict):
        yield part
        for inner in part.values():
            yield from _parts(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _parts(inner)


def _reached(place, jumps):
    seen, ahead = set(), [place]
    while ahead:
        here = ahead.pop()
        if here not in seen:
            seen.add(here)
            ahead.extend(jumps.get(here, ()))
    return seen


def _mend(family, table, chain):
    if table == "firewalld":
        rule = "rule family=ipv4 source address=SERVER protocol value=udp accept"
        return f"sudo firewall-cmd --add-rich-rule='{rule}'"
    if _ufw():
        return "sudo ufw allow proto udp from SERVER"
    if (family, table, chain) == ("ip", "filter", "INPUT"):
        return "sudo iptables -I INPUT -p udp -s SERVER --dport 1024:65535 -j ACCEPT"
    place = show(f"{family} {table} {chain}")
    return f"sudo nft insert rule {place} ip saddr SERVER udp dport 1024-65535 accept"


def _ufw():
    try:
        return "ENABLED=yes" in Path("/etc/ufw/ufw.conf").read_text(encoding="utf-8")
    except OSError:
        return False


def _legacy():
    # Whether the old ip_tables has a filter; None when this user may not know.
    try:
        return "filter" in Path("/proc/net/ip_tables_names").read_text().split()
    except FileNotFoundError:
        return False
    except OSError:
        return None
