"""`pxebench board list`: the ports, the kinds that their USB ids suggest, and the boards'
answers."""

import os

from pxebench.board import kinds
from pxebench.job import Refused, show


def rows(named, ask):
    """A dict for each port: {"port", "usb", "serial_number", "description", "kinds", "kind",
    "board", "trouble"}; "board" is what the board said (`serial.Board.who`), or None."""
    known = {port.device: port for port in kinds.ports()}
    wanted = [kinds.find(name) for name in named] if named else list(known)
    return [_row(device, known.get(device), ask, bool(named)) for device in wanted]


def _row(device, port, ask, named):
    likely = kinds.kinds_on(port) if port else []
    row = {
        "port": device,
        "usb": f"{port.vid:04x}:{port.pid:04x}" if port and port.vid is not None else None,
        "serial_number": port.serial_number if port else None,
        "description": port.description if port else None,
        "kinds": [kind.id for kind in likely],
        "kind": None,
        "board": None,
        "trouble": None,
    }
    elsewhere = "://" in device or device.startswith("place:")
    if not port and not elsewhere and not os.path.exists(device):
        row["trouble"] = f"There is no port {show(device)}."
    elif ask and (named or likely):
        from pxebench.board.connection import Board

        try:
            with Board(device) as board:
                row["board"] = board.who
                row["kind"] = board.kind.id if board.kind else None
        except Refused as refusal:
            row["trouble"] = refusal.message
    return row


def lines(found):
    """The list as text, a board in two lines."""
    if not found:
        yield "No board on any USB port; plug one in, with a cable that carries data."
    for row in found:
        usb = f"  USB {row['usb']}" if row["usb"] else ""
        number = f"  id:{show(row['serial_number'])}" if row["serial_number"] else ""
        yield f"{show(row['port'])}{usb}{number}"
        who = row["board"]
        if who:
            kind = row["kind"] or "a kind not known here"
            has = f"pxerom {show(str(who['pxerom']))}" if who["pxerom"] else "no pxerom"
            yield (
                f"  {show(who['machine'])} ({kind}): MicroPython {show(who['version'])}, {has}, "
                f"{who['free_bytes'] // 1024} of {who['flash_bytes'] // 1024} KiB of flash free, "
                f"{who['heap_bytes'] // 1024} KiB of memory"
            )
        elif row["trouble"]:
            yield "  " + row["trouble"]
        elif row["kinds"]:
            yield f"  by its USB ids: {' or '.join(row['kinds'])}"
        else:
            yield f"  {show(row['description'] or 'no board that is known here')}"
