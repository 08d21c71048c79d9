"""The steps `python` and `lint`: .venv with the packages of pyproject.toml, and the ports'
stubs."""

import contextlib
import shutil
import sys

from provisioning.apt import has_apt, own_apt, unpack
from provisioning.folder import (
    HERE,
    TOOLS,
    VENV,
    Failure,
    digest_of,
    is_done,
    megabytes,
    put_in_place,
    run,
    set_done,
)

# One folder for each port: the stubs contradict each other.
STUBS = {
    "rp2": "micropython-rp2-stubs==1.29.0.post1",
    "esp32": "micropython-esp32-stubs==1.29.0.post1",
    "unix": "micropython-unix-stubs==1.29.0.post1",
}


def provide_python(step="python", extra="test"):
    """.venv with the pxebench command, editable, and the packages of pyproject.toml."""
    pyproject = (HERE / "pyproject.toml").read_text()
    digest = digest_of(__file__, step, pyproject, sys.version)
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
        # Debian has venv's pip in a package of its own, which is unpacked here.
        if not has_apt():
            raise
        run([*venv, "--without-pip", VENV], failure)
        wheels = TOOLS / "apt/pip"
        unpack(own_apt().fetch(["python3-pip-whl"]), wheels)
        wheel = next(wheels.rglob("pip-*.whl"))
        run([python, wheel / "pip", "install", "-q", "--no-index", wheel], "pip did not install")


def provide_lint():
    """ruff, basedpyright, and the stubs of each port in .tools/typings/PORT."""
    digest = digest_of(__file__, STUBS)
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
