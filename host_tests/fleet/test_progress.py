"""What a fleet shows while it works, and the files that it writes: without a rack or a clock."""

import io
from types import SimpleNamespace

import pytest
from pxebench.fleet import members
from pxebench.fleet.files import Files
from pxebench.fleet.progress import Progress
from pxebench.job import RESULT, Refused, fetch_job, flat, load_rom


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def _board(name, state, text=None):
    over = state in ("booted", "lost", "dead")
    return SimpleNamespace(place=SimpleNamespace(name=name), state=state, text=text, over=over)


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return SimpleNamespace(now=0.0)


def _progress(clock, stream=None, **more):
    stream = stream or _Terminal()
    made = Progress(False, stream=stream, now=lambda: clock.now, **more)
    return made, lambda: stream.getvalue().rpartition("\r\x1b[K")[2]


def test_the_line_counts_the_boards_and_names_those_that_are_waited_for(clock):
    progress, shown = _progress(clock, max_time_ms=300000)
    crew = [_board("board00", "preparing"), _board("board01", "preparing")]
    for one in crew:
        progress.change(one, "preparing")
    progress.look(crew)
    assert shown() == "2 preparing; Ctrl-C says what is known"
    crew[0].state = "ready"
    progress.change(crew[0], "ready")
    clock.now = 7.0
    progress.look(crew)
    assert shown() == "1 ready, 1 preparing; 7 s for board01; Ctrl-C says what is known"
    for one in crew:
        one.state = "running"
        progress.change(one, "running")
    clock.now = 27.0
    progress.look(crew)
    told = "2 running; 20 s for board00, board01, --max-time ends it in 4m40s; Ctrl-C"
    assert shown().startswith(told)
    for one in crew:
        one.over = True
    progress.look(crew)
    assert shown() == ""


def test_each_step_of_each_board_is_a_line_with_v_and_none_without(clock):
    stream = io.StringIO()  # no terminal: the lines come all the same
    progress, _ = _progress(clock, stream, verbose=True)
    progress.change(_board("board00", "preparing"), "preparing")
    clock.now = 1.25
    gone = _board("board00", "lost", "The board on board00 is gone.")
    progress.change(gone, "lost")
    progress.look([gone])
    told = ["+0.000  board00  preparing", "+1.250  board00  lost, The board on board00 is gone."]
    assert stream.getvalue().splitlines() == told
    stream = io.StringIO()
    progress, _ = _progress(clock, stream)
    progress.change(gone, "lost")
    assert stream.getvalue() == ""


def test_each_board_has_files_of_its_own_whatever_its_places_name(tmp_path):
    files = Files(str(tmp_path / "images"), str(tmp_path / "packets"), flat(load_rom("standard")))
    todo = fetch_job("standard", "10.0.0.1", 69, "f")
    job = files.job(todo, "rack1/board 00")
    path = tmp_path / "images" / "rack1%2Fboard 00"
    assert job["sink"] == {"kind": "file", "path": str(path)} and job["trace"] is True
    assert todo["sink"] == {"kind": "null"} and not todo["trace"]  # the next board's is untouched
    capture = files.capture()
    capture.event({"event": "start", "ip": "10.0.0.9", "epoch_us": 5})
    files.keep("rack1/board 00", capture)
    assert (tmp_path / "packets" / "rack1%2Fboard 00.pcap").stat().st_size == 24
    assert files.captures == 1 and files.troubles == []
    (tmp_path / "packets" / "full.pcap").mkdir()
    files.keep("full", capture)
    assert files.troubles[0].endswith("full.pcap for --pcap: Is a directory.")


def test_a_full_disk_is_no_lost_board(tmp_path, monkeypatch):
    """What the board fetched could not be written here: it booted all the same."""

    class _Job:
        listener = SimpleNamespace(result={**RESULT, "outcome": "ok"}, start={}, refused=None)
        witness = SimpleNamespace(start={"ip": "10.0.0.9"})

        def run(self):
            raise Refused("Cannot write image: No space left on device.", 3)

    monkeypatch.setattr(members.serial, "prepared", lambda *_, **__: _Job())
    files = Files(str(tmp_path))
    work = members.boot(fetch_job("standard", "10.0.0.1", 69, "f"), files=files)
    crew = members.Fleet([], work)
    member = members.Member(SimpleNamespace(name="board00"), crew)
    member.kept.start()
    assert work(member, None) == "booted"
    assert files.troubles == ["Cannot write image: No space left on device."]


@pytest.mark.parametrize("option", ["out", "pcap"])
def test_what_is_no_folder_is_refused_before_a_place_is_taken(tmp_path, option):
    (tmp_path / "file").write_text("")
    for wrong, words in (
        ("-", "takes a folder: there is a file for each board"),
        (str(tmp_path / "file"), "File exists"),
        (str(tmp_path / "no" / "deeper"), "No such file or directory"),
    ):
        with pytest.raises(Refused, match=words):
            Files(**{option: wrong})
