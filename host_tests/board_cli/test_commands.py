"""`pxebench board` and `fetch --endpoint serial:PORT` on a board, end to end with in.tftpd."""

import hashlib
import json
import subprocess

import pytest
from pxebench import places
from pxerom import rom_file

from host_tests.board_cli.conftest import (
    BOARD,
    IMAGE,
    PASSWORD,
    SERVER,
    complains,
    config,
    mpremote,
    repl_works,
)
from host_tests.lab import programs

SHA = hashlib.sha256(IMAGE).hexdigest()


def _copied(done):
    return [line.split()[1] for line in done.stdout.splitlines() if line.startswith("copy ")]


# ---- list


def test_list_tells_what_a_board_is(bench, filled):
    done = bench("board", "list", filled.port)
    assert done.returncode == 0
    assert "Raspberry Pi Pico W with RP2040 (rpi_pico_w): MicroPython 1.26" in done.stdout
    assert "pxerom 0.2.0" in done.stdout and "of 848 KiB of flash free" in done.stdout
    rows = json.loads(bench("board", "list", filled.port, "--json").stdout)["boards"]
    assert rows[0]["kind"] == "rpi_pico_w" and rows[0]["board"]["id"] == "e6614c311b7e6f35"
    assert repl_works(filled.port)


def test_list_without_any_board_says_so(bench):
    done = bench("board", "list", "--no-ask")
    assert done.returncode == 0 and done.stdout


def test_list_tells_why_a_port_does_not_answer(bench, tmp_path):
    for words in ((), ("--no-ask",), ("--json",)):
        done = bench("board", "list", tmp_path / "nothing", *words)
        assert done.returncode == 3 and "There is no port" in done.stdout


# ---- deploy


def test_deploy_copies_what_changed_and_nothing_else(bench, board):
    first = bench("board", "deploy", "--port", board.port, "--config", config(bench.folder))
    assert first.returncode == 0, first.stderr
    assert "/lib/pxerom/fetch.mpy" in _copied(first) and "/main.py" in _copied(first)
    assert _copied(first)[-1] == "/main.py"
    assert "/lib/wifi.mpy" in _copied(first) and "/lib/pxerom/roms/intel-undi.json" in _copied(
        first
    )
    assert "Flash: 848.0 KiB" in first.stdout and PASSWORD not in first.stdout + first.stderr

    again = bench("board", "deploy", "--port", board.port)
    assert again.returncode == 0 and _copied(again) == []
    assert "Nothing to do" in again.stdout

    mpremote(board.port, "fs", "rm", ":/lib/pxerom/tftp.mpy")
    mpremote(board.port, "fs", "touch", ":/lib/pxerom/udp.py")  # would win over udp.mpy
    mpremote(board.port, "fs", "touch", ":/mine.py")
    third = bench("board", "deploy", "--port", board.port)
    assert _copied(third) == ["/lib/pxerom/tftp.mpy"]
    assert "remove  /lib/pxerom/udp.py" in third.stdout and "mine" not in third.stdout
    listed = mpremote(board.port, "fs", "ls", ":/lib/pxerom").stdout
    assert "tftp.mpy" in listed and "udp.py\n" not in listed and ".new" not in listed


def test_deployment_says_how_much_flash_it_takes_in_bytes_and_in_blocks(bench, board):
    def used():
        code = "import os; s = os.statvfs('/'); print((s[2] - s[4]) * s[0])"
        return int(mpremote(board.port, "exec", code).stdout)

    before = used()
    done = bench("board", "deploy", "--port", board.port)
    assert done.returncode == 0, done.stderr
    code = (
        "import os\ndef size(p):\n return sum(e[3] if e[1] == 0x8000 else size(p + '/' + e[0]) "
        "for e in os.ilistdir(p))\nprint(size(''))"
    )
    size = int(mpremote(board.port, "resume", "exec", code).stdout)
    last = done.stdout.splitlines()[-1]
    assert f"files have {size / 1024:.1f} KiB, up to " in last
    told = int(last.partition("up to ")[2].split()[0])
    # RP2's littlefs keeps files of up to 512 bytes in their folder, an ESP32's of 128.
    assert 0 <= told - (used() - before) // 1024 <= 24, last


def test_dry_run_needs_no_board(bench, tmp_path):
    words = ("board", "deploy", "--board", "rpi_pico_w", "--dry-run")
    done = bench(*words, "--rom", "intel-undi")
    assert done.returncode == 0, done.stderr
    assert "would copy    /lib/pxerom/tftp.mpy" in done.stdout
    assert "No board was asked." in done.stdout and "empty rpi_pico_w" in done.stdout
    wrong = tmp_path / "config.json"
    wrong.write_text('{"server": 1}')
    done = bench(*words, "--config", wrong)
    assert done.returncode == 2 and "link: is missing" in done.stderr
    assert bench("board", "deploy", "--dry-run").returncode == 3  # of which kind?


def test_dry_run_changes_nothing(bench, board):
    done = bench("board", "deploy", "--port", board.port, "--dry-run")
    assert done.returncode == 0 and "would copy" in done.stdout
    assert mpremote(board.port, "exec", "import os; print(os.listdir('/'))").stdout.strip() == "[]"


def test_roms_are_those_asked_for_and_stay(bench, board):
    words = ("board", "deploy", "--port", board.port)
    done = bench(*words, "--rom", "standard", "--rom", "os-client")
    assert [path for path in _copied(done) if "roms" in path] == [
        "/lib/pxerom/roms/standard.json",
        "/lib/pxerom/roms/os-client.json",
    ]
    assert "roms" not in bench(*words).stdout
    done = bench(*words, "--rom", "intel-undi")
    assert "remove  /lib/pxerom/roms/standard.json" in done.stdout


@pytest.mark.parametrize("kib", [80, 140, 160])
def test_board_too_small_is_told_before_anything_is_copied(bench, desk, kib):
    with desk.board(flash=kib << 10) as small:
        done = bench("board", "deploy", "--port", small.port)
        complains(done, 3, "no room", "bytes are needed")
        assert _copied(done) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"link": {"ssid": "x", "password": "hidden one"}, "server": "a"}', ["server: expected"]),
        ('{"link": {"ssid": 5}, "server": "10.0.0.1", "file": "x"}', ["link.ssid: expected"]),
        ('{"link": {"password": "hidden one"', ["is no JSON"]),
        ("[]", ["no JSON object"]),
    ],
)
def test_config_that_the_board_would_refuse_is_refused_here(bench, board, text, words):
    path = bench.folder / "config.json"
    path.write_text(text)
    done = bench("board", "deploy", "--port", board.port, "--config", path)
    complains(done, 2, *words)
    assert "hidden one" not in done.stderr


def test_unknown_kind_of_board_has_to_be_named(bench, desk):
    with desk.board(machine="Frobnicator with RP2040") as odd:
        complains(bench("board", "deploy", "--port", odd.port), 2, "Frobnicator", "--board")
        done = bench("board", "deploy", "--port", odd.port, "--board", "rpi_pico_w")
        assert done.returncode == 0, done.stderr
    complains(bench("board", "deploy", "--board", "nosuch"), 2, "rpi_pico_w")


# ---- run and fetch


def test_run_boots_and_brings_everything_home(bench, desk, filled):
    done = bench(
        *("board", "run", desk.url("image.bin"), "--port", filled.port),
        *("--json", "result.json", "--pcap", "boot.pcap", "--out", "image"),
    )
    assert done.returncode == 0, done.stderr
    assert "TFTP" in done.stdout and SHA in done.stderr
    assert (bench.folder / "image").read_bytes() == IMAGE
    result = json.loads((bench.folder / "result.json").read_text())
    assert result["endpoint"] == {
        "kind": "serial",
        "runtime": result["endpoint"]["runtime"],
        "board": "rpi_pico_w",
        "mac": "28:cd:c1:00:00:01",
    }
    assert "MicroPython 1.26" in result["endpoint"]["runtime"]
    ports = [r["source_port"] for t in result["transfers"] for r in t["requests"]]
    assert ports == [2070, 2071]
    fields = ("-T", "fields", "-e", "ip.src", "-e", "udp.srcport", "-e", "tftp.opcode")
    shown = subprocess.run(
        [programs.find("tshark"), "-r", bench.folder / "boot.pcap", "-Y", "tftp", *fields],
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert shown[0] == f"{BOARD}\t2070\t1"
    assert any(line.startswith(SERVER) and line.endswith("\t3") for line in shown)
    assert repl_works(filled.port)


def test_fetch_on_a_board_gives_the_shape_of_every_endpoint(bench, desk, filled):
    words = ("fetch", desk.url("small.bin"), "--json", "-")
    done = bench(*words, "--endpoint", f"serial:{filled.port}")
    assert done.returncode == 0, done.stderr
    ours = json.loads(done.stdout)
    names = ["schema", "kind", "pxebench", "started", "server", "outcome", "status", "ended"]
    names += ["rom", "endpoint", "lease", "warnings"]
    assert list(ours) == [*names, "transfers", "image", "faults", "command", "events"]
    assert ours["image"]["sha256"] == hashlib.sha256(b"small").hexdigest()


def test_board_misbehaves_when_asked(bench, desk, filled):
    words = ("fetch", desk.url("image.bin"), "--json", "-", "--rom", "standard")
    done = bench(*words, "--endpoint", f"serial:{filled.port}", "--fault", "abort-at:2")
    assert done.returncode == 1, done.stderr
    ours = json.loads(done.stdout)
    assert (ours["ended"]["by"], ours["faults"]["asked"]) == ("fault", {"abort-at": 2})
    assert ours["transfers"][0]["error"] == {"code": 0, "message": "TFTP Aborted"}


@pytest.mark.parametrize("how", [(), ("--no-compile",)])
def test_what_a_deployment_leaves_on_the_pc_is_lent_to_a_board(bench, desk, board, how):
    """Sweeps, diagnoses and faults need modules that no boot does."""
    words = ("board", "deploy", "--port", board.port, "--config", config(bench.folder), *how)
    assert bench(*words).returncode == 0
    listed = mpremote(board.port, "fs", "ls", ":/lib/pxerom").stdout
    assert "agent." in listed
    assert not [name for name in ("rom_check", "port_probe", "faults") if name in listed]
    there = ("--endpoint", f"serial:{board.port}")
    there += ("--json", "-")
    asked = ("--server", SERVER, "--file", "small.bin", *there)
    done = bench("sweep", *asked, "--ports", "2070-2073")
    assert done.returncode == 0, done.stderr
    asks = json.loads(done.stdout)["ports"]
    assert [(ask["port"], ask["answer"]) for ask in asks if 2070 <= ask["port"] <= 2073] == [
        (port, "oack") for port in range(2070, 2074)
    ]
    done = bench("diagnose", *asked, timeout_s=90)
    verdict = json.loads(done.stdout)["verdict"]
    assert verdict["cause"] == "wrong-image", "five bytes come whole, and are no program"
    done = bench("fetch", desk.url("image.bin"), *there, "--fault", "double-ack")
    assert done.returncode == 0, done.stderr
    assert repl_works(board.port)


def test_rom_that_was_put_there_unchecked_says_what_to_do(bench, desk, board):
    assert bench("board", "deploy", "--port", board.port).returncode == 0
    unchecked = places.pxerom() / "roms" / "intel-undi.json"
    target = ":/lib/pxerom/roms/intel-undi.json"
    assert mpremote(board.port, "fs", "cp", unchecked, target).returncode == 0
    words = ("board", "run", desk.url("small.bin"), "--port", board.port)
    words += ("--config", config(bench.folder))
    complains(bench(*words), 2, "no checker", "pxebench board deploy --rom")
    assert _copied(bench("board", "deploy", "--port", board.port)) == [target[1:]]
    assert bench(*words).returncode == 0


def test_rom_in_a_config_is_checked_here_and_flat_there(bench, desk, board):
    rom = json.loads((places.pxerom() / "roms" / "standard.json").read_text("utf-8"))
    rom["udp"]["ttl"] = 1000
    words = ("board", "deploy", "--port", board.port, "--config")
    done = bench(*words, config(bench.folder, rom=rom))
    complains(done, 2, "udp.ttl", "1..255")
    rom["udp"]["ttl"] = 64
    assert bench(*words, config(bench.folder, rom=rom)).returncode == 0
    found = mpremote(board.port, "fs", "cat", ":/config.json").stdout
    assert json.loads(found)["rom"]["flat"] == rom_file.FLAT


def test_mounted_run_leaves_the_flash_alone(bench, desk, board):
    done = bench(
        *("fetch", desk.url("image.bin"), "--endpoint", f"serial:{board.port}", "--mount"),
        *("--config", config(bench.folder), "--out", "image", "--rom", "standard"),
    )
    assert done.returncode == 0, done.stderr
    assert (bench.folder / "image").read_bytes() == IMAGE
    assert mpremote(board.port, "exec", "import os; print(os.listdir('/'))").stdout.strip() == "[]"
    assert PASSWORD not in done.stdout + done.stderr


def test_job_from_a_file_may_keep_the_image_nowhere(bench, desk, filled):
    job = {"rom": "intel-undi", "server": SERVER, "file": "nosuch"}
    (bench.folder / "job.json").write_text(json.dumps(job))
    done = bench("board", "run", "job.json", "--port", filled.port)
    assert done.returncode == 1
    assert "PXE-E3B" in done.stdout and "PXE-T01: File not found" in done.stdout


def test_rom_that_is_not_on_the_board_goes_with_the_job(bench, desk, filled):
    done = bench(
        "board", "run", desk.url("small.bin"), "--port", filled.port, "--rom", "os-client"
    )
    assert done.returncode == 0, done.stderr


def test_link_that_does_not_come_up_is_a_boot_that_failed(bench, desk, filled):
    wrong = config(bench.folder, link={"ssid": "bench", "password": "wrong word"})
    done = bench("board", "run", desk.url("small.bin"), "--port", filled.port, "--config", wrong)
    assert done.returncode == 1
    assert "PXE-E61" in done.stdout and "refused the password" in done.stderr
    assert "wrong word" not in done.stdout + done.stderr


def test_settings_that_are_missing_are_named(bench, desk, board):
    done = bench("board", "run", desk.url("small.bin"), "--port", board.port, "--mount")
    complains(done, 2, "settings", "link.ssid")


def test_options_of_a_board_need_one(bench):
    for words in (("--mount",), ("--board", "rpi_pico_w"), ("--config", config(bench.folder))):
        done = bench("fetch", "tftp://127.0.0.1:9/x", *words)
        complains(done, 2, words[0], "--endpoint serial:PORT")


def test_bad_job_files_are_refused(bench):
    (bench.folder / "job.json").write_text('{"server": "10.0.0.1"}')
    complains(bench("board", "run", "job.json"), 2, "job.json", "file is missing")


# ---- test


@pytest.mark.slow
def test_whole_suite_passes_on_the_board(bench, board):
    """None failed, and none needs more memory than the pseudo-terminal board has."""
    done = bench("board", "test", "--json", "--port", board.port, timeout_s=300)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    lacking = [test["name"] for test in told["tests"] if test["outcome"] != "ok"]
    assert not lacking and told["counts"]["ok"] == len(told["tests"]) > 300, lacking


def test_core_suite_runs_on_the_board(bench, board):
    done = bench("board", "test", "test_tftp_packet", "--port", board.port)
    assert done.returncode == 0, done.stderr
    assert "9 passed, 0 failed on Raspberry Pi Pico W" in done.stdout
    assert mpremote(board.port, "exec", "import os; print(os.listdir('/'))").stdout.strip() == "[]"
    complains(bench("board", "test", "nosuch", "--port", board.port), 2, "test_tftp_packet")
