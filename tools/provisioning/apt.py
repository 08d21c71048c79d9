"""The machine's apt, used to fetch and unpack packages, never to install them.

apt works with lists, cache and state of its own, under .tools; it reads a copy of the system's
package status and changes nothing. Proxies and mirrors are the machine's. Only the distribution's
own archive is used, and its keyring checks the signatures.
"""

import contextlib
import os
import re
import shutil
from pathlib import Path

from provisioning.folder import TOOLS, Failure, run

APT_CONF = """\
// The machine's own hooks and extra indexes are left out.
#clear APT::Update;
#clear APT::Architectures;
#clear DPkg::Post-Invoke;
#clear Acquire::IndexTargets;
Acquire::IndexTargets::deb::Packages {
  MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages"; flatMetaKey "Packages";
  ShortDescription "Packages"; Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Packages";
  flatDescription "$(RELEASE) Packages"; Optional "false";
};
Acquire::IndexTargets::deb-src::Sources {
  MetaKey "$(COMPONENT)/source/Sources"; flatMetaKey "Sources";
  ShortDescription "Sources"; Description "$(RELEASE)/$(COMPONENT) Sources";
  flatDescription "$(RELEASE) Sources"; Optional "false";
};
Acquire::Retries "3";
APT::Architecture "@ARCH@";
APT::Architectures { "@ARCH@"; };
APT::Install-Recommends "false";
// No other user for downloads: it could not write into this folder.
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


def os_release():
    with contextlib.suppress(OSError):
        text = Path("/etc/os-release").read_text()
        return dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.M))
    return {}


def has_apt():
    return all(shutil.which(program) for program in ("apt-get", "dpkg", "dpkg-deb"))


def architecture():
    """Return the machine's architecture in dpkg's words: amd64, arm64, ..."""
    return run(["dpkg", "--print-architecture"], "dpkg does not tell the architecture").strip()


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

    installed: the text of a dpkg status file; what it lists is not fetched again. arch: of the
    packages, else the machine's own. kinds: "deb" for packages, "deb-src" for source packages;
    each has a list of its own to fetch, of several megabytes.
    """

    def __init__(self, folder, sources, installed, arch=None, kinds=("deb",)):
        self.folder = folder
        arch = arch or architecture()
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("cache/archives/partial", "lists/partial", "state", "none"):
            (folder / name).mkdir(parents=True)
        (folder / "state/status").write_text(installed)
        self.conf = folder / "apt.conf"
        self.conf.write_text(APT_CONF.replace("@APT@", str(folder)).replace("@ARCH@", arch))
        # Without such a file apt uses the keys that the machine trusts already.
        stem = f"/usr/share/keyrings/{os_release().get('ID')}-archive-keyring"
        keyrings = [stem + end for end in (".gpg", ".pgp") if os.path.exists(stem + end)]
        signed = f"[signed-by={keyrings[0]}] " if keyrings else ""
        lines = [
            f"{kind} {signed}{uri} {suite} {' '.join(components)}\n"
            for kind in kinds
            for uri, suite, components in sources
        ]
        (folder / "sources.list").write_text("".join(lines))
        suites = " ".join(sorted({suite for _, suite, _ in sources}))
        failure = f"apt could not get the package lists of {suites}"
        try:
            self.get("-o", "APT::Update::Error-Mode=any", "update", failure=failure)
        except Failure:
            # An unreachable source matters only if a package is then missing.
            if not [*(folder / "lists").glob("*Packages*"), *(folder / "lists").glob("*Sources*")]:
                raise

    def get(self, *arguments, failure, cwd=None):
        argv = ["apt-get", "-c", self.conf, "-y", "-q", *arguments]
        return run(argv, failure, cwd, DEBIAN_FRONTEND="noninteractive")

    def fetch(self, packages):
        """Return the .deb files of `packages` and of their dependencies that are not installed."""
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

    def fetch_sources(self, packages):
        """Return the .dsc file of each of the source packages `packages`, in their order. The
        tarballs that it names are beside it. Needs `kinds` with "deb-src"."""
        found = []
        for name in packages:
            place = self.folder / "source" / name
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            self.get(
                "source",
                "--download-only",
                "--only-source",
                name,
                failure=f"apt could not fetch the source package {name}",
                cwd=place,
            )
            found.append(next(place.glob("*.dsc")))
        return found


_own_apt = []


def own_apt():
    """Return the Apt of this run for the machine's own suite."""
    if not _own_apt:
        status = Path("/var/lib/dpkg/status").read_text(errors="replace")
        _own_apt.append(Apt(TOOLS / "apt" / "own", own_sources(), status))
    return _own_apt[0]


def unpack(debs, root):
    root.mkdir(parents=True, exist_ok=True)
    for deb in debs:
        run(["dpkg-deb", "-x", deb, root], f"{deb.name} could not be unpacked")


def unpack_programs(packages, root, but=()):
    """Fetch packages of the machine's own suite with what they need, and unpack them into `root`;
    return the .deb files. `but`: beginnings of names to leave out. libc is never unpacked: it must
    match its loader, and the loader is the system's."""
    left_out = ("libc6_", *but)
    debs = [deb for deb in own_apt().fetch(packages) if not deb.name.startswith(left_out)]
    unpack(debs, root)
    return debs


def source_version(dsc):
    """Return the upstream version of a source package, without Debian's revision and epoch."""
    version = re.search(r"^Version: (?:\d+:)?(\S+?)(?:[+~-]\S*)?$", dsc.read_text(), re.M)
    if not version:
        raise Failure(f"{dsc.name} names no version")
    return version[1]


def unpack_source(dsc, root):
    """Unpack a source package's upstream files into `root`, without Debian's files and patches.
    apt has checked the tarballs when it fetched them."""
    root.mkdir(parents=True)
    stem = re.compile(r"_.*\.orig(-[\w-]+)?\.tar\.\w+$")
    tarballs = [(m[1], f) for f in dsc.parent.iterdir() for m in [stem.search(f.name)] if m]
    if not tarballs:
        raise Failure(f"the source package {dsc.name} has no .orig tarball")
    for component, tarball in sorted(tarballs, key=lambda found: found[0] or ""):
        # A component's files belong into a folder of its name (dpkg-source(1), format 3.0).
        place = root / component[1:] if component else root
        place.mkdir(exist_ok=True)
        run(
            ["tar", "-x", "--no-same-owner", "--strip-components=1", "-f", tarball, "-C", place],
            f"{tarball.name} could not be unpacked",
        )


def library_path(root):
    """Return the private library folders of `root`, whatever the architecture calls them."""
    patterns = ("lib", "usr/lib", "lib/*-linux-*", "usr/lib/*-linux-*")
    folders = [folder for pattern in patterns for folder in root.glob(pattern)]
    return ":".join(str(f) for f in folders if f.is_dir())


def library_environment(root):
    """Return the environment variables with which a program unpacked in `root` finds its
    libraries."""
    folders = library_path(root)
    return {"LD_LIBRARY_PATH": folders} if folders else {}


def find_program(root, name):
    for folder in ("usr/sbin", "usr/bin", "sbin", "bin"):
        if (root / folder / name).is_file():
            return root / folder / name
    raise Failure(f"the packages fetched hold no program {name}")
