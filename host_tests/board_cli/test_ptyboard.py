"""The pseudo-terminal board is a board for mpremote: its own commands work against it."""

import hashlib

import pytest

from host_tests.board_cli.conftest import mpremote, repl_works


@pytest.fixture(scope="module")
def plugged(desk):
    with desk.board() as board:
        yield board


def _said(done):
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout.strip()


def test_exec_and_eval_run_on_real_micropython(plugged):
    code = "import sys, os; print(sys.implementation.name, sys.platform, os.uname()[4])"
    assert _said(mpremote(plugged.port, "exec", code)) == (
        "micropython rp2 Raspberry Pi Pico W with RP2040"
    )
    assert _said(mpremote(plugged.port, "eval", "2**70")) == str(2**70)


def test_globals_live_until_a_soft_reset(plugged):
    mpremote(plugged.port, "exec", "left = 7")
    assert _said(mpremote(plugged.port, "resume", "eval", "left")) == "7"
    _said(mpremote(plugged.port, "soft-reset"))
    assert _said(mpremote(plugged.port, "resume", "eval", "'left' in globals()")) == "False"


def test_files_are_copied_listed_and_hashed(plugged, tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(bytes(range(256)) * 20)
    _said(mpremote(plugged.port, "fs", "cp", path, ":file.bin"))
    assert "5120 file.bin" in _said(mpremote(plugged.port, "fs", "ls"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest in _said(mpremote(plugged.port, "fs", "sha256sum", ":file.bin"))
    back = tmp_path / "back.bin"
    _said(mpremote(plugged.port, "fs", "cp", ":file.bin", back))
    assert back.read_bytes() == path.read_bytes()


def test_traceback_of_a_script_is_the_boards(plugged, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("print('before')\n1 / 0\n")
    done = mpremote(plugged.port, "run", script)
    assert "before" in done.stdout
    assert 'File "<stdin>", line 2' in done.stdout + done.stderr
    assert "on_board" not in done.stdout + done.stderr


def test_mounted_folder_is_read_and_written(plugged, tmp_path):
    (tmp_path / "there.py").write_text("print('from the PC')\n")
    code = "import there; f = open('new', 'wb'); f.write(bytes(range(256))); f.close()"
    assert "from the PC" in _said(mpremote(plugged.port, "mount", tmp_path, "exec", code))
    assert (tmp_path / "new").read_bytes() == bytes(range(256))


def test_full_flash_is_full(desk):
    with desk.board(flash=65536) as small:
        code = "f = open('x', 'wb')\nwhile True: f.write(bytes(4096))"
        done = mpremote(small.port, "exec", code)
        assert "OSError: 28" in done.stderr + done.stdout
        assert repl_works(small.port)


def test_program_of_a_board_is_interrupted(desk):
    with desk.board() as board:
        _said(mpremote(board.port, "exec", "f = open('main.py', 'w'); f.write('while 1: pass')"))
        mpremote(board.port, "exec", "f.close()")
        board.reset()
        assert repl_works(board.port)


@pytest.mark.parametrize("version", ["1.25", "1.26"])
def test_both_versions_are_boards(desk, version):
    with desk.board(version=version) as board:
        code = "import sys; print(sys.version_info, sys.implementation.version)"
        assert version.replace(".", ", ") in _said(mpremote(board.port, "exec", code))


def test_number_of_an_unplugged_port_is_given_to_no_other_board(desk):
    """A ser2net that still asked for it took bytes of another test's board."""
    with desk.board() as pulled:
        pulled.unplug()
        with desk.board() as other:
            assert other.port != pulled.port
