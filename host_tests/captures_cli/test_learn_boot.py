"""A machine's captured boot, learned, and booted again from nothing: DHCP and all, on a wire."""

import contextlib
import pathlib
import subprocess
import sys

import pytest

from host_tests.dhcp import scenes
from host_tests.lab import capture, dhcp_servers, namespaces, servers

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dhcp")]

CAPTURES = pathlib.Path(__file__).parents[1] / "captures"
_PXEBENCH = (sys.executable, "-m", "pxebench")


def _run(*words, cwd):
    done = subprocess.run(
        [*_PXEBENCH, *map(str, words)], capture_output=True, text=True, cwd=cwd, timeout=60
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("names, file, size", [
    (("ipxe-boot1", "ipxe-nodhcp"), "undionly.kpxe", 74213),
    (("ovmf-boot2", "ovmf-nodhcp"), "snponly.efi", 173792),
    (("ubootarm64-boot1", "ubootarm64-boot2", "ubootarm64-nodhcp"), "undionly.kpxe", 74213),
])  # fmt: skip
def test_learned_machine_boots_as_the_captured_one(tmp_path, names, file, size):
    captures = [CAPTURES / f"{name}.pcap.gz" for name in names]
    learned = _run("learn", *captures, "-o", "mine.json", cwd=tmp_path)
    assert learned.returncode == 0, learned.stderr
    wire = tmp_path / "wire.pcap"
    image = scenes.efi(0x8664, size) if file.endswith(".efi") else bytes(size)
    with contextlib.ExitStack() as stack:
        lan = dhcp_servers.Lan(stack.enter_context(namespaces.lab()))
        served = stack.enter_context(servers.folder({file: image}))
        machine = lan.machine("server", f"{scenes.SERVER}/24")
        boot = [f"--dhcp-boot={file}"]
        stack.enter_context(dhcp_servers.dnsmasq(machine, scenes.SERVER, boot))
        scenes.tftp(stack, served, machine)
        client = lan.machine("client")
        stack.enter_context(capture.capture(client, "eth0", str(wire)))
        done = client.run(
            *_PXEBENCH, "boot", "-i", "eth0", "--rom", tmp_path / "mine.json", "-q",
            check=False, timeout_s=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    # OVMF's guest waited 4 s more or less, and this machine is busy.
    words = (captures[0], wire, "--rom", "mine.json", "--file", file, "--ms", "450")
    compared = _run("compare", *words, cwd=tmp_path)
    assert compared.returncode == 0, compared.stdout
    assert "DHCP packets" in compared.stdout
