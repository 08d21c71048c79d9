"""A boot file's name that is a URL: iPXE takes it apart, other ROMs send it unchanged."""

from pxerom import boot_url

from host_tests.core.bootrun import CONTENT, Job
from host_tests.core.check import raises, same
from host_tests.core.fakelan import dhcpd
from host_tests.core.fakenet import HOST, FileServer

_HOST = HOST.encode()


def _asked(job):
    """(the server's port, the name in the RRQ) of the first request."""
    _, _, port, packet = job.net.sent[0]
    return port, packet[2:].split(b"\0")[0]


def _at(port):
    files = FileServer(CONTENT)
    return lambda packet, local, to: files(packet, local, 69 if to == port else to)


def test_url_has_scheme_host_port_and_path():
    for name, found in (
        (b"tftp://10.0.0.1/a/b.kpxe", ("tftp", "10.0.0.1", None, b"/a/b.kpxe")),
        (b"TFTP://10.0.0.1:6969//b", ("tftp", "10.0.0.1", 6969, b"//b")),
        (b"tftp://10.0.0.1/a%20b?x=1#y", ("tftp", "10.0.0.1", None, b"/a b")),
        (b"tftp://10.0.0.1/100%", ("tftp", "10.0.0.1", None, b"/100%")),
        (b"http://me:secret@boot.example/x", ("http", "boot.example", None, b"/x")),
        (b"undionly.kpxe", None),
        (b"C:\\boot\\x.com", None),
        (b"folder/odd://name", None),
        (b"://x", None),
    ):
        same(boot_url.parts(name), found, name)


def test_broken_url_is_no_name():
    for name in (
        b"tftp:///x",
        b"tftp://h:0/x",
        b"tftp://h:x/x",
        b"tftp://h:70000/x",
        b"tftp://h/",
    ):
        raises(ValueError, boot_url.parts, name)


def test_ipxe_fetches_what_a_tftp_url_says_wherever_siaddr_points():
    for rom in ("ipxe", "ipxe-2"):
        for siaddr in (None, "10.0.0.9"):
            job = Job(rom, dhcpd(siaddr=siaddr, file=b"tftp://%s/a/b.kpxe" % _HOST))
            same((job.result["outcome"], _asked(job)), ("ok", (69, b"a/b.kpxe")), rom)
            same(job.result["boot"]["server"], HOST)
            same(job.result["boot"]["server_by"], "URL")


def test_first_slash_of_a_urls_path_is_not_sent_and_a_second_is():
    """As an iPXE 1.0.0 of 2019 was seen to ask, from its ROM in a virtual machine."""
    for file, name in (
        (b"tftp://%s/boot/x" % _HOST, b"boot/x"),
        (b"tftp://%s//boot/x" % _HOST, b"/boot/x"),
        (b"/boot/x", b"/boot/x"),
        (b"boot/x", b"boot/x"),
    ):
        same(_asked(Job("ipxe", dhcpd(siaddr=HOST, file=file))), (69, name))


def test_port_of_a_url_is_asked():
    job = Job("ipxe-2", dhcpd(file=b"tftp://%s:6969/x" % _HOST), tftp=_at(6969))
    same((job.result["outcome"], _asked(job)), ("ok", (6969, b"x")))


def test_other_schemes_and_names_end_the_boot_and_are_said_to_be_not_imitated():
    for url, reason in (
        (b"http://%s/x.ipxe" % _HOST, "other_scheme"),
        (b"tftp://boot.example/x", "host_name"),
    ):
        job = Job("ipxe-2", dhcpd(siaddr=HOST, file=url))
        status = job.result["status"]
        same((status["side"], status["reason"], job.result["transfers"]), ("ours", reason, []))
        assert "not imitated" in status["detail"], status
        same(job.result["warnings"], [])


def test_url_without_a_host_fails_at_the_server():
    job = Job("ipxe-2", dhcpd(siaddr=HOST, file=b"tftp:///x"))
    same((job.code(), job.result["status"]["side"]), ("PXE-E53", "server"))


def test_other_roms_send_a_url_unchanged():
    job = Job("intel-undi", dhcpd(siaddr=HOST, file=b"tftp://%s/x" % _HOST))
    same(_asked(job)[1], b"tftp://%s/x" % _HOST)
    assert "unchanged" in job.result["warnings"][0], job.result["warnings"]
