"""The step `rack`: labgrid and ser2net, for the tests of a rack of boards.

labgrid has a venv of its own, with pxebench in it (`pxerom[lab]`): it needs pyserial-labgrid,
which installs into the same folder as pyserial.
"""

import sys

from provisioning.apt import find_program, has_apt, library_path, own_apt, unpack
from provisioning.folder import (
    BIN,
    HERE,
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
from provisioning.servers import answer, system_program

VENV = TOOLS / "labgrid"


def provide_rack():
    """labgrid in a venv of its own, and ser2net."""
    pyproject = (HERE / "pyproject.toml").read_text()
    digest = digest_of(__file__, pyproject, sys.version)
    python = VENV / "bin/python"
    if is_done("rack", digest, python, VENV / "bin/pxebench"):
        return None
    ours = _provide_ser2net()
    # Packages that .venv has are in pip's cache.
    run([sys.executable, "-m", "venv", "--clear", VENV], "Python could not make a venv")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    run([*pip, "-e", f"{HERE}[lab]"], "pip could not install labgrid")
    set_done("rack", digest)
    return f"labgrid in .tools/labgrid, {megabytes(VENV)}; {ours}"


def _provide_ser2net():
    path = system_program("ser2net", ["-v"], "ser2net")
    if path:
        write_wrapper("ser2net", [path])
        return f"ser2net is {path}"
    if not has_apt():
        raise Failure("no apt here: for the tests of a rack, install ser2net yourself")
    new, root = TOOLS / "ser2net.new", TOOLS / "ser2net"
    debs = [deb for deb in own_apt().fetch(["ser2net"]) if not deb.name.startswith("libc6_")]
    unpack(debs, new)
    put_in_place(new, root)
    # gensio's path for plugins is built in.
    plugins = next(root.glob("usr/libexec/*/gensio/*"), None)
    more = {"GENSIO_LIBRARY_PATH": str(plugins)} if plugins else {}
    argv = [find_program(root, "ser2net")]
    write_wrapper("ser2net", argv, LD_LIBRARY_PATH=library_path(root), **more)
    said = answer([BIN / "ser2net", "-v"]).strip().partition("\n")[0]
    if "ser2net" not in said:
        raise Failure(f"ser2net does not start: {said!r}")
    return f"ser2net {said.split()[-1]}, {megabytes(root)} in .tools/ser2net"
