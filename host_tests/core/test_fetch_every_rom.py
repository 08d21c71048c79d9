"""Every ROM gets its file whole: whatever its size and what packet is lost, options or none.

Beside `test_fetch_roms`, whose tables of captured bytes and times leave a board too little memory
for these.
"""

from host_tests.core.check import rom, rom_ids, same
from host_tests.core.fakenet import LOCKSTEP, WINDOWED, Check, FileServer, Long, Run, pattern
from host_tests.core.packets import error

_FILE = "undionly.kpxe"


def test_server_without_options_is_served_by_all_but_edk2_and_grub():
    """R-TFTP-21: one leaves with an ERROR, the other swallows the file and never opens it."""
    content = pattern(3000)
    for name in rom_ids():
        files = FileServer(content, grant=())

        def server(packet, local_port, port, files=files):
            return () if packet[1] == 1 and port != 69 else files(packet, local_port, port)

        run = Run(rom(name), server, _FILE)
        if name == "edk2":
            same((run.code(), run.packets()[1:]), ("PXE-E99", [error(4, "User aborted download")]))
        elif name == "grub":
            same((run.code(), run.sink.data), ("PXE-E32", b""))
        else:
            same((run.result["outcome"], run.sink.data), ("ok", content), name)


def test_file_sizes_around_the_block_are_byte_exact_for_every_rom():
    """R-TFTP-43: the last block is short, and it may be empty."""
    for name in rom_ids():
        flat = rom(name)
        blksize = int(dict(flat["tftp"]["requests"][-1]["options"]).get("blksize", 512))
        sizes = [1, blksize - 1, blksize, blksize + 1, 5 * blksize]
        if "least_tsize" not in flat["tftp"]["requests"][-1]:  # curl refuses tsize 0
            sizes.append(0)
        for size in sizes:
            content = Long(size)
            sink = Check(content)
            run = Run(flat, FileServer(content), _FILE, sink, keep=False, told=False)
            same((run.result["outcome"], sink.whole()), ("ok", True), (name, size))


def test_any_single_packet_may_be_lost_by_every_rom_to_ipxe():
    """R-TFTP-71, R-TFTP-34, R-TFTP-46: where the ROM asks or acknowledges again at all."""
    _any_may_be_lost([name for name in rom_ids() if name < "j"])


def test_any_single_packet_may_be_lost_by_every_rom_to_s390x():
    """R-TFTP-71, R-TFTP-34, R-TFTP-46"""
    _any_may_be_lost([name for name in rom_ids() if "j" < name < "sl"])


def test_any_single_packet_may_be_lost_by_every_rom_from_slof():
    """R-TFTP-71, R-TFTP-34, R-TFTP-46"""
    _any_may_be_lost([name for name in rom_ids() if name >= "sl"])


def _any_may_be_lost(names):
    # These wait for the server's own copy.
    silent = ("grub", "redboot", "rpi3", "u-boot-lwip", "u-boot-lwip-2025")
    for name in names:
        flat = rom(name)
        content = Long(9000)
        grant = LOCKSTEP if name in WINDOWED else FileServer.GRANT
        for direction in ("in", "out"):
            for lost in range(1 if name in silent else 0, 9):

                def lose(towards, packet, count, direction=direction, lost=lost):
                    return towards == direction and count == lost

                server = FileServer(content, grant, lose=lose, retry_ms=700)
                run = Run(flat, server, _FILE, Check(content), keep=False, told=False)
                assert run.sink.whole(), (name, direction, lost, run.result)
