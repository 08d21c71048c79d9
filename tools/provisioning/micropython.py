"""The step `micropython`: the unix port in each version that Debian has.

Every version comes with C libraries of its own and is started by their loader: the system's own
may be too old for it.
"""

import re
import shutil

from provisioning.apt import (
    Apt,
    archive_of,
    find_program,
    has_apt,
    library_path,
    os_release,
    unpack,
)
from provisioning.folder import (
    BIN,
    TOOLS,
    Failure,
    digest_of,
    is_done,
    megabytes,
    put_in_place,
    run,
    set_done,
    write_wrapper,
)

# Debian suites beside the machine's own that carry MicroPython, and the versions expected there.
MICROPYTHON_SUITES = {"debian": {"trixie": "1.25", "sid": "1.26"}}


def provide_micropython():
    """MicroPython's unix port in each version that Debian has, with C libraries of its own."""
    digest = digest_of(__file__)
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
