"""The command `pxebench boot`: a ROM's boot from power-up, on an interface or on a board.

The job is made in `boot_job`, the interface prepared in `interfaces`, keys come from `keys`;
`running` runs and shows the job.
"""

import contextlib

import click

from pxebench import headings, images, job, outputs
from pxebench.boot import boot_job
from pxebench.job import Refused
from pxebench.options import (
    ENDPOINT,
    OUTPUT,
    ROM,
    SERVER_PCAP,
    IPv4,
    Mac,
    Uuid,
    all_of,
    read_config,
)


@headings.command(short_help="Boot over the network as a ROM does: DHCP first, then the file.")
@click.option("-i", "--interface", metavar="IF", help="This machine's interface to boot from.")
@all_of(ROM, ENDPOINT)
@click.option("--arch", metavar="NAME|N", help="The client architecture (option 93). *")
@click.option("--mac", type=Mac(), help="Boot with another MAC address, by a macvlan.")
@click.option("--uuid", type=Uuid(), help="The machine's UUID, as dmidecode prints it.")
@click.option(
    "--lease",
    default="dhcp",
    show_default=True,
    type=click.Choice(boot_job.LEASES),
    help="Take the address from DHCP, from --address, or use the one that is there.",
)
@click.option("--address", "static", metavar="IP/BITS[,GW]", help="With --lease static.")
@click.option("--proxy", type=IPv4(), help="With static, stack: ask this one, on port 4011.")
@click.option("--allow", type=IPv4(), multiple=True, help="Heed these servers only; repeatable.")
@click.option(
    "--menu", type=click.IntRange(1, 255), metavar="N", help="Take entry N of a boot menu."
)
@click.option("--no-menu", is_flag=True, help="Take what the menu's time-out would take.")
@click.option("--server", type=IPv4(), help="Fetch from there, whatever DHCP says.")
@click.option("--file", metavar="NAME", help="Fetch that file, whatever DHCP says.")
@click.option("--release", is_flag=True, help="Give the lease back at the end.")
@all_of(OUTPUT, SERVER_PCAP)
def boot(interface, rom, endpoint, interpreter, mount, config, kind, out, **given):
    """Boot from interface IF as a ROM does: DHCP and proxyDHCP, boot servers and their menu, then
    the file over TFTP, with the ROM's own packets, times and screen.

    It needs root, sends what the ROM would send and no more, and leaves the interface as it was.
    On a terminal, keys answer the menu: F8 or Enter shows it, arrows and Enter choose, ESC ends
    the boot. Options marked * change a ROM that allows it.

    \b
    sudo pxebench boot -i eth0
    sudo pxebench boot -i eth0 --rom edk2 --arch arm64-efi --pcap boot.pcap
    sudo pxebench boot -i eth0 --menu 2 --release --json -
    pxebench boot --endpoint serial:auto
    """
    from pxebench.boot.keys import from_terminal
    from pxebench.endpoints import open_endpoint
    from pxebench.running import run_job

    wanted = job.load_rom(rom)
    chosen = boot_job.with_arch(wanted, given["arch"])
    settings = {
        **boot_job.lease(given["lease"], given["static"], given["proxy"]),
        **boot_job.instead(given["server"], given["file"]),
        "menu": boot_job.menu(given["menu"], given["no_menu"]),
        "uuid": given["uuid"],
        "allow": list(given["allow"]) or None,
        "release": given["release"],
        "out": out,
        "max_bytes": given["max_bytes"],
        "max_time_ms": given["max_time"],
        "trace": given["pcap"] is not None,
    }
    json_path, quiet = given["json_path"], given["quiet"]
    mac = given["mac"]
    place = open_endpoint(endpoint, interpreter, read_config(config), mount, kind)
    for option, value in (("--interface", interface), ("--mac", mac)):
        if place.elsewhere and value:
            raise Refused(f"{option} is for this machine: a board boots from its own link.")
    outputs.check({"--out": out, "--json": json_path, "--pcap": given["pcap"]})
    by_id = chosen is wanted and rom == job.value(wanted["id"])
    flat = boot_job.flat(chosen)

    with contextlib.ExitStack() as stack:
        guard = None
        if not place.elsewhere:
            from pxebench.boot import interfaces

            interfaces.check(interface, given["lease"])
            interface = stack.enter_context(interfaces.with_mac(interface, mac))
            guard = stack.enter_context(interfaces.Guard(interface))
        # A menu that is not shown cannot be answered.
        unseen = quiet or json_path == "-" or settings["menu"] is not None
        keys = None if unseen else stack.enter_context(from_terminal())
        settings["keys"] = keys is not None

        def guarded(wanted_job, on_event, on_wait):
            def seen(event):
                if guard:
                    guard.event(event)
                on_event(event)

            return place(wanted_job, seen, keys, on_wait)

        task = boot_job.boot_job(rom if by_id else chosen, interface, **settings)
        return run_job(
            *(place, task, flat, json_path, given["pcap"], quiet, given["server_pcap"]),
            starts=images.Starts(chosen, boots=True),
            words=["--rom", rom],
            run=guarded,
            verbose=given["verbose"],
        )
