"""The machines that boot, their programs, and everything that was seen of each.

Packets of each source are grouped by `captures.conversations`; here the sources are combined. A
machine is an address (and a MAC); a program is the ROM, or what it loaded, each with its own
ports, requests and times.

1. Packets of one machine in several sources are views of the same boot, not several boots.
2. Logs and firewalls have less than packets: of a request that only a log has the options are not
   known, of a port that only netstat shows nothing else is known.
3. Ports of one machine that only tables show belong to one program where they are close together.
"""

from pxebench.captures import conversations, packets
from pxebench.explain import observation
from pxebench.explain.observation import ASKED, DHCP, DROPPED, PASSED, SOCKET

_TFTP_PORT = 69
_CLOSE = 64  # ports between neighbours of one counter
_JUMP = 256
_STEP = 4
_AT_ONCE_S = 0.1  # a ROM goes on at once, a person does not
_SERVERS = (
    "in.tftpd",
    "tftpd",
    "atftpd",
    "dnsmasq",
    "tftpd-hpa",
    "tftpd64",
    "tftpd32",
    "xinetd",
    "inetd",
    "opentftp",
    "wdsserver",
    "svchost",
)
_CLIENTS = ("tftp", "atftp", "curl", "busybox", "pxebench")


class View:
    """One machine in one source.  `source`; `client`: a `conversations.Client`; `timed`."""

    def __init__(self, source, client, timed):
        self.source = source
        self.client = client
        self.timed = timed

    @property
    def weight(self):
        """How much it shows, as a key to sort by."""
        talks = self.client.conversations
        return sum(len(talk.packets) for talk in talks) + sum(
            len(b.dhcp) for b in self.client.boots
        )


class Machine:
    """One machine.  `ip`, `mac` (or None); `views`; `marks`: what else was observed of it, as
    `Observation`s; `ports`: [(port, time or None, Observation)] that only tables and firewalls
    show; `servers`: addresses that it asked, or that answered."""

    def __init__(self, ip=None, mac=None):
        self.ip = ip
        self.mac = mac
        self.views = []
        self.marks = []
        self.ports = []
        self.servers = []

    @property
    def name(self):
        """Its addresses, as text."""
        return " ".join(part for part in (self.ip, f"({self.mac})" if self.mac else None) if part)

    def server(self, address):
        """Note a server of this machine."""
        if address and address not in self.servers:
            self.servers.append(address)


class Program:
    """One program that boots on a machine.  `number`, `of`: its place in the chain; `talks`: for
    each boot, its conversations in the best view; `boots`: the `conversations.Boot`s of its DHCP;
    `view`: that view, or None; `ports`: as `Machine.ports`; `machine`."""

    def __init__(self, machine, number, talks=(), boots=(), view=None, ports=()):
        self.machine = machine
        self.number = number
        self.of = 1
        self.talks = list(talks)
        self.boots = list(boots)
        self.view = view
        self.ports = list(ports)

    @property
    def every(self):
        """The conversations of all its boots."""
        return [talk for talks in self.talks for talk in talks]


def gather(sources, wanted=None):
    """The `Machine`s in these `sources.Source`s, in the order of their appearance.  `wanted`: an
    IP or a MAC: that one alone."""
    found = _Machines()
    for source in sources:
        if source.kind == "unknown":
            continue
        _of_packets(found, source)
        _marry(found, source)
    known = {machine.ip for machine in found.all if machine.ip}
    for source in sources:
        _of_logs(found, source, known)
    for source in sources:
        _of_marks(found, source)
    _marry_marks(found)
    machines = [machine for machine in found.all if _boots(machine)]
    if wanted:
        wanted = wanted.lower().replace("-", ":")
        machines = [machine for machine in machines if wanted in (machine.ip, machine.mac)]
    return machines


def _boots(machine):
    told = any(mark.what != DHCP or mark.get("kind") for mark in machine.marks)
    return machine.views or machine.ports or told


class _Machines:
    def __init__(self):
        self.all = []
        self._by_ip = {}
        self._by_mac = {}

    def get(self, ip=None, mac=None):
        """The machine with one of these addresses; made where there is none."""
        found = self._by_ip.get(ip) if ip else None
        if found is None and mac:
            found = self._by_mac.get(mac)
            if found is not None and ip and found.ip and found.ip != ip:
                found = None  # a router's, or another lease
        if found is None:
            found = Machine()
            self.all.append(found)
        if ip:
            found.ip = found.ip or ip
            self._by_ip.setdefault(ip, found)
        if mac:
            found.mac = found.mac or mac
            self._by_mac.setdefault(mac, found)
        return found

    def forget(self, machine, instead):
        """Take a machine out; its MAC is another's."""
        self.all.remove(machine)
        if machine.mac:
            self._by_mac[machine.mac] = instead

    def known(self, ip):
        """The machine with this IP, or None."""
        return self._by_ip.get(ip)


def group(source, given):
    """The `conversations.Capture` of packets."""
    file = packets.File(source.name)
    file.packets = list(given)
    file.frames = len(file.packets)
    if source.file is not None:
        file.epoch_ns, file.until = source.file.epoch_ns, source.file.until
    elif file.packets:
        file.epoch_ns = min(packet.epoch_ns for packet in file.packets)
        for packet in file.packets:
            packet.time = (packet.epoch_ns - file.epoch_ns) / 1e9
        file.until = max(packet.time for packet in file.packets)
    return conversations.group(file)


def _of_packets(found, source):
    capture = group(source, source.packets())
    source.strays = capture.strays
    source.until = capture.file.until
    for client in capture.clients:
        _without_writes(source, client)
        if not client.boots:
            continue
        machine = found.get(*_addresses(client))
        machine.views.append(View(source, client, source.timed))
        for talk in client.conversations:
            machine.server(talk.server)


def _marry(found, source):
    # One machine that only asks DHCP, and one that only asks for files, in a text that does not
    # say which lease was whose: they are one.
    here = [m for m in found.all if any(view.source is source for view in m.views)]
    leased = [m for m in here if m.ip is None]
    asking = [m for m in here if m.mac is None and m.servers]
    if source.file is not None or len(here) != 2 or len(leased) != 1 or len(asking) != 1:
        return
    (without_ip,), (without_mac,) = leased, asking
    view, boots = without_mac.views[0], without_ip.views[0].client.boots
    first = view.client.boots[0]
    first.dhcp = [pair for boot in boots for pair in boot.dhcp]
    without_mac.mac = without_ip.mac
    found.forget(without_ip, without_mac)


def _marry_marks(found):
    # The same of a log: one machine with a MAC alone, and one with an IP alone.
    seen = [machine for machine in found.all if _boots(machine)]
    macs = [machine for machine in seen if machine.ip is None and not machine.views]
    ips = [machine for machine in seen if machine.mac is None and not machine.views]
    if len(seen) != 2 or len(macs) != 1 or len(ips) != 1 or macs[0].ports or ips[0].ports:
        return
    (one,), (other,) = macs, ips
    if {mark.source for mark in one.marks} != {mark.source for mark in other.marks}:
        return
    one.ip = other.ip
    one.marks = sorted(one.marks + other.marks, key=lambda mark: mark.line)
    found.all.remove(other)


def _addresses(client):
    ips = [ip for ip in client.ips if ip not in ("0.0.0.0", None)]
    macs = [mac for mac in client.macs if mac and mac != "00:00:00:00:00:00"]
    leased = [
        m.yiaddr for b in client.boots for _, m in b.dhcp if m.reply and m.yiaddr != "0.0.0.0"
    ]
    return (ips or leased or [None])[0], (macs or [None])[0]


def _without_writes(source, client):
    # A write request belongs to no boot.
    for boot in client.boots:
        kept = [talk for talk in boot.conversations if talk.asked.kind != "WRQ"]
        if len(kept) < len(boot.conversations):
            source.writes = getattr(source, "writes", 0) + len(boot.conversations) - len(kept)
        boot.conversations = kept
    client.boots = [boot for boot in client.boots if boot.conversations or boot.dhcp]


def _of_logs(found, source, known):
    # Requests that a log or a firewall tells, where no packets tell them better.
    asked = []
    for seen in source.observations:
        if seen.what == ASKED or (seen.what in (DROPPED, PASSED) and seen.dport == _TFTP_PORT):
            if seen.src and seen.src not in known:
                asked.append(seen)
    made = []
    runs = {}  # client: [its last port, how often its ports have jumped]
    for seen in asked:
        file = seen.get("file")
        payload = observation.rrq(file) if file else b"\0\1"
        last, run = runs.get(seen.src, (seen.sport, 0))
        run += min(last, seen.sport) > 0 and abs(seen.sport - last) > _JUMP
        runs[seen.src] = (seen.sport, run)
        # A request that is not known completely, and differs: another program's, not a repetition.
        payload += b"\0" * run
        size = max(seen.get("size", 0), len(payload) + 1)
        whole = observation.Observation(
            observation.PACKET,
            seen.time,
            seen.src,
            seen.sport,
            seen.dst,
            _TFTP_PORT,
            payload=payload,
            size=size,
            ttl=seen.get("ttl"),
        )
        made.append(whole.told_by(seen.source, seen.line, seen.evidence).as_packet())
    if not made:
        return
    capture = group(source, made)
    times = {seen.time for seen in asked}
    for client in capture.clients:
        machine = found.get(*_addresses(client))
        machine.views.append(View(source, client, None not in times and len(times) > 1))
        for talk in client.conversations:
            machine.server(talk.server)


def _of_marks(found, source):
    local = is_server(source)
    for seen in source.observations:
        if seen.what == SOCKET:
            _socket(found, seen, local)
        elif seen.what == DHCP:
            ip, mac = seen.get("ip"), seen.get("mac")
            if mac or ip or seen.get("xid"):
                machine = found.get(ip, mac) if ip or mac else _lone(found)
                if machine:
                    machine.marks.append(seen)
        elif seen.what in (DROPPED, PASSED):
            _filtered(found, seen)
        elif seen.what not in (observation.PACKET, observation.CODE):
            machine = found.get(seen.src) if seen.src else _lone(found)
            if machine:
                machine.marks.append(seen)


def _lone(found):
    # The only machine that there is, for a line without an address.
    return found.all[0] if len(found.all) == 1 else None


def is_server(source):
    """True when the sockets of a source are a TFTP server's machine's, False for a client's, None
    where nothing tells."""
    sockets = [seen for seen in source.observations if seen.what == SOCKET]
    for seen in sockets:
        program = (seen.get("program") or "").lower()
        if seen.sport == _TFTP_PORT or (program in _SERVERS and seen.get("connected")):
            return True
    for seen in sockets:
        program = (seen.get("program") or "").lower()
        if seen.dport == _TFTP_PORT or program in _CLIENTS:
            return False
    return None


def _socket(found, seen, local):
    if not seen.get("connected") or not seen.src or not seen.dst:
        return
    if seen.dport == _TFTP_PORT:
        machine = found.get(seen.src)
        machine.ports.append((seen.sport, seen.time, seen))
        machine.server(seen.dst)
        return
    program = (seen.get("program") or "").lower()
    if program and program not in (*_SERVERS, *_CLIENTS):
        return  # a name server's, a time server's
    if local is None and not program:
        # Neither end is known to be the server: the lower port is taken for the ROM's.
        local = seen.dport <= seen.sport
    if program in _CLIENTS:
        local = False
    there, port, here = (
        (seen.dst, seen.dport, seen.src)
        if local is not False
        else (seen.src, seen.sport, seen.dst)
    )
    if port in (53, 123, 67, 68, 161, 514, 1900, 5353):
        return
    machine = found.get(there)
    machine.ports.append((port, seen.time, seen))
    machine.server(here)


def _filtered(found, seen):
    # A packet in a firewall's log: a request, an answer to a known machine, or one whose client is
    # known by the ports only.
    if seen.dport == _TFTP_PORT:
        machine = found.get(seen.src)
        machine.server(seen.dst)
        machine.marks.append(seen)
        return
    ends = ((seen.dst, seen.dport, seen.src), (seen.src, seen.sport, seen.dst))
    machine, port, other = next(
        (
            (one, port, other)
            for ip, port, other in ends
            if (one := found.known(ip)) and (not one.servers or other in one.servers)
        ),
        (None, 0, None),
    )
    if machine is None:
        if min(seen.sport, seen.dport) < 1024 or {seen.sport, seen.dport} & {1900, 5353, 4500}:
            return
        back = seen.dport <= seen.sport
        ip, port, other = (
            (seen.dst, seen.dport, seen.src) if back else (seen.src, seen.sport, seen.dst)
        )
        machine = found.get(ip)
    machine.server(other)
    machine.marks.append(seen)
    if not machine.views:
        machine.ports.append((port, seen.time, seen))


# ---- programs


def programs(machine):
    """The `Program`s of a machine, in the order in which they ran."""
    found = []
    views = sorted(machine.views, key=lambda view: -view.weight)
    if views:
        found = _chain(machine, views[0])
        # Another view may know a program that this one lacks: a log of one server of two.
        for view in views[1:]:
            ours = {talk.asked.file for program in found for talk in program.every}
            theirs = {talk.asked.file for talk in view.client.conversations}
            if theirs and not theirs & ours and not any(p.every for p in found):
                found = _chain(machine, view)
    used = {port for program in found for talk in program.every for port in talk.source_ports}
    loose = [row for row in machine.ports if row[0] not in used]
    for cluster in _clusters(loose):
        found.append(Program(machine, 0, ports=cluster))
    if not found:
        found.append(Program(machine, 0))
    for number, program in enumerate(found, 1):
        program.number, program.of = number, len(found)
    return found


def _chain(machine, view):
    rows = []
    for power_on in view.client.power_ons():
        for stage, (boot, talks) in enumerate(power_on):
            while len(rows) <= stage:
                rows.append(Program(machine, stage + 1, view=view))
            if talks:
                rows[stage].talks.append(talks)
            if boot.dhcp and (stage == 0 or power_on[stage - 1][0] is not boot):
                rows[stage].boots.append(boot)
    found = []
    for row in rows:
        if row.talks or row.boots:
            found += _by_ports(row)
    return found


def _by_ports(program):
    # Conversations that asked for one file in turn may still be of two programs: an engineer's
    # atftp after the ROM's failure, the same ROM from other ports.
    found = []
    for talks in program.talks:
        for number, part in enumerate(_runs(talks)):
            while len(found) <= number:
                found.append(Program(program.machine, number + 1, view=program.view))
            found[number].talks.append(part)
    if not found:
        return [program]
    found[0].boots = program.boots
    return found


def _runs(talks):
    # Where options and ports both change, another program asks; also where a row of neighbouring
    # ports ends and another begins elsewhere.
    runs = []
    for talk in talks:
        last = runs[-1][-1] if runs else None
        if last is None or (_jumps(last, talk) and _others(runs[-1], talk, talks)):
            runs.append([])
        runs[-1].append(talk)
    return runs


def _jumps(last, talk):
    ports = last.source_ports[-1], talk.source_ports[0]
    return min(ports) > 0 and abs(ports[1] - ports[0]) > _JUMP


def _others(run, talk, talks):
    if talk.file == run[-1].file and run[-1].oack is not None and not run[-1].blocks:
        ends = [p.time for p, m in run[-1].messages() if p.out and m.kind == "ERROR"]
        if ends and max(ends[0] - run[-1].began, talk.began - ends[0]) < _AT_ONCE_S:
            return False  # a probe and its file: NAT gave each another port
    if talk.requests[0].cut and run[-1].requests[0].cut:
        return talk.file != run[-1].file or _counts(run)
    if talk.asked.options != run[-1].asked.options:
        return True
    after = talks[talks.index(talk) :]
    return _counts(run) and (len(after) == 1 or _counts(after[:2]))


def _counts(run):
    ports = [port for talk in run for port in talk.source_ports]
    steps = [b - a for a, b in zip(ports, ports[1:], strict=False) if b != a]
    return bool(steps) and all(0 < step <= _STEP for step in steps)


def _clusters(rows):
    # Rows of ports that lie close together, lowest first.
    found = []
    for row in sorted(rows, key=lambda row: row[0] or 0):
        if found and (row[0] or 0) - (found[-1][-1][0] or 0) <= _CLOSE:
            found[-1].append(row)
        else:
            found.append([row])
    return found
