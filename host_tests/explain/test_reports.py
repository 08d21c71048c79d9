"""What people posted: each typed in its own form, and what is to be said of it.

The files in `inputs/reports` have the reports' lines (shortened; some addresses are others).
"""

import pytest
from pxebench.explain import words

from host_tests.explain import told


def _report(name):
    return told.of(f"reports/{name}.txt")


def _words(result):
    return " ".join(" ".join(words.lines(result)).split())


def test_a_name_that_ends_in_ff_is_told():
    """ispsystem.com, "If a server does not boot via TFTP": pxelinux.0 with 0xFF at its end."""
    result = _report("name-with-ff")
    (client,) = result["clients"]
    assert told.best(client)[0].startswith("intel-undi")
    assert "a byte that no one typed (0xFF)" in _words(result)


def test_lines_that_a_mail_broke_are_put_together():
    """Syslinux list, "pxe requesting bad filename from tftp": each request in two lines, twice."""
    first, second = _report("broken-lines")["clients"]
    assert [step["text"] for step in first["boot"]["steps"]] == [
        "RRQ pxelinux.0M-^? blksize 1456 from port 2070 (ah-esp-encap)"
    ]
    assert first["boot"]["requests"] == second["boot"]["requests"] == 1
    assert told.best(second) == ["intel-undi", "intel-undi-plain"]


def test_a_line_that_breaks_off_behind_its_name_does_not_tell_its_options():
    line = '10:00:00.000001 IP 10.0.0.18.2070 > 10.0.0.1.69: 32 RRQ "pxelinux.0"\n'
    (client,) = told.of_text(line)["clients"]
    assert "no options" not in str(client["candidates"])
    # Nor does the next packet become its options.
    other = line + "10:00:09.000001 IP 10.0.0.18.2070 > 10.0.0.1.53: 1 A? x.example\n"
    assert told.of_text(other)["clients"][0]["boot"]["requests"] == 1


def test_requests_of_which_no_answer_can_be_seen_are_not_said_to_go_unanswered():
    """FOG forum 17249 (a name without its last letter), rpi-eeprom#74: port 69 alone."""
    for name in ("name-cut", "rpi4-requests"):
        text = _words(_report(name))
        assert "nothing answers" not in text
        assert "Nothing in this says that it failed" in text


def test_a_raspberry_pi_that_a_proxy_answers_is_one_client():
    """raspberrypi/firmware#1605: dnsmasq's proxy lines have its MAC, its TFTP lines its IP."""
    (client,) = _report("rpi-proxy")["clients"]
    assert (client["ip"], client["mac"]) == ("192.168.1.116", "b8:27:eb:6c:4c:16")
    assert told.best(client) == ["rpi3"]
    assert client["verdict"]["cause"] != "file-missing"  # it asks for bootsig.bin in vain, always


def test_dnsmasq_in_german():
    """raspberrypi/firmware#1362."""
    (client,) = _report("dnsmasq-german")["clients"]
    whats = [step["what"] for step in client["boot"]["steps"]]
    assert {"sent", "refused"} <= set(whats)
    assert told.best(client) == ["rpi3", "rpi4"]


def test_a_proxy_is_no_missing_dhcp_server():
    """poseidon/matchbox#483: the ROM's probe, undionly.kpxe.0, and then nothing."""
    result = _report("undionly-0")
    assert "No DHCP server answers" not in _words(result)
    (client,) = result["clients"]
    assert client["verdict"]["cause"] == "healthy" and not client["verdict"]["proved"]


def test_red_hats_in_tftpd():
    """snowfrs.com, "iPXE network boot tftp behavior": Error code 8 before each transfer."""
    (client,) = _report("red-hat")["clients"]
    assert client["verdict"]["cause"] == "healthy"
    assert any("ERROR 8" in step["text"] for step in client["boot"]["steps"])


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("arp-retry", {"uboot-arp"}),  # hack-technicolor#379: no timeout of TFTP's
        ("rpi4-uart", {"rpi-network"}),  # rpi-eeprom#687
        ("ipxe-tftp", {"iPXE 3c126083"}),  # netboot.xyz#1570
    ],
)
def test_screens(name, codes):
    assert {entry["code"] for entry in _report(name)["codes"]} == codes


def test_wireshark_with_names_of_macs_and_folded_options():
    """alkisg's export of a Sony laptop: `Client MAC address: Sony_a2:02:e3 (3c:07:71:..)`."""
    (client,) = _report("wireshark-names")["clients"]
    assert client["mac"] == "3c:07:71:a2:02:e3"
    assert [step["text"] for step in client["boot"]["steps"]][0] == "DHCP DISCOVER"
    assert "names a boot file" not in client["verdict"]["text"]
    assert not any("vendor class ," in text for text in client["candidates"][0]["against"])
