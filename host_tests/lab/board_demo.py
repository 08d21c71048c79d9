"""`make board-demo`: a board is switched on and boots an iPXE image from nothing, by DHCP.

    make board-demo [ROM=intel-undi] [IMAGE=path]

The board is an emulated one (`make board`): MicroPython on a Cortex-M3 under QEMU, with the
network stack of an RP2. Its flash has the files that `pxebench board deploy` copies to a
W5500-EVB-Pico. The other end of its cable is a network namespace of this PC: dnsmasq gives the
lease, in.tftpd has the image. Ends with 0 when the image in its flash is the server's, 1 when not,
3 when it cannot be shown here.
"""

import hashlib
import os
import sys
import tempfile

from pxebench.job import Refused

from host_tests.emulated import rig
from host_tests.lab import dhcp_servers
from host_tests.lab.boot_demo import image_to_boot
from host_tests.lab.programs import LabError


def _demo(rom):
    name, image = image_to_boot(rom)
    settings = rig.config(rom=rom, server="dhcp", file=None, link={"timeout_s": 15})
    with (
        tempfile.TemporaryDirectory() as folder,
        rig.lan() as lan,
        lan.tftpd({name: image}),
        dhcp_servers.dnsmasq(lan.server, rig.SERVER, [f"--dhcp-boot={name}"]),
        lan.board(folder, settings, rig.deployed_files("w5500_evb_pico", (rom,))) as board,
    ):
        print(f"A server at {rig.SERVER} with {name}, {len(image)} bytes. The power comes.\n")
        board.power_on()
        board.read_to(rig.PROMPT)
        print(board.screen)
        board.power_off()
        stored = board.files().get("/nbp")
    good = stored == hashlib.sha256(image).hexdigest()
    print(f"In its flash: {'the whole image, as /nbp' if good else 'NOT THE IMAGE'}.")
    return 0 if good else 1


def main():
    try:
        return _demo(os.environ.get("ROM") or "intel-undi")
    except (LabError, Refused) as error:
        print(f"board-demo: {error}", file=sys.stderr)
        return 3
    except (KeyboardInterrupt, BrokenPipeError):
        return 130


if __name__ == "__main__":
    sys.exit(main())
