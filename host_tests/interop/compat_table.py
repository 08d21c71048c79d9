"""`make compat-table`: the table of docs/roms.md, every ROM against every server, anew.

Each server runs alone on a network of its own, `pxebench compat` asks it as every ROM, and what it
says in its JSON becomes a cell: the blksize in effect, with the window where that is not 1, or the
code of the ROM that gives up.  ROMs that fare alike everywhere share a row.  About two minutes.
"""

import json
import re
import sys

from host_tests.lab import namespaces, programs, servers

PAGE = programs.ROOT / "docs/roms.md"
_HOST = "10.254.52.26"
_FILE = "boot/nbp"
_FILES = {_FILE: bytes(range(256)) * 40}
_PATTERN = re.compile(r"(?<=\n)\| client \|.*?\n(?=\n)", re.S)

# The table's columns, and what is started for each.
SERVERS = {
    "in.tftpd": lambda folder, at: servers.in_tftpd(folder, _HOST, 69, at),
    "in.tftpd, options refused": lambda folder, at: servers.in_tftpd(
        folder, _HOST, 69, at, refuse=servers.IN_TFTPD_OPTIONS
    ),
    "dnsmasq": lambda folder, at: servers.dnsmasq(folder, _HOST, at),
    "dnsmasq, one port": lambda folder, at: servers.dnsmasq(folder, _HOST, at, single_port=True),
    "atftpd": lambda folder, at: servers.atftpd(folder, _HOST, 69, at),
    "tftpy": lambda folder, at: servers.python_server("tftpy", folder, _HOST, 69, at),
    "py3tftp": lambda folder, at: servers.python_server("py3tftp", folder, _HOST, 69, at),
}


def cell(row):
    """What the table says of one row of `compat`'s JSON."""
    if row["verdict"] == "boots":
        window = row["windowsize"] or 1
        return f"{row['blksize'] or 512}" + (f" x {window}" if window > 1 else "")
    return f"**{row['code']}**" + (" (assumed)" if row["assumed"] else "")


def table(found):
    """The table. `found`: {server: {ROM: cell}}."""
    rows = {}
    for rom in sorted(next(iter(found.values()))):
        rows.setdefault(tuple(found[name][rom] for name in found), []).append(f"`{rom}`")
    lines = [[", ".join(roms), *cells] for cells, roms in rows.items()]
    head, *rest = ["| " + " | ".join(line) + " |\n" for line in [["client", *found], *lines]]
    return head + "|---" * (len(found) + 1) + "|\n" + "".join(rest)


def shown(page):
    """{server: {ROM: cell}} of the table in the text of a page."""
    head, _, *rows = _PATTERN.search(page)[0].splitlines()
    names = [name.strip() for name in head.split("|")[2:-1]]
    found = {name: {} for name in names}
    for row in rows:
        roms, *cells = [each.strip() for each in row.split("|")[1:-1]]
        for name, text in zip(names, cells, strict=True):
            found[name].update(dict.fromkeys(re.findall(r"`(\S+)`", roms), text))
    return found


def ask(client):
    """{ROM: cell} of the server that runs, asked as every ROM."""
    target = (f"{_HOST}/{_FILE}", "--json", "-")
    run = client.run(
        sys.executable, "-m", "pxebench", "compat", *target, check=False, timeout_s=120
    )
    return {row["rom"]: cell(row) for row in json.loads(run.stdout)["rows"]}


def main():
    found = {}
    with namespaces.lab() as lab, servers.folder(_FILES) as folder:
        client, server = lab.namespace("client"), lab.namespace("server")
        lab.cable(client, "eth0", "10.254.52.175/24", server, "eth0", _HOST + "/24")
        for name, start in SERVERS.items():
            with start(folder, server):
                found[name] = ask(client)
            sys.stderr.write(f"{name}: {len(found[name])} ROMs\n")
    page = PAGE.read_text("utf-8")
    PAGE.write_text(_PATTERN.sub(lambda _: table(found), page), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
