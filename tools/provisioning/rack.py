"""The step `rack`: labgrid and ser2net, for the tests of a rack of boards.

labgrid has a venv of its own, with pxebench in it (`pxerom[lab]`): it needs pyserial-labgrid,
which installs into the same folder as pyserial.
"""

import sys

from provisioning import apt, folder
from provisioning.python import pip
from provisioning.servers import answer, system_program

VENV = folder.TOOLS / "labgrid"


def provide_rack():
    """labgrid in a venv of its own, and ser2net."""
    pyproject = (folder.HERE / "pyproject.toml").read_text()
    digest = folder.digest_of(__file__, pyproject, sys.version)
    if folder.is_done("rack", digest, VENV / "bin/python", VENV / "bin/pxebench"):
        return None
    ours = _provide_ser2net()
    # Packages that .venv has are in pip's cache.
    folder.run([sys.executable, "-m", "venv", "--clear", VENV], "Python could not make a venv")
    pip("install", "-e", f"{folder.HERE}[lab]", venv=VENV)
    folder.set_done("rack", digest)
    return f"labgrid in .tools/labgrid, {folder.megabytes(VENV)}; {ours}"


def _provide_ser2net():
    path = system_program("ser2net", ["-v"], "ser2net")
    if path:
        folder.write_wrapper("ser2net", [path])
        return f"ser2net is {path}"
    if not apt.has_apt():
        raise folder.Failure("no apt here: for the tests of a rack, install ser2net yourself")
    root = folder.TOOLS / "ser2net"
    with folder.replacing(root) as (new, _):
        apt.unpack_programs(["ser2net"], new)
    # gensio's path for plugins is built in.
    plugins = next(root.glob("usr/libexec/*/gensio/*"), None)
    more = {"GENSIO_LIBRARY_PATH": str(plugins)} if plugins else {}
    folder.write_wrapper(
        "ser2net", [apt.find_program(root, "ser2net")], **apt.library_environment(root), **more
    )
    said = answer([folder.BIN / "ser2net", "-v"]).strip().partition("\n")[0]
    if "ser2net" not in said:
        raise folder.Failure(f"ser2net does not start: {said!r}")
    return f"ser2net {said.split()[-1]}, {folder.megabytes(root)} in .tools/ser2net"
