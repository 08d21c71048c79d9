"""The steps `python` and `lint`: .venv with the packages of pyproject.toml, and the ports'
stubs."""

import contextlib
import sys

from provisioning import apt, folder

# One folder for each port: the stubs contradict each other.
STUBS = {
    "rp2": "micropython-rp2-stubs==1.29.0.post1",
    "esp32": "micropython-esp32-stubs==1.29.0.post1",
    "unix": "micropython-unix-stubs==1.29.0.post1",
}


def provide_python(step="python", extra="test"):
    """.venv with the pxebench command, editable, and the packages of pyproject.toml."""
    pyproject = (folder.HERE / "pyproject.toml").read_text()
    digest = folder.digest_of(__file__, step, pyproject, sys.version)
    python = folder.VENV / "bin/python"
    if folder.is_done(step, digest, python, folder.VENV / "bin/pxebench"):
        return None
    if sys.version_info < (3, 10):
        mine = ".".join(map(str, sys.version_info[:2]))
        raise folder.Failure(
            f"Python 3.10 or newer is needed, this is {mine}: make setup PYTHON=..."
        )
    if not works(folder.VENV):
        make_venv(python)
    pip("install", "pip>=22")
    pip("install", "-e", f"{folder.HERE}[{extra}]")
    count = len(list(folder.VENV.glob("lib/python*/site-packages/*.dist-info")))
    folder.set_done(step, digest)
    version = ".".join(map(str, sys.version_info[:3]))
    return f"CPython {version} and {count} packages in .venv, {folder.megabytes(folder.VENV)}"


def pip(*words, venv=folder.VENV):
    """Run pip in a venv; the last of `words` is what it is about."""
    command = [venv / "bin/python", "-m", "pip", "--disable-pip-version-check", "-q", *words]
    folder.run(command, f"pip could not {words[0]} {words[-1]}")


def works(venv):
    code = "import sys, pip; print(sys.prefix, *sys.version_info[:2])"
    with contextlib.suppress(folder.Failure):
        said = folder.run([venv / "bin/python", "-c", code], "")
        return said.split() == [str(venv), *map(str, sys.version_info[:2])]
    return False


def make_venv(python):
    venv = [sys.executable, "-m", "venv", "--clear"]
    failure = "Python could not make .venv"
    try:
        folder.run([*venv, folder.VENV], failure)
    except folder.Failure:
        # Debian has venv's pip in a package of its own, which is unpacked here.
        if not apt.has_apt():
            raise
        folder.run([*venv, "--without-pip", folder.VENV], failure)
        wheels = folder.TOOLS / "apt/pip"
        apt.unpack(apt.own_apt().fetch(["python3-pip-whl"]), wheels)
        wheel = next(wheels.rglob("pip-*.whl"))
        folder.run(
            [python, wheel / "pip", "install", "-q", "--no-index", wheel], "pip did not install"
        )


def provide_lint():
    """ruff, basedpyright, and the stubs of each port in .tools/typings/PORT."""
    digest = folder.digest_of(__file__, STUBS)
    made = provide_python("lint", "test,lint")
    if folder.is_done("stubs", digest, *(folder.TOOLS / "typings" / port for port in STUBS)):
        return made
    for port, requirement in STUBS.items():
        with folder.replacing(folder.TOOLS / "typings" / port) as (new, _):
            pip("install", "--target", new, requirement)
    folder.set_done("stubs", digest)
    return f"ruff and basedpyright in .venv, stubs of {', '.join(STUBS)} in .tools/typings"
