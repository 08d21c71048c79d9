"""`pxebench doctor`: what lacks is found, said with its price, and mended by what is printed."""

import grp
import json
import os
import shlex
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from pxebench.doctor import checks, finding, firewall

from host_tests.lab import namespaces, programs, servers

_NO_RIGHTS = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]


def _json(run):
    result = json.loads(run.stdout)
    assert (result["schema"], result["kind"]) == (1, "doctor")
    assert run.returncode == (0 if result["outcome"] == "ok" else 3)
    return {check["name"]: check for check in result["checks"]}


def _doctor(machine, *names):
    return machine.run(
        *(sys.executable, "-m", "pxebench", "doctor", *names, "--json", "-"), check=False
    )


def test_all_checks_are_shown_in_their_order_and_as_json(bench):
    run = bench("doctor", "--json", "result.json")
    result = json.loads((bench.folder / "result.json").read_text())
    assert [check["name"] for check in result["checks"]] == list(checks.CHECKS)
    lines = [line for line in run.stdout.splitlines() if line[:1] not in (" ", "")]
    assert [line.split()[1] for line in lines[: len(checks.CHECKS)]] == list(checks.CHECKS)
    lacking = [check for check in result["checks"] if check["state"] == "lacks"]
    assert (run.returncode, result["outcome"]) == ((3, "failed") if lacking else (0, "ok"))
    for check in lacking:
        assert check["costs"] and check["mend"]
        assert f"       mend   {check['mend']}\n" in run.stdout
        assert f"LACKS  {check['name']} " in run.stdout


def test_check_that_is_not_one_is_refused(bench):
    run = bench("doctor", "tcpdmp")
    assert run.returncode == 2
    assert run.stderr.startswith("pxebench: There is no check tcpdmp; the nearest is tcpdump; ")


def test_what_runs_the_tests_is_found_in_order(bench, micropython):
    found = _json(bench("doctor", "python", "micropython", "namespaces", "gevent", "--json", "-"))
    assert {check["state"] for check in found.values()} == {"ok"}
    assert sys.version.split()[0] in found["python"]["found"]
    said = subprocess.run([micropython, "--version"], capture_output=True, text=True, check=True)
    version = found["micropython"]["found"].partition(",")[0]
    assert version in said.stdout and version.startswith("1.")


def test_missing_package_is_named_with_its_range(monkeypatch):
    monkeypatch.setattr(checks, "_version", lambda name: None if name == "dpkt" else "1")
    found = checks.python()
    assert found.state == "lacks" and "without dpkt" in found.found
    assert shlex.split(found.mend)[:4] == [sys.executable, "-m", "pip", "install"]
    assert shlex.split(found.mend)[4].startswith("dpkt<2")


@pytest.mark.parametrize(
    ("name", "extra"), [("esptool", "board flash"), ("gevent", "storm"), ("netaddr", "explain")]
)
def test_missing_extra_is_installed_by_the_command_printed(monkeypatch, name, extra):
    monkeypatch.setattr(checks, "_version", lambda name: None)
    found = checks.CHECKS[name]()
    assert found.state == "lacks" and found.costs.startswith(extra)
    assert shlex.split(found.mend)[4].startswith(f"{name}<")


def test_missing_labgrid_costs_the_rack_and_is_installed_in_its_range(monkeypatch):
    monkeypatch.setattr(checks, "_version", lambda name: None)
    found = checks.labgrid()
    assert (found.state, found.found) == ("lacks", "not installed")
    assert found.costs.startswith("fleet,")
    assert shlex.split(found.mend)[4] == "labgrid<27,>=26"


def test_program_that_is_no_micropython_is_told(bench, program):
    for wanted, word in (("/bin/true", "is no MicroPython"), ("/nosuch", "/nosuch is no program")):
        run = bench("doctor", "micropython", "--json", "-", env={"PXEROM_MICROPYTHON": wanted})
        found = _json(run)["micropython"]
        assert found["state"] == "lacks" and word in found["found"]
        assert found["costs"] == "--endpoint micropython"
    old = {"PXEROM_MICROPYTHON": program("print('micropython 1 19 1')\n")}
    found = _json(bench("doctor", "micropython", "--json", "-", env=old))["micropython"]
    assert found["state"] == "unknown" and "tried with 1.25 and 1.26" in found["found"]


def test_installed_pxebench_names_no_makefile(monkeypatch, tmp_path):
    monkeypatch.setattr(checks.places, "boards", lambda: tmp_path / "boards")
    monkeypatch.delenv("PXEROM_MICROPYTHON", raising=False)
    monkeypatch.setattr("pxebench.endpoints.micropython.shutil.which", lambda *_, **__: None)
    found = checks.micropython()
    assert (found.state, found.found) == ("lacks", "There is no MicroPython here")
    assert found.mend.startswith("export PXEROM_MICROPYTHON=")
    (tmp_path / "Makefile").write_text("")
    assert checks.micropython().mend == "make setup"


def test_user_without_rights_is_told_to_use_sudo(bench):
    words = _NO_RIGHTS if os.geteuid() == 0 else []
    command = [*words, sys.executable, "-m", "pxebench", "doctor", "rights", "port-68"]
    run = subprocess.run(
        [*command, "firewall", "--json", "-"], capture_output=True, text=True, check=False
    )
    found = _json(run)
    assert found["rights"]["state"] == "lacks"
    assert "CAP_NET_RAW" in found["rights"]["found"]
    assert found["rights"]["mend"].startswith("sudo ")
    assert found["rights"]["mend"].endswith("pxebench boot -i INTERFACE")
    for name in ("port-68", "firewall"):
        assert found[name]["state"] == "unknown"
        assert found[name]["mend"].endswith(f"pxebench doctor {name}")


def test_holder_of_port_68_is_named():
    with namespaces.lab() as lab:
        machine = lab.namespace("pc")
        assert _json(_doctor(machine, "port-68", "rights"))["port-68"]["state"] == "ok"
        text = (
            "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
            "s.bind(('0.0.0.0', 68)); time.sleep(60)"
        )
        with machine.start(sys.executable, "-c", text) as holder:
            _until_listening(machine, 68)
            found = _json(_doctor(machine, "port-68"))["port-68"]
        assert found["state"] == "lacks"
        assert found["found"].startswith("held by python")
        assert str(holder.pid) in found["found"]


def test_system_that_allows_no_namespace_is_told_so(monkeypatch):
    monkeypatch.setattr(checks, "program", lambda name: programs.find("false"))
    found = checks.namespaces()
    assert (found.state, found.found) == ("lacks", "not allowed")


def test_tcpdump_that_is_missing_comes_with_the_systems_own_command(monkeypatch):
    monkeypatch.setattr(checks, "program", lambda name: None)
    monkeypatch.setattr(finding, "program", lambda name: name if name == "dnf" else None)
    found = checks.tcpdump()
    assert (found.state, found.mend) == ("lacks", "sudo dnf install tcpdump")
    monkeypatch.setattr(finding, "program", lambda name: None)
    assert checks.tcpdump().mend == "install tcpdump with this system's package manager"


def test_board_that_this_user_may_not_open_is_told_with_the_group(monkeypatch):
    port = SimpleNamespace(device="/dev/ttyACM7", vid=0x2E8A, pid=0x0005)
    monkeypatch.setattr("pxebench.board.kinds.ports", lambda: [port])
    monkeypatch.setattr(checks.os, "access", lambda device, mode: device != "/dev/ttyACM7")
    found = checks.boards()
    assert found.state == "lacks"
    assert found.found.startswith("/dev/ttyACM7 (")
    assert "rpi_pico_w" in found.found and "may not open /dev/ttyACM7" in found.found
    assert "usermod -aG dialout" in found.mend
    monkeypatch.setattr(checks.os, "access", lambda device, mode: True)
    assert checks.boards().state == "ok"


def test_membership_that_the_login_does_not_have_yet_is_told_apart(monkeypatch):
    import pwd

    user = pwd.getpwuid(1).pw_name
    group = grp.struct_group(("dialout", "x", 4242, []))
    monkeypatch.setattr(checks, "_group", lambda: group)
    monkeypatch.setattr(checks.os, "geteuid", lambda: 1)
    monkeypatch.setattr(checks.os, "getegid", lambda: 1)
    monkeypatch.setattr(checks.os, "getgroups", list)
    found = checks.serial_group()
    assert (found.state, found.found) == ("lacks", f"{user} is not in dialout")
    assert found.mend == 'sudo usermod -aG dialout "$USER", and log in again'
    group = grp.struct_group(("dialout", "x", 4242, [user]))
    monkeypatch.setattr(checks, "_group", lambda: group)
    assert checks.serial_group().mend == "newgrp dialout, or log in again"
    monkeypatch.setattr(checks.os, "getgroups", lambda: [4242])
    assert checks.serial_group().state == "ok"


def test_system_that_is_no_linux_is_told_what_it_cannot(monkeypatch):
    """Without a look at what only Linux has: /proc, groups, packet sockets."""
    monkeypatch.setattr(checks, "_LINUX", False)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delattr(os, "geteuid")
    monkeypatch.setattr("pxebench.board.kinds.ports", list)  # pyserial's own part
    states = {name: check().state for name, check in checks.CHECKS.items()}
    wanted = {"rights": "lacks", "port-68": "unknown", "namespaces": "lacks"}
    assert {**states, **wanted, "firewall": "unknown", "serial-group": "ok"} == states


# ---- this PC's own firewall, loaded into a namespace

_STATEFUL = """
table inet filter {
  chain input {
    type filter hook input priority filter; policy drop;
    iif "lo" accept
    ct state established,related accept
    meta l4proto icmp accept
    tcp dport 22 accept
  }
}
"""
_CASES = {
    "none": ("", "ok"),
    "stateful": (_STATEFUL, "lacks"),
    "stateful by a map": (
        _STATEFUL.replace(
            "ct state established,related accept",
            "ct state vmap { established : accept, related : accept, invalid : drop }",
        ),
        "lacks",
    ),
    "stateful, with the helper": (
        _STATEFUL.replace(
            "  chain input",
            '  ct helper tftp-standard { type "tftp" protocol udp; }\n'
            "  chain output { type filter hook output priority 0; "
            'udp dport 69 ct helper set "tftp-standard"; }\n  chain input',
        ),
        "unknown",
    ),
    "one server let in": (
        _STATEFUL.replace("tcp dport 22", "ip saddr 10.9.0.2 udp dport 1024-65535"),
        "unknown",
    ),
    "the rest dropped by a chain of its own": (
        """
table ip f {
  chain rest {
    drop
  }
  chain i {
    type filter hook input priority filter; policy accept;
    ct state established accept
    jump rest
  }
}
""",
        "lacks",
    ),
    "low ports dropped": (
        "table ip f { chain i { type filter hook input priority 0; udp dport < 32768 drop; }; }",
        "unknown",
    ),
    "nothing of UDP dropped": (
        "table ip f { chain i { type filter hook input priority 0; ct state invalid drop; "
        "tcp dport 22 drop; }; }",
        "ok",
    ),
    "forwarding alone": (
        "table ip f { chain i { type filter hook forward priority 0; policy drop; }; }",
        "ok",
    ),
}


def _load(machine, rules):
    machine.run("nft", "flush", "ruleset")
    machine.run("nft", "-f", "-", input=rules)


def test_firewall_is_read_as_the_kernel_has_it():
    with namespaces.lab() as lab:
        machine = lab.namespace("pc")
        for name, (rules, state) in _CASES.items():
            _load(machine, rules)
            found = _json(_doctor(machine, "firewall"))["firewall"]
            assert found["state"] == state, (name, found)
            assert (found["costs"] is None) == (state == "ok"), (name, found)


def test_rules_of_iptables_are_read_as_far_as_nft_tells_them():
    """What an extension of iptables looks at, nft does not say: no rule with one is certain."""
    with namespaces.lab() as lab:
        machine = lab.namespace("pc")

        def found(*rules):
            machine.run("iptables-nft", "-F", "INPUT")
            for rule in rules:
                machine.run("iptables-nft", "-A", "INPUT", *rule.split())
            return _json(_doctor(machine, "firewall"))["firewall"]

        invalid = "-m conntrack --ctstate INVALID -j DROP"
        assert found()["state"] == "ok"
        assert found("-p tcp --dport 22 -j DROP")["state"] == "ok"
        assert found(invalid)["state"] == "unknown"
        rejected = found("-i lo -j ACCEPT", "-p tcp --dport 22 -j ACCEPT", "-j REJECT")
        assert rejected["state"] == "lacks"
        assert rejected["mend"].startswith("sudo iptables -I INPUT -p udp -s SERVER")
        known = "-m conntrack --ctstate ESTABLISHED -j ACCEPT"
        assert found(known, "-j DROP")["state"] == "unknown"


def test_rule_that_doctor_prints_lets_the_answer_in(tmp_path):
    """The firewall of this PC alone stops a fetch, and the printed command mends it."""
    (tmp_path / "f").write_bytes(b"hello")
    pxebench = (sys.executable, "-m", "pxebench")
    with namespaces.lab() as lab:
        pc, server = lab.namespace("pc"), lab.namespace("server")
        lab.cable(pc, "c0", "10.9.0.1/24", server, "s0", "10.9.0.2/24")
        with server.start(*pxebench, "serve", tmp_path):
            _until_listening(server, 69)

            def fetch():
                words = ("tftp://10.9.0.2/f", "--rom", "os-client", "--max-time", "2")
                return pc.run(*pxebench, "fetch", *words, check=False).returncode

            assert fetch() == 0
            _load(pc, _STATEFUL)
            assert fetch() == 1
            found = _json(_doctor(pc, "firewall"))["firewall"]
            assert found["state"] == "lacks"
            sudo, *command = shlex.split(found["mend"].replace("SERVER", "10.9.0.2"))
            assert sudo == "sudo"
            pc.run(*command)
            assert fetch() == 0
            assert _json(_doctor(pc, "firewall"))["firewall"]["state"] == "unknown"


def test_command_fits_what_keeps_the_rules(monkeypatch):
    monkeypatch.setattr(firewall, "_ufw", lambda: False)
    assert firewall._mend("inet", "firewalld", "filter_INPUT").startswith("sudo firewall-cmd ")
    assert firewall._mend("ip", "filter", "INPUT").startswith("sudo iptables -I INPUT ")
    monkeypatch.setattr(firewall, "_ufw", lambda: True)
    assert firewall._mend("ip", "filter", "INPUT") == "sudo ufw allow proto udp from SERVER"


def _until_listening(machine, port):
    deadline = time.monotonic() + 10
    while not servers.listening(machine.pid, port):
        assert time.monotonic() < deadline
        time.sleep(0.02)
