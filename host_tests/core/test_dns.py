"""A boot server that DHCP gives as a name: which ROM asks DNS, what it asks, what it does without
an answer."""

from pxerom import dns

from host_tests.core.check import same
from host_tests.core.fakelan import CLIENT, LEASE, SERVER, Run, dhcpd, ip, option, together

_DNS = "10.0.0.53"
_LEASE = LEASE + option(6, ip(_DNS)) + option(67, "nbp")
_NAMED = _LEASE + option(66, "boot.example")
_BOOT = "10.0.0.9"


def _reply(sent, *records, code=0, number=None):
    # An answer to a question; `records`: (type, bytes), all of the name that was asked.
    question = sent.data[12:]
    head = number or sent.data[:2]
    head += bytes((0x81, 0x80 | code, 0, 1, 0, len(records), 0, 0, 0, 0))
    body = b""
    for kind, data in records:
        body += b"\xc0\x0c" + bytes((0, kind, 0, 1, 0, 0, 0, 60, 0, len(data))) + data
    return head + question + body


def _dns(*records, host=_DNS, port=53, delay_ms=1, from_number=1, **more):
    heard = []

    def serve(sent):
        if sent.port != 53:
            return ()
        heard.append(sent)
        if len(heard) < from_number:
            return ()
        return ((delay_ms, host, port, _reply(sent, *records, **more)),)

    return serve


_ADDRESS = (1, ip(_BOOT))


def _run(*servers, rom="slof", options=_NAMED, **more):
    return Run(rom, together(dhcpd(options=options, **more), *servers))


def _asked(run):
    return [(each.at_ms, each.source, each.host) for each in run.lan.sent if each.port == 53]


def test_slof_asks_dns_for_a_name_in_option_66_and_boots_from_its_address():
    run = _run(_dns(_ADDRESS))
    same(run.client.boot["server"], _BOOT)
    same(run.client.boot["server_by"], "option 66 (boot.example), by DNS")
    same([each[1:] for each in _asked(run)], [(32769, _DNS)])
    packet = [each.data for each in run.lan.sent if each.port == 53][0]
    same(packet, b"\x12\x34\1\0\0\1\0\0\0\0\0\0\4boot\7example\0\0\1\0\1")
    sent = [each for each in run.client.messages if each["message"] == "DNS QUERY"]
    same([(each["to"], each["xid"]) for each in sent], [("10.0.0.53:53", "1234")])


def test_address_in_option_66_is_asked_of_nobody():
    run = _run(_dns(_ADDRESS), options=_LEASE + option(66, "10.0.0.8"))
    same((run.client.boot["server"], _asked(run)), ("10.0.0.8", []))


def test_silent_dns_is_asked_thirty_times_a_second_apart_and_siaddr_counts_then():
    run = _run(siaddr="10.0.0.3")
    times = [each[0] for each in _asked(run)]
    same(len(times), 30)
    same({after - before for before, after in zip(times, times[1:])}, {1000})
    same(run.client.boot["server"], "10.0.0.3")
    assert "gave no address for it to 30 questions" in " ".join(run.client.warnings)


def test_name_that_dns_does_not_know_ends_the_asking_at_once():
    run = _run(_dns(code=3))
    same((run.code(), len(_asked(run))), ("PXE-E78", 1))
    assert "the DNS server 10.0.0.53 does not know it" in " ".join(run.client.warnings)


def test_lease_without_a_dns_server_is_told():
    run = _run(options=LEASE + option(67, "nbp") + option(66, "boot.example"))
    same((run.code(), _asked(run)), ("PXE-E78", []))
    assert "no DNS server (option 6)" in " ".join(run.client.warnings)


def test_other_roms_take_an_address_only_and_say_so():
    for rom in ("intel-undi", "ipxe-2", "u-boot", "edk2"):
        run = _run(_dns(_ADDRESS), rom=rom, siaddr=SERVER)
        same((run.client.boot["server"], _asked(run)), (SERVER, []), rom)
        said = " ".join(run.client.warnings)
        reads = rom == "intel-undi"
        same("asks no DNS server: write the address there" in said, reads, rom)
        same("option 66 (boot.example) was there" in said.lower(), not reads, rom)


def test_alias_is_asked_for_by_its_own_name():
    """RFC 1034 §3.6.2: a CNAME without its address; the next question is for what it names."""
    alias = _dns((5, b"\4tftp\3lan\0"))
    run = _run(alias, siaddr=SERVER)
    asked = [each.data[12:-4] for each in run.lan.sent if each.port == 53]
    same(asked[:2], [b"\4boot\7example\0", b"\4tftp\3lan\0"])
    with_address = _dns((5, b"\4tftp\3lan\0"))

    def both(sent):
        found = with_address(sent)
        if not found:
            return ()
        data = bytearray(found[0][3])
        data[7] = 2
        data += b"\4tftp\3lan\0" + bytes((0, 1, 0, 1, 0, 0, 0, 60, 0, 4)) + ip(_BOOT)
        return ((1, _DNS, 53, bytes(data)),)

    same(_run(both).client.boot["server"], _BOOT)


def test_only_the_server_that_was_asked_can_answer_and_only_this_question():
    for forged in (
        _dns(_ADDRESS, host="10.0.0.66"),
        _dns(_ADDRESS, port=5353),
        _dns(_ADDRESS, number=b"\0\1"),
    ):
        run = _run(forged, siaddr=SERVER)
        same((run.client.boot["server"], len(_asked(run))), (SERVER, 30))


def test_answer_that_does_not_add_up_is_no_answer():
    asked = dns.question("boot.example", 0x1234)
    good = asked[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + asked[12:]
    good += b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + ip(_BOOT)
    same(dns.answer(good, "boot.example", 0x1234), (_BOOT, "boot.example"))
    for end in range(len(good)):
        came = dns.answer(good[:end], "boot.example", 0x1234)
        assert not came or came[0] is None, end
    loop = good[:12] + b"\xc0\x0c\0\1\0\1"
    same(dns.answer(loop, "boot.example", 0x1234), None)
    same(dns.answer(asked, "boot.example", 0x1234), None, "our own question")


def test_host_is_taken_out_of_an_url_and_names_that_dns_cannot_hold_are_not_asked():
    same(dns.host_of("tftp://me@boot.example:69/a/b"), "boot.example")
    same(dns.question("a" * 64, 1), None)
    same(dns.question("a..b", 1), None)
    same(dns.question(".".join(["a" * 60] * 5), 1), None)
    run = _run(options=_LEASE + option(66, "a..b"), siaddr=SERVER)
    same((run.client.boot["server"], _asked(run)), (SERVER, []))
    same(run.client.lease["ip"], CLIENT)
