"""Real fetches: `pxebench` as a process, against a scripted server, on both interpreters."""

import json
import os
from pathlib import Path

import pytest
from pxerom import rom_check

from host_tests.bench_cli.conftest import Bench
from host_tests.fuzz.adversary import CONTENT
from host_tests.fuzz.verdicts import check_status

# ROMs have fixed source ports: an address of its own keeps a test run out of another's way.
ADDRESS = f"127.{192 + os.getpid() % 60}.{os.getpid() // 60 % 250 + 1}.1"
OLD = b"what was there before"


class Fetch:
    """`fetch(url, ...)` into a file that exists; what must hold of every end is checked here."""

    def __init__(self, folder, endpoint):
        self.folder = Path(folder)
        self.endpoint = endpoint
        self._bench = Bench(folder)
        self._out = self.folder / "out.bin"

    def rom(self, name, **changes):
        """A ROM file like `name` that gives up after 0.6 s; `changes` go into `tftp`."""
        rom = rom_check.read(name)
        for phase in rom["tftp"]["retry"].values():
            phase["waits_ms"] = [200, 200, 200]
        rom["tftp"]["dally_ms"] = 0
        rom["tftp"].update(changes)
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(rom))
        return str(path)

    def __call__(self, url, rom, content, *words, timeout_s=30):
        """The result. `content`: what the file must then be, if the boot says that it is one."""
        told = self.folder / "result.json"
        self._out.write_bytes(OLD)
        run = self._bench(
            *("fetch", url, "--rom", rom, "--endpoint", self.endpoint, "--bind", ADDRESS),
            *("--out", self._out, "--json", told),
            *words,
            timeout_s=timeout_s,
        )
        result = json.loads(told.read_text())
        assert sorted(os.listdir(self.folder)) == sorted(
            {"out.bin", "result.json", *(p.name for p in self.folder.glob("*.json"))}
        ), "something was left behind"
        said = run.stdout + run.stderr
        assert all(" " <= letter <= "~" or letter in "\r\n" for letter in said), repr(said)
        if result["outcome"] == "ok":
            assert run.returncode == 0, run.stderr
            assert result["status"] is None
            assert self._out.read_bytes() == content
        else:
            assert run.returncode == 1, run.stderr
            assert self._out.read_bytes() == OLD
            check_status(result["status"])
            assert result["status"]["code"] in said
        return result


@pytest.fixture(params=["local", "micropython"])
def fetch(request, tmp_path):
    return Fetch(tmp_path, request.param)


@pytest.fixture(scope="session")
def content():
    return CONTENT[:5000]
