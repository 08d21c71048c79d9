#!/usr/bin/env python3
"""Put what pxerom is run and tested with into .venv and .tools: no root, no change to the system.

Python packages come from pip; everything else comes out of Debian packages that apt fetches and
checks, and that are unpacked here instead of installed. It leaves to others: choosing a program
at run time (PATH, `.tools/bin` first), and what the tests do with it. Needs Python 3.9 and, for
all but `python` and `lint`, a system with apt.

Rules
1. apt works with lists, cache and state of its own, under .tools; it is told of the system's
   packages, never given them to change. Proxies and mirrors are the ones the machine has.
2. Only the distribution's own archive is asked, and its keyring decides what is genuine.
3. A step builds beside its place and is renamed into it; its stamp is written last. An
   interrupted run leaves nothing that looks finished.
4. A wrapper in .tools/bin ends in `exec`, so that the pid a test sees is the program's own.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
TOOLS = HERE / ".tools"
BIN = TOOLS / "bin"
VENV = HERE / ".venv"

# Debian suites beside the machine's own that carry MicroPython, and the versions expected there.
MICROPYTHON_SUITES = {"debian": {"trixie": "1.25", "sid": "1.26"}}

# program, its package, how to ask for its version, and what the answer must contain: a busybox
# or a curl without TFTP, or another `tftp` than tftp-hpa's, is as good as none.
PROGRAMS = (
    ("in.tftpd", "tftpd-hpa", ["-V"], "tftp-hpa"),
    ("tftp", "tftp-hpa", ["-V"], "tftp-hpa"),
    ("dnsmasq", "dnsmasq-base", ["--version"], " TFTP"),
    ("kea-dhcp4", "kea-dhcp4-server", ["-W"], "Kea"),
    ("busybox", "busybox", ["--list"], "\ntftp\n"),
    ("curl", "curl", ["--version"], " tftp"),
    ("nft", "nftables", ["--version"], "nftables"),
    ("ip", "iproute2", ["-V"], "iproute2"),
    ("ss", "iproute2", ["-V"], "iproute2"),
    ("conntrack", "conntrack", ["--version"], "conntrack"),
    ("tshark", "tshark", ["--version"], "TShark"),
    ("tcpdump", "tcpdump", ["--version"], "tcpdump"),
    ("atftpd", "atftpd", ["--version"], "atftp"),
    ("atftp", "atftp", ["--version"], "atftp"),
)
# tftpd-hpa and atftpd refuse to be installed together, so apt is asked for each alone.
APART = ("atftpd", "atftp")

# One folder each: the two sets of stubs contradict each other.
STUBS = {
    "rp2": "micropython-rp2-stubs==1.29.0.post1",
    "esp32": "micropython-esp32-stubs==1.29.0.post1",
}

APT_CONF = """\
// Whatever hooks and extra indexes the machine has are for the machine's own use of apt.
#clear APT::Update;
#clear APT::Architectures;
#clear DPkg::Post-Invoke;
#clear Acquire::IndexTargets;
Acquire::IndexTargets::deb::Packages {
  MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages"; flatMetaKey "Packages";
  ShortDescription "Packages"; Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Packages";
  flatDescription "$(RELEASE) Packages"; Optional "false";
};
Acquire::Retries "3";
APT::Architectures { "@ARCH@"; };
APT::Install-Recommends "false";
// No second user for downloads: it could not write into this folder.
APT::Sandbox::User "root";
Dir::Cache "@APT@/cache";
Dir::State "@APT@/state";
Dir::State::lists "@APT@/lists";
Dir::State::status "@APT@/state/status";
Dir::Etc::sourcelist "@APT@/sources.list";
Dir::Etc::sourceparts "@APT@/none";
Dir::Etc::preferences "@APT@/none/preferences";
Dir::Etc::preferencesparts "@APT@/none";
"""


class Failure(Exception):
    """What went wrong and what to do about it, in one sentence for the user."""


def run(argv, failure, **more):
    """Run argv quietly and return its stdout; if it fails, its errors follow `failure`."""
    env = dict(os.environ, LC_ALL="C", **more)
    try:
        done = subprocess.run(
            [str(arg) for arg in argv],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=env,
        )
    except OSError as error:
        raise Failure(f"{failure}: {argv[0]}: {error.strerror}") from error
    if done.returncode:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines()]
        errors = [line for line in said if re.match("E:|ERROR|Error", line)]
        raise Failure("\n    ".join([f"{failure}:", *(errors[:4] or said[-4:])]))
    return done.stdout


# -- stamps: what is done, and from which recipe --------------------------------------------------


def stamp_path(step):
    return TOOLS / "stamps" / step


def digest_of(*recipe):
    # The folder is part of every recipe: a venv and a wrapper hold absolute paths.
    own = Path(__file__).read_bytes()
    return hashlib.sha256(repr((str(HERE), own, recipe)).encode()).hexdigest()


def is_done(step, digest, *products):
    stamp = stamp_path(step)
    return stamp.is_file() and stamp.read_text() == digest and all(p.exists() for p in products)


def set_done(step, digest):
    stamp_path(step).parent.mkdir(parents=True, exist_ok=True)
    stamp_path(step).write_text(digest)


def put_in_place(new, place):
    """Rename the folder `new` to `place`; whatever stood there is gone afterwards."""
    place.parent.mkdir(parents=True, exist_ok=True)
    old = place.with_name(place.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def write_wrapper(name, argv, **environment):
    """Make .tools/bin/NAME, which execs argv with the caller's arguments behind it."""
    lines = ["#!/bin/sh", "# Made by tools/provision.py."]
    lines += [f"export {key}={shlex.quote(value)}" for key, value in environment.items()]
    lines += ["exec " + " ".join(shlex.quote(str(arg)) for arg in argv) + ' "$@"', ""]
    BIN.mkdir(parents=True, exist_ok=True)
    new = BIN / f".{name}.new"
    new.write_text("\n".join(lines))
    new.chmod(0o755)
    new.rename(BIN / name)


def megabytes(*folders):
    files = (f for folder in folders for f in folder.rglob("*") if not f.is_symlink())
    return f"{sum(f.stat().st_size for f in files if f.is_file()) / 1e6:.0f} MB"


# -- the machine's apt, at arm's length -----------------------------------------------------------


def os_release():
    with contextlib.suppress(OSError):
        text = Path("/etc/os-release").read_text()
        return dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.M))
    return {}


def has_apt():
    return all(shutil.which(program) for program in ("apt-get", "dpkg", "dpkg-deb"))


def read_sources():
    """Return (uri, suite, components) for every binary source the machine names.

    The files themselves are read (one-line and deb822), because `apt-get indextargets` knows
    nothing before the machine's first `apt-get update`.
    """
    etc = Path("/etc/apt")
    found = []
    for path in [etc / "sources.list", *sorted(etc.glob("sources.list.d/*.list"))]:
        for line in path.read_text().splitlines() if path.is_file() else ():
            # deb [signed-by=...] http://mirror/debian bookworm main contrib
            match = re.match(r"\s*deb\s+(?:\[[^\]]*\]\s*)?(\S+)\s+(\S+)\s+([^#\n]*)", line)
            if match:
                found.append((match[1], match[2], match[3].split()))
    for path in sorted(etc.glob("sources.list.d/*.sources")):
        text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.M)
        for stanza in re.split(r"\n\s*\n", text):
            fields = {
                key.lower(): value.split()
                for key, value in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.M)
            }
            if "deb" in fields.get("types", ()) and fields.get("enabled") != ["no"]:
                found += [
                    (uri, suite, fields.get("components", []))
                    for uri in fields.get("uris", ())
                    for suite in fields.get("suites", ())
                ]
    return [source for source in found if not source[0].startswith("cdrom:")]


def own_sources():
    """Return the machine's sources that are its distribution's, by the suites' names."""
    codename = os_release().get("VERSION_CODENAME", "")
    rolling = ("stable", "oldstable", "testing", "unstable", "sid")
    sources = [s for s in read_sources() if "main" in s[2]]
    for names in ((codename,), rolling):
        suites = {n + tail for n in names for tail in ("", "-updates", "-security", "/updates")}
        own = [s for s in sources if s[1] in suites]
        if own:
            return own
    raise Failure(
        f"no source for {codename or 'this system'} in /etc/apt/sources.list or sources.list.d: "
        "add the distribution's mirror there"
    )


def archive_of(suite):
    """Return the source of another suite at the mirror that the machine's own suite comes from."""
    plain = [s for s in own_sources() if not re.search("security|updates", s[1] + s[0])]
    if not plain:
        raise Failure("the machine's apt sources name no mirror of the main archive")
    return [(plain[0][0], suite, ["main"])]


class Apt:
    """apt with lists, cache and state of its own in `folder`, asking `sources`.

    installed: the text of a dpkg status file; what it lists is not fetched again.
    """

    def __init__(self, folder, sources, installed):
        self.folder = folder
        arch = run(["dpkg", "--print-architecture"], "dpkg does not tell the architecture").strip()
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("cache/archives/partial", "lists/partial", "state", "none"):
            (folder / name).mkdir(parents=True)
        (folder / "state/status").write_text(installed)
        self.conf = folder / "apt.conf"
        self.conf.write_text(APT_CONF.replace("@APT@", str(folder)).replace("@ARCH@", arch))
        # Without such a file apt falls back on the keys that the machine trusts already.
        stem = f"/usr/share/keyrings/{os_release().get('ID')}-archive-keyring"
        keyrings = [stem + end for end in (".gpg", ".pgp") if os.path.exists(stem + end)]
        signed = f"[signed-by={keyrings[0]}] " if keyrings else ""
        lines = [f"deb {signed}{uri} {suite} {' '.join(c)}\n" for uri, suite, c in sources]
        (folder / "sources.list").write_text("".join(lines))
        suites = " ".join(sorted({suite for _, suite, _ in sources}))
        failure = f"apt could not get the package lists of {suites}"
        try:
            self.get("-o", "APT::Update::Error-Mode=any", "update", failure=failure)
        except Failure:
            # One source that cannot be had matters only if a package is then missing.
            if not any((folder / "lists").glob("*Packages*")):
                raise

    def get(self, *arguments, failure):
        argv = ["apt-get", "-c", self.conf, "-y", "-q", *arguments]
        return run(argv, failure, DEBIAN_FRONTEND="noninteractive")

    def fetch(self, packages):
        """Return the .deb files of `packages` and of what they need and is not installed."""
        archives = self.folder / "cache/archives"
        shutil.rmtree(archives)
        (archives / "partial").mkdir(parents=True)
        names = " ".join(packages)
        self.get(
            "install",
            "--download-only",
            "--reinstall",
            *packages,
            failure=f"apt could not fetch {names}",
        )
        return sorted(archives.glob("*.deb"))


def unpack(debs, root):
    root.mkdir(parents=True, exist_ok=True)
    for deb in debs:
        run(["dpkg-deb", "-x", deb, root], f"{deb.name} could not be unpacked")


def library_path(root):
    """Return the private library folders of `root`, whatever the architecture calls them."""
    patterns = ("lib", "usr/lib", "lib/*-linux-*", "usr/lib/*-linux-*")
    folders = [folder for pattern in patterns for folder in root.glob(pattern)]
    return ":".join(str(f) for f in folders if f.is_dir())


def find_program(root, name):
    for folder in ("usr/sbin", "usr/bin", "sbin", "bin"):
        if (root / folder / name).is_file():
            return root / folder / name
    raise Failure(f"the packages fetched hold no program {name}")


# -- the steps: each returns what it made, in one line, or None when there was nothing to do ------


def provide_python(step="python", extra="test"):
    """.venv with the pxebench command, editable, and the packages of pyproject.toml."""
    pyproject = (HERE / "pyproject.toml").read_text()
    digest = digest_of(step, pyproject, sys.version)
    python = VENV / "bin/python"
    if is_done(step, digest, python, VENV / "bin/pxebench"):
        return None
    if sys.version_info < (3, 10):
        mine = ".".join(map(str, sys.version_info[:2]))
        raise Failure(f"Python 3.10 or newer is needed, this is {mine}: make setup PYTHON=...")
    if not works(VENV):
        make_venv(python)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    run([*pip, "pip>=22"], "pip could not be brought up to date")
    run([*pip, "-e", f"{HERE}[{extra}]"], "pip could not install the packages of pyproject.toml")
    count = len(list(VENV.glob("lib/python*/site-packages/*.dist-info")))
    set_done(step, digest)
    version = ".".join(map(str, sys.version_info[:3]))
    return f"CPython {version} and {count} packages in .venv, {megabytes(VENV)}"


def works(venv):
    code = "import sys, pip; print(sys.prefix, *sys.version_info[:2])"
    with contextlib.suppress(Failure):
        said = run([venv / "bin/python", "-c", code], "")
        return said.split() == [str(venv), *map(str, sys.version_info[:2])]
    return False


def make_venv(python):
    venv = [sys.executable, "-m", "venv", "--clear"]
    failure = "Python could not make .venv"
    try:
        run([*venv, VENV], failure)
    except Failure:
        # Debian keeps what venv needs in a package of its own; its pip can be had without it.
        if not has_apt():
            raise
        run([*venv, "--without-pip", VENV], failure)
        wheels = TOOLS / "apt/pip"
        unpack(own_apt().fetch(["python3-pip-whl"]), wheels)
        wheel = next(wheels.rglob("pip-*.whl"))
        run([python, wheel / "pip", "install", "-q", "--no-index", wheel], "pip did not install")


def provide_lint():
    """ruff, basedpyright, and the stubs of each port in .tools/typings/PORT."""
    digest = digest_of("stubs", STUBS)
    made = provide_python("lint", "test,lint")
    if is_done("stubs", digest, *(TOOLS / "typings" / port for port in STUBS)):
        return made
    for port, requirement in STUBS.items():
        new = TOOLS / "typings" / f"{port}.new"
        shutil.rmtree(new, ignore_errors=True)
        pip = [VENV / "bin/python", "-m", "pip", "--disable-pip-version-check", "-q", "install"]
        run([*pip, "--target", new, requirement], f"pip could not install {requirement}")
        put_in_place(new, TOOLS / "typings" / port)
    set_done("stubs", digest)
    return f"ruff and basedpyright in .venv, stubs of {', '.join(STUBS)} in .tools/typings"


def provide_micropython():
    """MicroPython's unix port in each version that Debian has, with C libraries of its own."""
    digest = digest_of("micropython")
    if is_done("micropython", digest, BIN / "micropython"):
        return None
    if not has_apt():
        path = shutil.which("micropython")
        if not path:
            raise Failure("no apt here and no micropython on PATH: build or install its unix port")
        version = micropython_version([path])
        write_wrapper(f"micropython-{version[0]}.{version[1]}", [path])
        write_wrapper("micropython", [path])
        return f"MicroPython {'.'.join(map(str, version))} is {path}"
    release = os_release()
    suites = MICROPYTHON_SUITES.get(release.get("ID"), {release.get("VERSION_CODENAME"): ""})
    found = {}
    for suite, expected in suites.items():
        # The system's own libraries are too old for these: all of them come along, libc included.
        apt = Apt(TOOLS / "apt" / suite, archive_of(suite), installed="")
        new = TOOLS / "micropython" / f"{suite}.new"
        shutil.rmtree(new, ignore_errors=True)
        unpack(apt.fetch(["micropython"]), new)
        version = micropython_version(micropython_argv(new))
        name = f"{version[0]}.{version[1]}"
        if expected and name != expected:
            print(f"micropython: {suite} has {name} now, not {expected}; taken as it is")
        put_in_place(new, TOOLS / "micropython" / name)
        write_wrapper(f"micropython-{name}", micropython_argv(TOOLS / "micropython" / name))
        found[version] = name
    newest = BIN / ".micropython.new"
    newest.unlink(missing_ok=True)
    newest.symlink_to(f"micropython-{found[max(found)]}")
    newest.rename(BIN / "micropython")
    run([BIN / "micropython", "-c", ""], "micropython does not start")
    set_done("micropython", digest)
    versions = ", ".join(".".join(map(str, version)) for version in sorted(found))
    return f"MicroPython {versions} in .tools/micropython, {megabytes(TOOLS / 'micropython')}"


def micropython_argv(root):
    """Return how to start the MicroPython in `root` with the dynamic loader of the same folder."""
    program = find_program(root, "micropython")
    # The ELF file names its loader (PT_INTERP), and with it the architecture's own spelling.
    name = re.search(rb"/lib[\w/]*/(ld[\w.-]+)\0", program.read_bytes())
    if not name:
        return [program]  # linked statically: it needs none
    real = [f for f in root.rglob(name[1].decode()) if f.is_file() and not f.is_symlink()]
    if not real:
        raise Failure(f"the packages fetched hold no {name[1].decode()} to start micropython with")
    # Through a link of that name, `ps` and `ss` show micropython and not the loader.
    link = root / "micropython"
    if not link.is_symlink():
        link.symlink_to(real[0].relative_to(root))
    return [link, "--library-path", library_path(root), program]


def micropython_version(argv):
    code = "import sys; print(*sys.implementation[:2])"
    said = run([*argv, "-c", code], "micropython does not start")
    match = re.fullmatch(r"micropython \((\d+), (\d+), (\d+).*\)\n", said)
    if not match:
        raise Failure(f"micropython does not tell its version: {said.strip()!r}")
    return tuple(map(int, match.groups()))


def system_program(name, arguments, expected):
    """Return where the system has a `name` that says what is expected, or None."""
    others = os.environ.get("PATH", "").split(":") + ["/usr/sbin", "/sbin"]
    path = shutil.which(name, path=":".join(p for p in others if Path(p) != BIN))
    return path if path and expected in answer([path, *arguments]) else None


def answer(argv):
    try:
        done = subprocess.run(
            [str(arg) for arg in argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")


_own_apt = []


def own_apt():
    """Return the one Apt of this run that asks the machine's own suite."""
    if not _own_apt:
        status = Path("/var/lib/dpkg/status").read_text(errors="replace")
        _own_apt.append(Apt(TOOLS / "apt" / "own", own_sources(), status))
    return _own_apt[0]


def provide_servers():
    """TFTP servers and clients, nft, tshark and the rest that the tests start."""
    missing = [row for row in PROGRAMS if not system_program(row[0], *row[2:])]
    digest = digest_of("servers", missing)
    if is_done("servers", digest, *(BIN / row[0] for row in missing)):
        return None
    names = [row[0] for row in missing]
    if missing and not has_apt():
        return f"no apt here: for the tests, install {', '.join(names)} yourself"
    new, root = TOOLS / "root.new", TOOLS / "root"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    packages = list(dict.fromkeys(row[1] for row in missing))
    # The atftp packages first: atftpd brings an in.tftpd of its own, which must not stay.
    groups = [p for p in packages if p in APART], [p for p in packages if p not in APART]
    for group in filter(None, groups):
        # A libc must be of one build with the loader, and the loader stays the system's.
        debs = [deb for deb in own_apt().fetch(group) if not deb.name.startswith("libc6_")]
        unpack(debs, new)
    put_in_place(new, root)
    data = {"LD_LIBRARY_PATH": library_path(root)} if library_path(root) else {}
    wireshark = {
        "WIRESHARK_DATA_DIR": str(root / "usr/share/wireshark"),
        "WIRESHARK_PLUGIN_DIR": str(root / "usr/lib/wireshark/none"),
        "WIRESHARK_EXTCAP_DIR": str(root / "usr/lib/wireshark/none"),
    }
    for row in PROGRAMS:
        (BIN / row[0]).unlink(missing_ok=True)  # from an earlier run: the system has it by now
    for name, package, arguments, expected in missing:
        more = wireshark if name == "tshark" else {}
        write_wrapper(name, [find_program(root, name)], **data, **more)
        said = answer([BIN / name, *arguments])
        if expected not in said:
            said = said.strip().partition("\n")[0]
            raise Failure(f"{name} of the package {package} is not fit for the tests: {said!r}")
    set_done("servers", digest)
    if not missing:
        return "all of them are on this system already"
    return f"{', '.join(names)} in .tools/bin, {megabytes(root)}"


def provide_ipxe():
    """The distribution's iPXE images, in .tools/ipxe."""
    digest = digest_of("ipxe")
    images = TOOLS / "ipxe"
    if is_done("ipxe", digest, images / "undionly.kpxe"):
        return None
    root = Path("/")
    if has_apt():
        root = TOOLS / "apt/ipxe"
        unpack(own_apt().fetch(["ipxe"]), root)
    # Some of Debian's images are links to /boot, which is another place here: real files only.
    patterns = ("usr/lib/ipxe/*", "usr/share/ipxe/*", "boot/ipxe*")
    files = [f for p in patterns for f in root.glob(p) if f.is_file() and not f.is_symlink()]
    if "undionly.kpxe" not in [f.name for f in files]:
        raise Failure("no undionly.kpxe to be had: get an iPXE image and give it as IMAGE=path")
    ready = TOOLS / "ipxe.new"
    shutil.rmtree(ready, ignore_errors=True)
    ready.mkdir()
    for file in files:
        shutil.copy(file, ready)
    put_in_place(ready, images)
    set_done("ipxe", digest)
    return f"{len(list(images.iterdir()))} iPXE images in .tools/ipxe, {megabytes(images)}"


STEPS = {
    "python": provide_python,
    "micropython": provide_micropython,
    "servers": provide_servers,
    "ipxe": provide_ipxe,
    "lint": provide_lint,
}


def main():
    parser = argparse.ArgumentParser(
        description="Put what pxerom is run and tested with into .venv and .tools.",
        epilog="; ".join(f"{name}: {step.__doc__.rstrip('.')}" for name, step in STEPS.items()),
    )
    parser.add_argument("step", nargs="+", choices=[*STEPS, "all"], help="all: all but lint")
    wanted = parser.parse_args().step
    if "all" in wanted:
        wanted = [name for name in STEPS if name != "lint" or name in wanted]
        if os.environ.get("IMAGE"):
            wanted.remove("ipxe")
    TOOLS.mkdir(exist_ok=True)
    step = "lock"
    try:
        with open(TOOLS / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second `make` waits for the first
            idle = True
            for step in wanted:
                started = time.monotonic()
                made = STEPS[step]()
                if made:
                    idle = False
                    print(f"{step}: {made} ({time.monotonic() - started:.0f} s)", flush=True)
            if idle and wanted != ["lint"]:
                print("setup: everything is in place")
    except Failure as failure:
        print(f"provision: {step}: {failure}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(TOOLS / "apt", ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
