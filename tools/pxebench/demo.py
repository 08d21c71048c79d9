"""`make demo`: boots a real iPXE image as an Intel PXE ROM, on CPython and on MicroPython.

It runs and shows the commands that a user would type: `pxebench serve` in one process, `pxebench
fetch` in others. Then it checks ports, digest and image.

1. Each step is announced before it begins.
2. The server serves a folder of its own with the image in it, on loopback, and ends with the demo.
3. The exit code is 0 only when every boot used ports 2070 and 2071 and the digest is the file's.
"""

import hashlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from pxebench.view import image_words

_TOOLS = Path(__file__).resolve().parents[2] / ".tools"
_IMAGE = _TOOLS / "ipxe" / "undionly.kpxe"
_ROM = "intel-undi"
_PORTS = [2070, 2071]
_SERVER_S = 10


def main(arguments):
    """Run the demo with the image that `arguments` or IMAGE name; the exit code."""
    image = Path((arguments or [os.environ.get("IMAGE")])[0] or _IMAGE)
    if not image.is_file():
        return _fail(f"There is no image {image}; name one: make demo IMAGE=path.")
    try:
        digest = hashlib.sha256(image.read_bytes()).hexdigest()
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            # Served from a folder of its own: files beside the image stay private.
            served = Path(folder) / image.name
            shutil.copyfile(image, served)
            served.chmod(0o644)
            return _demo(served, digest)
    except OSError as error:
        return _fail(f"{error.strerror}: {error.filename or image}.")


def _demo(image, digest):
    count = len(list(_endpoints()))
    print(
        f"Three steps: a TFTP server on this PC, {count} boots from it of some seconds\n"
        "each, and what has come compared with the file.\n",
        flush=True,
    )
    print(f"The file: {image.name}, {image.stat().st_size} bytes, SHA-256\n  {digest}")
    port = _free_port()
    print(f"\n1. The server starts, on UDP port {port} of 127.0.0.1.", flush=True)
    server = _start_server(image.parent, port)
    try:
        if not _wait_until_it_listens(server, port):
            said = server.stdout.read().strip() if server.poll() is not None else "it is silent"
            return _fail(f"The server did not start: {said}")
        url = f"tftp://127.0.0.1:{port}/{quote(image.name)}"
        results = []
        print(f"\n2. Boots as {_ROM}, {count} in all:", flush=True)
        for number, words in enumerate(_endpoints(), 1):
            print(f"\n   {number} of {count}, {_where(words)}", flush=True)
            result, code = _boot(url, words)
            if result is None:
                return code
            results.append(result)
    finally:
        _end(server)
    return _verdict(results, digest, url)


def _endpoints():
    """The words of `pxebench fetch` for each interpreter that is here."""
    yield []
    for binary in sorted(_TOOLS.glob("bin/micropython-[0-9]*")):
        yield ["--endpoint", "micropython", "--interpreter", str(binary)]


def _where(words):
    return f"in {Path(words[-1]).name}" if words else "in this Python"


def _boot(url, words):
    """Boot once with `pxebench fetch`, its screen shown; (result or None, exit code)."""
    shown = [Path(word).name if word.startswith("/") else word for word in words]
    print(f"$ pxebench fetch {url} --rom {_ROM} {shlex.join(shown)}".rstrip(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        command = [sys.executable, "-m", "pxebench", "fetch", url, "--rom", _ROM, *words]
        code = subprocess.run([*command, "--json", str(path)], check=False).returncode
        if not path.exists():
            return None, code or 3
        return json.loads(path.read_text()), code


def _verdict(results, digest, url):
    print("\n3. What you have just seen\n")
    row = "  {:<26} {:<12} {:<9} {}"
    print(row.format("interpreter", "source ports", "SHA-256", "image"))
    good = len(results) > 1
    for result in results:
        ports = [r["source_port"] for t in result["transfers"] for r in t["requests"]]
        image = result["image"] or {}
        same = image.get("sha256") == digest
        good = good and result["outcome"] == "ok" and same and ports == _PORTS
        print(
            row.format(
                result["endpoint"]["runtime"] or "-",
                ", ".join(map(str, ports)),
                "the same" if same else "DIFFERS",
                image_words(image) if image else "none",
            )
        )
    if not good:
        missing = " No MicroPython was here: run `make setup`." if len(results) < 2 else ""
        return _fail(f"A boot did not give the expected result.{missing}")
    print(
        "\n"
        "The ROM asked twice: from UDP port 2070 for the size alone, which it then called off\n"
        '(ERROR 0 "TFTP Aborted"), and from port 2071 for the file. Every further request, each\n'
        "retry too, would come from the next port: 2072, 2073, ... A firewall that lets only\n"
        "high ports back to clients stops such a ROM, and lets a client under the OS through.\n"
        "\n"
        "To try next\n\n"
        "  make firewall-demo                       that firewall, and the way out of it\n"
        "  make boot-demo                           a boot from nothing: DHCP first\n"
        "  .venv/bin/pxebench diagnose YOUR-SERVER/undionly.kpxe\n"
        "                                           your own network, and the rule to change\n"
        f"  .venv/bin/pxebench roms show {_ROM}  what is known of this ROM, and from where"
    )
    return 0


def _free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _start_server(folder, port):
    return subprocess.Popen(
        [sys.executable, "-m", "pxebench", "serve", folder, "--bind", "127.0.0.1"]
        + ["--port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _wait_until_it_listens(server, port):
    """Ask for a missing file until an answer comes; False when none does."""
    deadline = time.monotonic() + _SERVER_S
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.1)
        while time.monotonic() < deadline and server.poll() is None:
            probe.sendto(b"\0\1no such file\0octet\0", ("127.0.0.1", port))
            try:
                probe.recvfrom(600)
                return True
            except OSError:
                continue
    return False


def _end(server):
    """End the server process."""
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGINT)
    try:
        server.wait(3)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    server.stdout.close()


def _fail(sentence):
    print(f"pxebench demo: {sentence}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
