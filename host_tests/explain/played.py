"""Every condition of `../bench/README.md` played once, and kept.

`python -m host_tests.explain.played [NAME...]` plays those that are not kept, or these.

In each network a ROM asks, then the operating system's client, while tcpdump runs at the client,
on the firewall and at the server, and the server logs as it does in production.  One archive a
condition stands in `inputs/conditions/`: client.pcap, firewall.pcap, server.pcap, server.log.

1. What carries nothing is made small: DATA's bytes are zeros, and of a transfer of thousands of
   packets the middle is left out, as `explain` itself leaves it out.
2. in.tftpd writes to /dev/log; where it is started here, that is a socket of ours, in a mount
   namespace of its own.
"""

import contextlib
import io
import os
import re
import socket
import struct
import sys
import tarfile
import tempfile
import threading
from pathlib import Path

from host_tests.diagnose import conditions
from host_tests.diagnose.place import SERVER, place
from host_tests.lab import programs
from host_tests.lab.firewall import FILE
from host_tests.lab.tcpdump import tcpdump

FOLDER = Path(__file__).with_name("inputs") / "conditions"
PLACES = ("client", "firewall", "server")
LOG = "server.log"
_ROM_S, _SYSTEM_S = "8", "4"
_KEPT = 150  # packets of each end of a long transfer
_EACH = 4001  # and each so many of the middle
_SLL2 = 20  # bytes of the header of tcpdump's `any`
_SERVED = re.compile(rb"/[\w/.-]+/tftp-\w+")  # the lab's folder is another each time
_FACILITY = re.compile(r"^<\d+>")
# The server's own /dev: the socket, and what a daemon opens.
_WITH_LOG = 'mount --bind "$0" /dev && exec "$@"'


def slug(name):
    """A condition's name as a file's."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def stored(name):
    """{file name: bytes} of a condition that was played."""
    with tarfile.open(FOLDER / f"{slug(name)}.tar.xz") as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


# ---- playing


class _Logging:
    """A namespace whose server logs to `path`; all else is the namespace's own."""

    def __init__(self, namespace, folder):
        self._namespace = namespace
        self._folder = folder
        self.log = folder / LOG

    def __getattr__(self, name):
        return getattr(self._namespace, name)

    @contextlib.contextmanager
    def start(self, program, *words, **more):
        words = list(words)
        with contextlib.ExitStack() as stack:
            if program == "in.tftpd":
                dev = stack.enter_context(_syslog(self.log))
                words = [
                    "--mount",
                    "sh",
                    "-c",
                    _WITH_LOG,
                    dev,
                    programs.find(program),
                    "-v",
                    *words,
                ]
                program = "unshare"
            elif program == "dnsmasq":
                words.append(f"--log-facility={self.log}")
            process = stack.enter_context(self._namespace.start(program, *words, **more))
            yield process
            if not self.log.exists():
                self.log.write_text(process.output())


@contextlib.contextmanager
def _syslog(path):
    # A folder that is to be /dev: `log` in it writes to `path`, as syslog's file has it.
    with tempfile.TemporaryDirectory() as name:
        for node, minor in (("null", 3), ("zero", 5), ("urandom", 9)):
            os.mknod(f"{name}/{node}", 0o20666, os.makedev(1, minor))
        ours = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours.bind(f"{name}/log")
        os.chmod(f"{name}/log", 0o666)

        def write():
            with open(path, "w", encoding="utf-8") as log:
                while raw := ours.recv(4096):
                    text = _FACILITY.sub("", raw.decode(errors="replace").rstrip("\0\n"))
                    log.write(f"{text[:15]} server{text[15:]}\n")

        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        try:
            yield name
        finally:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
                end.sendto(b"", f"{name}/log")
            thread.join(5)
            ours.close()


def play(condition, folder):
    """Play a condition; its captures and its log are then in `folder`."""
    logging = []

    def serve(files, namespace):
        logging.append(_Logging(namespace, folder))
        return condition.serve(files, logging[0])

    with (
        place(condition.serve and serve, condition.rules, condition.prepare) as where,
        contextlib.ExitStack() as stack,
    ):
        for name in PLACES:
            stack.enter_context(tcpdump(getattr(where, name), folder / f"{name}.pcap"))
        words = dict(zip(condition.words, condition.words[1:], strict=False))
        _boot(where, words.get("--rom", "intel-undi"), condition.file or FILE, _ROM_S)
        _boot(where, "os-client", condition.file or FILE, _SYSTEM_S)


def _boot(where, rom, file, max_time):
    where.client.run(
        *(sys.executable, "-m", "pxebench", "fetch", f"tftp://{SERVER}/{file}"),
        *("--rom", rom, "--quiet", "--max-time", max_time),
        check=False,
        timeout_s=60,
    )


# ---- keeping


def keep(name, folder):
    """Store what `play` left in `folder`."""
    FOLDER.mkdir(exist_ok=True)
    with tarfile.open(FOLDER / f"{slug(name)}.tar.xz", "w:xz", preset=9) as archive:
        for path in sorted(folder.iterdir()):
            raw = path.read_bytes()
            if path.suffix == ".pcap":
                raw = _small(raw)
            elif path.name == LOG:
                raw = _SERVED.sub(b"/srv/tftp", raw)
            member = tarfile.TarInfo(path.name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))


def _small(raw):
    # Our own datagrams over `lo` go, DATA's bytes become zeros, long transfers lose their middle.
    records, at, flows = [], 24, {}
    while at < len(raw):
        size = struct.unpack_from("<I", raw, at + 8)[0]
        frame = bytearray(raw[at + 16 : at + 16 + size])
        flow = _flow(frame)
        if b"the end " not in frame:
            records.append((flow, raw[at : at + 16], frame))
            flows[flow] = flows.get(flow, 0) + 1
        at += 16 + size
    made, seen = [raw[:24]], {}
    for flow, head, frame in records:
        number = seen[flow] = seen.get(flow, 0) + 1
        if flow is None or number <= _KEPT or number > flows[flow] - _KEPT or not number % _EACH:
            made += [head, bytes(frame)]
    return b"".join(made)


def _flow(frame):
    # The ports of a DATA or ACK packet, lower first, its bytes being made zeros; else None.
    ip = frame[_SLL2:]
    if len(ip) < 32 or ip[9] != 17 or ip[6] & 0x1F or ip[7]:
        return None
    udp = (ip[0] & 15) * 4
    if ip[udp + 8 : udp + 10] not in (b"\0\3", b"\0\4"):
        return None
    start = _SLL2 + udp + 12
    frame[start:] = bytes(max(0, len(frame) - start))
    return tuple(sorted(struct.unpack_from(">HH", ip, udp)))


def main(names):
    """Play the conditions of these names, or all that are not stored."""
    for condition in conditions.CONDITIONS:
        stored_here = (FOLDER / f"{slug(condition.name)}.tar.xz").exists()
        if condition.name in names or (not names and not stored_here):
            with tempfile.TemporaryDirectory() as folder:
                play(condition, Path(folder))
                keep(condition.name, Path(folder))
            print(condition.name, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
