"""The conditions of `../bench/README.md`, captured at the client, the firewall and the server.

In each network a ROM asks, then the operating system's client.  What `explain` makes of the three
captures, of each alone and of all together, names the condition's cause, has it among those that
it cannot tell apart, or says that what is there does not tell; it never proves another one.
"""

import contextlib
import sys

import pytest

from host_tests.diagnose import conditions
from host_tests.diagnose.place import SERVER, place
from host_tests.explain import told
from host_tests.lab.firewall import FILE
from host_tests.lab.tcpdump import tcpdump

PLACES = ("client", "firewall", "server")
# Causes that stand for one another where only packets are seen, as `diagnose` has it.
_SILENT = {"request-blocked", "no-tftp-helper", "nat-port", "client-port-filter"}
_PLAYED = (
    "in.tftpd, open path",
    "dnsmasq, single port",
    "stateful firewall that reads TFTP",
    "the reported case",
    "a rule too narrow",
    "stateful firewall without helper",
    "port 69 blocked",
    "server down",
    "file missing (in.tftpd)",
    "file not readable",
    "server that refuses",
    "options refused",
    "answers from another address",
)


@contextlib.contextmanager
def captured(where, folder):
    """tcpdump at each of the three places; yields {place: path}."""
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(tcpdump(getattr(where, name), folder / f"{name}.pcap"))
            for name in PLACES
        }


def boot(where, rom, file, max_time):
    """A fetch from the client's side."""
    where.client.run(
        *(sys.executable, "-m", "pxebench", "fetch", f"tftp://{SERVER}/{file}"),
        *("--rom", rom, "--quiet", "--max-time", max_time),
        check=False,
        timeout_s=60,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", _PLAYED)
def test_no_condition_is_misnamed_from_any_place_or_from_all(name, tmp_path):
    (condition,) = [one for one in conditions.CONDITIONS if one.name == name]
    file = condition.file or FILE
    with (
        place(condition.serve, condition.rules, condition.prepare) as where,
        captured(where, tmp_path) as paths,
    ):
        boot(where, "intel-undi", file, "7")
        boot(where, "os-client", file, "6")
    for given in (*((path,) for path in paths.values()), tuple(paths.values())):
        result = told.of(*given)
        if result["outcome"] == "nothing":  # no packet of it came as far as that
            assert given[0].name == "server.pcap"
            continue
        _holds(condition, result["clients"], given)


def _holds(condition, clients, given):
    names = [path.name for path in given]
    rom = clients[0]
    found = rom["verdict"]
    told_causes = {found["cause"], *found["also_possible"]}
    said = (
        f"{condition.name}, {names}: {found['cause']}, {found['also_possible']}, {found['text']}"
    )
    if condition.cause == "healthy":
        assert found["cause"] == "healthy", said
        return
    fitting = {condition.cause, *condition.also}
    if found["cause"] is None:
        assert found["decide"] or found["unknown"] or found["explains"], said
        return
    if found["proved"]:
        assert found["cause"] in fitting, said
    else:
        assert told_causes & fitting or (fitting & _SILENT and told_causes & _SILENT), said
