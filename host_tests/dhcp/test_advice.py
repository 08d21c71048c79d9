"""What `pxebench boot` advises is tried: its lines go to real dnsmasq, Kea and ISC servers
literally, and the machine that failed boots."""

import re

import pytest

from host_tests.dhcp.scenes import FILES, SECOND, SERVER, Scene, play, tftp
from host_tests.lab import dhcp_servers

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dhcp")]


def _dnsmasq(*words):
    def start(lan, stack, folder):
        machine = lan.machine("dnsmasq", f"{SERVER}/24")
        stack.enter_context(dhcp_servers.dnsmasq(machine, SERVER, list(words)))
        tftp(stack, folder, machine)

    return start


def _kea(**settings):
    def start(lan, stack, folder):
        machine = lan.machine("kea", f"{SECOND}/24")
        stack.enter_context(dhcp_servers.kea(machine, SECOND, **settings))
        tftp(stack, folder, machine, SECOND)

    return start


def _isc(lines=""):
    def start(lan, stack, folder):
        machine = lan.machine("isc", f"{SERVER}/24")
        stack.enter_context(dhcp_servers.isc(machine, SERVER, lines))
        tftp(stack, folder, machine)

    return start


def _failed(servers, rom):
    boot = play(Scene(servers, rom), "CPython")
    assert (boot.exit_code, boot.stored) == (1, None), boot.said
    return boot.result["status"]


def _booted(servers, rom, file):
    boot = play(Scene(servers, rom), "CPython")
    assert (boot.exit_code, boot.stored) == (0, FILES[file]), boot.said
    return boot.result


@pytest.mark.parametrize(("rom", "code"), [("intel-undi", "PXE-E53"), ("edk2", "PXE-E16")])
def test_dnsmasq_line_for_a_missing_file_boots(rom, code):
    status = _failed(_dnsmasq(), rom)
    assert status["code"] == code
    line = re.search(r"dhcp-boot=\S+", status["advice"]).group()
    name = line[10:].partition(",")[0]
    # The advice names the file that people serve; the lab serves it under that name, too.
    assert name in ("undionly.kpxe", "ipxe.efi")
    line = line.replace("ipxe.efi", "x64.efi")
    result = _booted(_dnsmasq(f"--{line}"), rom, name.replace("ipxe.efi", "x64.efi"))
    assert result["boot"]["server"] == SERVER


@pytest.mark.parametrize("rom", ["intel-undi", "edk2"])
def test_dnsmasq_line_for_an_option_60_that_is_left_over_boots(rom):
    file = "x64.efi" if rom == "edk2" else "undionly.kpxe"
    left_over = [f"--dhcp-boot={file}", "--dhcp-option-force=60,PXEClient"]
    status = _failed(_dnsmasq(*left_over), rom)
    assert status["code"] == ("PXE-E16" if rom == "edk2" else "PXE-E55")
    line = re.search(r"dhcp-option=vendor:PXEClient,\S+?(?=\.)", status["advice"]).group()
    result = _booted(_dnsmasq(*left_over, f"--{line}"), rom, file)
    assert result["boot"]["file"] == file


def test_kea_lines_for_an_option_60_that_is_left_over_boot():
    sixty = {"name": "vendor-class-identifier", "data": "PXEClient", "always-send": True}
    servers = _kea(boot_file="x64.efi", option_data=[sixty])
    status = _failed(servers, "edk2")
    data = re.search(r'"data": "([0-9a-f]+)"', status["advice"]).group(1)
    assert '"name": "vendor-encapsulated-options"' in status["advice"]
    more = {"name": "vendor-encapsulated-options", "data": data, "csv-format": False}
    cured = _kea(boot_file="x64.efi", option_data=[sixty, {**more, "always-send": True}])
    assert _booted(cured, "edk2", "x64.efi")["boot"]["file"] == "x64.efi"


def test_siaddr_that_is_missing_is_named_and_setting_it_boots():
    """iPXE asks nobody without it."""
    status = _failed(_kea(boot_file="undionly.kpxe", next_server="0.0.0.0"), "ipxe-2")
    assert (status["code"], "next-server" in status["advice"]) == ("PXE-E78", True)
    _booted(_kea(boot_file="undionly.kpxe"), "ipxe-2", "undionly.kpxe")


def test_isc_lines_for_a_missing_file_boot():
    advice = _failed(_isc(), "intel-undi")["advice"]
    lines = re.search(r"ISC: (next-server .+)$", advice).group(1)
    _booted(_isc(lines), "intel-undi", "undionly.kpxe")


def test_isc_lines_for_an_option_60_that_is_left_over_boot():
    sixty = 'option vendor-class-identifier "PXEClient";'
    left_over = f'{sixty} next-server {SERVER}; filename "x64.efi";'
    advice = _failed(_isc(left_over), "edk2")["advice"]
    lines = re.search(r"ISC: (option vendor-encapsulated-options .+?) Kea:", advice).group(1)
    _booted(_isc(f"{sixty} {lines}"), "edk2", "x64.efi")


def test_isc_line_for_a_siaddr_that_is_missing_boots():
    advice = _failed(_isc('next-server 0.0.0.0; filename "undionly.kpxe";'), "ipxe-2")["advice"]
    line = re.search(r"ISC: (next-server \S+;)", advice).group(1)
    _booted(_isc(f'{line} filename "undionly.kpxe";'), "ipxe-2", "undionly.kpxe")
