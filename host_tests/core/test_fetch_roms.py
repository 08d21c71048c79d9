"""Every ROM on the wire: what it asks, from which ports, when again, and how it leaves.

The bytes and times stand here as the captures (or the sources) have them, a second time and on
purpose: a slip in a ROM file must not pass because a test reads that very file.
"""

from pxerom.runtime import address
from pxerom.udp import SourcePorts

from host_tests.core.check import rom, rom_ids, same
from host_tests.core.fakenet import (
    HOST,
    LOCKSTEP,
    WINDOWED,
    Check,
    FileServer,
    Long,
    Run,
    pattern,
    silence,
)
from host_tests.core.packets import ack, error

_PEER = address(HOST, 45140)
_FILE = "undionly.kpxe"
_NAME = b"0001 756e64696f6e6c792e6b70786500 6f6374657400"
_CAPITALS = b"0001 756e64696f6e6c792e6b70786500 4f4354455400"
_SLASH = b"0001 2f756e64696f6e6c792e6b70786500 6f6374657400"
_TSIZE = b" 7473697a6500 3000"
_BLKSIZE = b" 626c6b73697a6500 "
_TIMEOUT = b" 74696d656f757400 "
_WINDOW = b" 77696e646f7773697a6500 3400"

# The RRQs of one file, in order, as hex.
_RRQ = {
    "atftp": [_NAME],
    "barebox": [
        _NAME + _TIMEOUT + b"3500" + _BLKSIZE + b"35313200" + _TSIZE,
        _NAME + _TIMEOUT + b"3500" + _BLKSIZE + b"3134333200" + _TSIZE,
    ],
    "busybox": [_NAME + _TSIZE],
    "curl": [_NAME + _TSIZE + _BLKSIZE + b"35313200" + _TIMEOUT + b"3600"],
    "curl-8": [_NAME + _TSIZE + _BLKSIZE + b"35313200" + _TIMEOUT + b"3600"],
    "edk2": [
        _NAME + _TSIZE + _BLKSIZE + b"3134363800" + _WINDOW,
        _NAME + _BLKSIZE + b"3134363800" + _WINDOW,
    ],
    "etherboot": [_NAME + _BLKSIZE + b"3134333200"],
    "freebsd": [_NAME + _BLKSIZE + b"3134323800" + _TSIZE],
    "gpxe": [_NAME + _BLKSIZE + b"3134333200" + _TSIZE],
    "grub": [_SLASH + _BLKSIZE + b"3130323400" + _TSIZE],
    "intel-undi": [_NAME + _TSIZE, _NAME + _BLKSIZE + b"3134353600"],
    "intel-undi-plain": [_NAME + _BLKSIZE + b"3134353600"],
    "ipxe": [_NAME + _BLKSIZE + b"3134333200" + _TSIZE],
    "ipxe-2": [_NAME + _BLKSIZE + b"3134333200" + _TSIZE],
    "openbsd": [_NAME],
    "os-client": [_NAME],
    "pxelinux": [_NAME + _TSIZE + _BLKSIZE + b"3134303800"],
    "redboot": [_CAPITALS],
    "rpi3": [_NAME + _TSIZE],
    "rpi4": [_NAME + _TSIZE + _BLKSIZE + b"3130323400"],
    "s390x": [_NAME + _BLKSIZE + b"3134323800"],
    "slof": [_NAME + _BLKSIZE + b"3134323800"],
    "standard": [_NAME + _BLKSIZE + b"3134363800" + _TSIZE, _NAME],
    "tftp-hpa": [_NAME],
    "tftp-hpa-7": [_NAME + _BLKSIZE + b"3134363800 77696e646f7773697a6500 363400" + _TSIZE],
    "u-boot": [_NAME + _TIMEOUT + b"3500" + _BLKSIZE + b"3134363800"],
    "u-boot-2025": [_NAME + _TIMEOUT + b"3500" + _BLKSIZE + b"3134363800"],
    "u-boot-lwip": [_NAME + _TSIZE + _BLKSIZE + b"3134363800"],
    "u-boot-lwip-2025": [_NAME + _BLKSIZE + b"3134363800"],
}

# Source ports of three files, one after the other: exact ones, or (lowest, highest) where each is
# drawn, or (lowest, highest, where it goes on after 65535) where the first is.
_KERNEL = (32768, 60999)
_PORTS = {
    "atftp": _KERNEL,
    "barebox": [1024, 1025, 1026],
    "busybox": _KERNEL,
    "curl": _KERNEL,
    "curl-8": _KERNEL,
    "edk2": (1024, 2047, 1024),
    "etherboot": [2001, 2002, 2003],
    "freebsd": (2000, 3023),
    "gpxe": [1024, 1025, 1026],
    "grub": [25300, 25301, 25302],
    "intel-undi": [2070, 2071, 2072],
    "intel-undi-plain": [2070, 2071, 2072],
    "ipxe": (1025, 65535),
    "ipxe-2": (1025, 65535),
    "openbsd": (2000, 3023),
    "os-client": _KERNEL,
    "pxelinux": [49152, 49153, 49154],
    "redboot": [7700, 7701, 7702],
    "rpi3": [49152, 49153, 49154],
    "rpi4": (1024, 65535, 1024),
    "s390x": [2001, 2001, 2001],
    "slof": [2001, 2001, 2001],
    "standard": (49152, 65535),
    "tftp-hpa": _KERNEL,
    "tftp-hpa-7": _KERNEL,
    "u-boot": (1024, 4095),
    "u-boot-2025": (1024, 4095),
    "u-boot-lwip": [57378, 57379, 57380],
    "u-boot-lwip-2025": [57378, 57379, 57380],
}
# These take a new port for each retry, too.
_HOPPING = ("etherboot", "intel-undi", "intel-undi-plain")

_SMOOTH = [250, 550, 1040, 2030, 4070, 8160]
_BUSYBOX = [100, 150, 225, 337, 505, 757, 1135, 1702, 2000, 2000, 2000, 2000]
# Clock ticks of 54.925 ms: core/timer.inc.
_TICKS = [2, 2, 3, 3, 4, 5, 6, 7, 9, 10, 12, 15, 18, 21, 26, 31, 37, 44, 53, 64, 77, 92, 110]
_TICKS += [132, 159, 191, 229, 255, 255, 255, 255]
_PXELINUX = [round(54.925 * ticks) for ticks in _TICKS]
_ETHERBOOT = [10500] + [(10000 << n) + 500 for n in range(1, 8)] + [1280500] * 14
_INTEL = [2032, 4010, 5987, 7964, 9942]
_PLAIN = [3943, 7910, 11865, 15818]
_STANDARD = [1000, 2000, 4000, 8000, 8000, 8000]
_FREEBSD = [2000 * n for n in range(1, 60)]

# Waits after each send: while nobody answers, and when the server dies in mid-file.
_WAITS = {
    "atftp": ([5000] * 6, [5000] * 6),
    "barebox": ([1000] * 15, [1000] * 15),
    "busybox": (_BUSYBOX, _BUSYBOX),
    "curl": ([7200] + [7016] * 42, [73000] * 50),
    "curl-8": ([7200] + [7016] * 42, [6000] * 4),
    "edk2": ([4000] * 6, [4000] * 6),
    "etherboot": (_ETHERBOOT, _ETHERBOOT),
    "freebsd": (_FREEBSD, _FREEBSD),
    "gpxe": ([250, 500, 1000, 2000, 4000, 8000], [250, 500, 1000, 2000, 4000, 8000]),
    "grub": ([400 + 20 * n for n in range(40)], [35000]),
    "intel-undi": (_INTEL + [36031, 72000, 108000, 144000], _INTEL),
    "intel-undi-plain": (_PLAIN, _PLAIN),
    "ipxe": (_SMOOTH, _SMOOTH),
    "ipxe-2": (_SMOOTH, _SMOOTH),
    "openbsd": ([2000, 4000, 8000, 16000], [2000, 4000, 8000, 16000]),
    "os-client": ([5000] * 6, [5000] * 6),
    "pxelinux": (_PXELINUX, _PXELINUX),
    "redboot": ([5000], [5000] * 15),
    "rpi3": ([1000], [1000]),
    "rpi4": ([2000] * 15, [2000] * 15),
    "s390x": ([4000] * 5 + [1000], [6000] + [1000] * 15 + [1]),
    "slof": ([4000] * 5 + [1000], [6000] + [1000] * 15 + [1]),
    "standard": (_STANDARD, _STANDARD),
    "tftp-hpa": ([5000] * 5, [5000] * 5),
    "tftp-hpa-7": ([1000 << n for n in range(6)], [1000 << n for n in range(6)]),
    "u-boot": ([5000] * 11, [5000] * 11),
    "u-boot-2025": ([5000] * 11, [5000] * 11),
    "u-boot-lwip": ([1000] * 6, [10000]),
    "u-boot-lwip-2025": ([3600000], [3600000]),
}
# What the captures say of the time from the first RRQ to the end, in seconds.
_GIVES_UP = {
    "atftp": 30.0,
    "busybox": 12.9,
    "curl": 301.9,
    "edk2": 24.3,
    "grub": 32.0,
    "ipxe": 16.1,
    "ipxe-2": 16.1,
    "pxelinux": 132,
    "slof": 21.0,
    "tftp-hpa": 25.0,
    "tftp-hpa-7": 63.1,
    "u-boot": 55.0,
    "u-boot-lwip": 6.0,
}


def _hex(packet):
    return "".join("%02x" % byte for byte in bytes(packet))


def _plain(text):
    return text.decode().replace(" ", "")


def _sums(waits, start=0):
    times = [start]
    for wait in waits:
        times.append(times[-1] + wait)
    return times


def _names():
    return sorted(_RRQ)


def _near(got, expected):
    # MicroPython's round and CPython's may differ by one on a half.
    assert len(got) == len(expected), (got, expected)
    for mine, theirs in zip(got, expected):
        assert abs(mine - theirs) <= 8, (got, expected)


def _code(name, legacy):
    # UEFI has a table of its own (R-PXE-61): EDK2 calls both time-outs E18.
    return "PXE-E18" if name == "edk2" else legacy


def test_every_rom_file_has_its_place_in_these_tables():
    same(rom_ids(), _names())
    for table in (_PORTS, _WAITS):
        same(sorted(table), _names())


def test_requests_are_those_of_the_captures_byte_for_byte():
    """R-TFTP-1, R-TFTP-5: mode, options, their order, the slash; nothing behind them."""
    content = pattern(3000)
    for name in _names():
        run = Run(rom(name), FileServer(content), _FILE)
        wanted = [_plain(text) for text in _RRQ[name]]
        if name == "standard":
            wanted = wanted[:1]  # the second is for a server that refuses the first
        same([_hex(packet) for _, _, packet in run.requests()], wanted, name)
        same((run.result["outcome"], run.sink.data), ("ok", content), name)


def test_requests_come_at_the_captured_times():
    """R-TFTP-6, R-TFTP-70, R-TFTP-71 (ROM notes): times, bytes, ports, and the end. R-TIM-1,
    R-TIM-2, R-TIM-3: EDK2's, iPXE's and U-Boot's waits."""
    for name in _names():
        waits, _ = _WAITS[name]
        run = Run(rom(name), silence, _FILE)
        times = _sums(waits)
        _near([at_ms for at_ms, _, _ in run.requests()], times[:-1])
        _near([run.net.clock], times[-1:])
        same((run.code(), len(run.net.sent)), (_code(name, "PXE-E32"), len(waits)), name)
        ports = [port for _, port, _ in run.requests()]
        if name in _HOPPING:
            same(ports, [ports[0] + n for n in range(len(waits))], name)
        else:
            same(set(ports), {ports[0]}, name)
        probes = 5 if name == "intel-undi" else len(waits)
        asked = [_hex(packet) for _, _, packet in run.requests()]
        same(asked[:probes], [_plain(_RRQ[name][0])] * probes, name)
        same(asked[probes:], [_plain(_RRQ[name][-1])] * (len(waits) - probes), name)


def test_ends_are_those_on_the_captured_clocks():
    """R-TIM-1, R-TIM-2, R-TIM-3. Within 5 %: a guest that runs in an emulator is late."""
    for name, seconds in _GIVES_UP.items():
        total = sum(_WAITS[name][0]) / 1000
        assert abs(total - seconds) <= seconds * 0.05, (name, total)


def _dying(count, grant=FileServer.GRANT):
    """Serves a file; every DATA from `count` on is lost for ever."""

    def lose(direction, packet, number):
        return direction == "out" and packet[1] == 3 and (packet[2] or packet[3] >= count)

    return FileServer(Long(60000), grant, lose=lose, retry_ms=None)


def test_server_that_dies_in_mid_file_hears_the_last_ack_at_the_captured_times():
    """R-TFTP-71, R-TFTP-73, R-TIM-1: and GRUB alone says something when it leaves."""
    for name in _names():
        _, waits = _WAITS[name]
        server = _dying(9, LOCKSTEP) if name in WINDOWED else _dying(9)
        run = Run(rom(name), server, _FILE, Check(Long(60000)), keep="sent", told=False)
        sent = [(at_ms, packet) for at_ms, _, _, packet in run.net.sent if packet[1] == 4]
        repeats = [at_ms for at_ms, packet in sent if packet == ack(8)]
        times = _sums(waits, repeats[0])
        _near(repeats, times[:-1])
        _near([run.net.clock], times[-1:])
        same(run.code(), _code(name, "PXE-E35"), name)
        closing = run.net.sent[-1][3]
        same(closing, error(0, "closed") if name == "grub" else ack(8), name)


def test_source_ports_of_three_files_are_the_captured_ones():
    """R-TFTP-6 (ROM note): and a second boot begins as the first did, unless it draws."""
    for name in _names():
        rule = _PORTS[name]
        spec = rom(name)["udp"]["source_port"]
        firsts = set()
        for _ in range(40):
            ports = SourcePorts(spec)
            taken = [ports.take(True) for _ in range(3)]
            firsts.add(taken[0])
            if isinstance(rule, list):
                same(taken, rule, name)
                continue
            assert rule[0] <= min(taken) and taken[0] <= rule[1], (name, taken)
            if len(rule) == 3:
                for before, port in ((taken[0], taken[1]), (taken[1], taken[2])):
                    same(port, rule[2] if before == 65535 else before + 1, name)
        if isinstance(rule, tuple) and spec["policy"] != "clock":
            assert len(firsts) > 20, (name, firsts)
