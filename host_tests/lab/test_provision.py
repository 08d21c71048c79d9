"""`make setup` without apt: the system's programs are used, and found again each time."""

import os
from pathlib import Path

from provisioning import apt, folder, micropython

from host_tests.lab import programs


def test_system_without_apt_never_wraps_the_wrapper_of_the_last_time(monkeypatch, tmp_path):
    """Such a wrapper started itself for ever; `make` has .tools/bin first on PATH."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "micropython").symlink_to(programs.find("micropython"))
    made = tmp_path / "bin"
    monkeypatch.setattr(folder, "TOOLS", tmp_path)
    monkeypatch.setattr(folder, "BIN", made)
    monkeypatch.setattr(apt, "has_apt", lambda: False)
    monkeypatch.setenv("PATH", os.pathsep.join([str(made), str(own), os.environ["PATH"]]))
    for _ in range(2):
        assert str(own / "micropython") in micropython.provide_micropython()
        assert str(own / "micropython") in Path(made / "micropython").read_text()
