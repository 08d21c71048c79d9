"""The command: exit codes, JSON, standard input, and what reaches a terminal."""

import json
import subprocess
import sys

import pytest

from host_tests.explain import told
from host_tests.lab import terminal

QUESTION = told.INPUTS / "question.txt"


def explain(*words, stdin=b"", env=None):
    """(exit code, stdout, stderr) of `pxebench explain`."""
    done = subprocess.run(
        [sys.executable, "-m", "pxebench", "explain", *map(str, words)],
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
        env=env,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_a_failure_explained_ends_with_1():
    code, out, err = explain(QUESTION)
    assert (code, err) == (1, "")
    assert "third and fourth request" in out
    assert "2070-2078" in out


def test_a_boot_that_went_well_ends_with_0():
    code, out, _ = explain(told.capture("ipxe-boot1"))
    assert code == 0
    assert "healthy" in out


def test_nothing_of_a_boot_ends_with_2_and_says_what_helps(tmp_path):
    other = tmp_path / "letter.txt"
    other.write_text("Dear all,\nthe meeting is on Monday.\n")
    code, out, err = explain(other)
    assert code == 2
    assert "Nothing of a network boot" in out and "tcpdump" in out
    assert "Traceback" not in out + err


def test_a_file_that_is_not_there_is_one_sentence():
    code, out, err = explain("no-such-file.pcap")
    assert (code, out) == (2, "")
    assert err.startswith("pxebench: There is no file no-such-file.pcap")
    assert err.count("\n") == 1


@pytest.mark.parametrize("words", [("PXE-E32",), ("TFTP open timeout",), ("pxe e32",)])
def test_a_code_or_its_words_alone_are_explained(words):
    code, out, _ = explain(*words)
    assert code == 1
    assert "PXE-E32" in out and "diagnose" in out


def test_standard_input_is_a_source_like_any():
    code, out, _ = explain("-", stdin=(told.INPUTS / "in.tftpd.log").read_bytes())
    assert code == 1
    assert "intel-undi" in out


def test_json_is_json_and_nothing_else():
    code, out, err = explain("--json", "-", QUESTION)
    result = json.loads(out)
    assert (code, err) == (1, "")
    assert (result["schema"], result["kind"]) == (1, "explain")
    assert set(result["sources"][0]) >= {"name", "kind", "where"}
    client = result["clients"][0]
    assert set(client) >= {"ip", "mac", "candidates", "boot", "verdict"}
    assert set(client["candidates"][0]) >= {"rom", "score", "for", "against"}


def test_a_code_alone_has_no_clients_and_its_codes():
    _, out, _ = explain("--json", "-", "PXE-E53")
    result = json.loads(out)
    assert result["clients"] == []
    assert {code["maker"].split()[0] for code in result["codes"]} == {"legacy", "UEFI"}


def test_json_that_cannot_be_written_ends_with_3(tmp_path):
    code, _, err = explain("--json", tmp_path / "no" / "x.json", QUESTION)
    assert code == 3
    assert "Cannot write" in err


def test_one_client_of_several_can_be_chosen():
    files = (told.capture("ipxe-boot1"), QUESTION)
    _, out, _ = explain("--json", "-", "--client", "10.55.32.175", *files)
    assert {client["ip"] for client in json.loads(out)["clients"]} == {"10.55.32.175"}


def test_several_clients_are_a_table_first():
    _, out, _ = explain(told.capture("ipxe-boot1"), QUESTION)
    lines = out.splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("client "))
    assert any("10.55.32.175" in line for line in lines[head : head + 4])


def test_nothing_of_the_input_reaches_a_terminal_unfiltered():
    hostile = (
        'IP 10.0.0.5.2070 > 10.0.0.1.69:  27 RRQ "\x1b]0;owned\x07\x1b[2Jx\x9b31m" octet tsize 0\n'
        * 3
    )
    code, out, err = explain("-", stdin=hostile.encode())
    assert code == 1
    assert all(c.isprintable() or c == "\n" for c in out + err)
    assert "\\x1b" in out


def test_all_rules_has_every_product():
    _, short, _ = explain(QUESTION)
    _, long, _ = explain("--all-rules", QUESTION)
    assert "Cisco ASA (the ROM's ports)" in long
    assert "Cisco ASA (the ROM's ports)" not in short


def test_quiet_is_one_line_for_each_client():
    _, out, _ = explain("-q", QUESTION)
    assert len(out.splitlines()) == 2


def test_a_bar_is_drawn_for_a_large_file_on_a_terminal_only(tmp_path):
    large = tmp_path / "large.log"
    large.write_bytes(
        b"Nov 30 10:00:00 host systemd[1]: Started something of no interest.\n" * 900_000
    )
    argv = [sys.executable, "-m", "pxebench", "explain", str(large)]
    code, seen, _ = terminal.run(argv, "stderr")
    assert code == 2
    assert b"MiB" in seen and b"%" in seen
    assert explain(large)[2] == ""
