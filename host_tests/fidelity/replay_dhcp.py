"""A captured DHCP server plays against our ROM's DHCP, as `replay` does with TFTP.

Its packets are given to `pxerom.dhcp_client.DhcpClient` as they stood in the capture, but for the
xid, which is our ROM's. `differences` compares what both clients sent, by `pxebench.compare.dhcp`.
"""

from pxebench.captures import messages, packets
from pxebench.compare.dhcp import compare_dhcp
from pxebench.compare.differences import Comparison
from pxerom import rom_check_dhcp

from host_tests.core.fakelan import FakeLan, Run

_XID = slice(4, 8)


def _steps(boot):
    # The client's packets in turn, each with the replies before its next: [[(delay_ms, Packet)]].
    steps = []
    asked_at = 0
    for packet, message in boot.dhcp:
        if message.reply:
            steps[-1].append(((packet.epoch_ns - asked_at) / 1e6, packet))
        else:
            steps.append([])
            asked_at = packet.epoch_ns
    return steps


def _uuid(boot):
    # The machine's UUID in the captured packets, as text: its bytes stand there in GUID order.
    raw = boot.dhcp[0][1].option(97)
    if not raw or not any(raw[1:]):
        return None
    raw = raw[1:]
    parts = (raw[3::-1], raw[5:3:-1], raw[7:5:-1], raw[8:10], raw[10:16])
    return "-".join(part.hex() for part in parts)


def play(boot, rom):
    """([(Packet, Dhcp)] of what our ROM (as in its file) sends to the captured server, seconds
    from the last answer to the request for the file, or None without one). A RELEASE comes when
    the captured one did: how long the file takes is not DHCP's."""
    steps = _steps(boot)
    answered = [0]

    def serve(sent):
        replies = steps.pop(0) if steps else []
        for delay_ms, _ in replies:
            answered[0] = sent.at_ms + delay_ms
        return [
            (round(delay_ms), packet.src, packet.sport, _with_xid(packet.payload, sent.data))
            for delay_ms, packet in replies
        ]

    mac = boot.dhcp[0][1].mac
    run = Run(rom_check_dhcp.flatten(rom), lan=FakeLan(serve, mac), uuid=_uuid(boot))
    ttl = rom["udp"].get("ttl", 64)
    ready_s = (run.lan.clock - answered[0]) / 1000 if run.client.found else None
    release = run.client.release()
    if release:
        theirs = [packet for packet, message in boot.dhcp if message.kind == "RELEASE"]
        run.lan.clock = round(theirs[-1].time * 1000) if theirs else run.lan.clock
        run.lan.open(68)
        run.lan.send(release, run.client.lease["server"], 67)
    ours = []
    for number, sent in enumerate(run.lan.sent, 1):
        packet = packets.Packet(
            number=number,
            time=sent.at_ms / 1000,
            src="0.0.0.0",
            dst=sent.host,
            sport=sent.source,
            dport=sent.port,
            ttl=ttl["value"] if isinstance(ttl, dict) else ttl,
            size=len(sent.data),
            payload=sent.data,
            out=True,
        )
        ours.append((packet, messages.dhcp(packet)))
    return ours, ready_s


def _with_xid(payload, request):
    answer = bytearray(payload)
    answer[_XID] = request[_XID]
    return bytes(answer)


def rrq_wait(boot):
    """Seconds from the last answer of DHCP to the first RRQ of a captured boot, or None."""
    answers = [packet.time for packet, message in boot.dhcp if message.reply]
    asked = [talk.began for talk in boot.conversations[:1]]
    return asked[0] - answers[-1] if asked and answers else None


def differences(boot, rom, tolerance, cut=False):
    """What `compare_dhcp` finds between a captured boot and ours, [(kind, text)]; ("rrq", text)
    where the file is asked for at another time after the last answer. `cut`: what ours sends after
    the captured client's last packet is not compared."""
    found = Comparison()
    ours, ready_s = play(boot, rom)
    if cut:
        del ours[sum(not message.reply for _, message in boot.dhcp) :]
    compare_dhcp(boot.dhcp, ours, tolerance, found)
    texts = [(each.kind, each.text) for each in found]
    wait_s = rrq_wait(boot)
    asked = bool(boot.conversations)
    if asked != (ready_s is not None) and not cut:
        words = "asks for a file", "asks for none"
        first, second = words if asked else reversed(words)
        texts.append(("found", f"after DHCP the client {first}, ours {second}"))
    elif wait_s is not None and not cut:
        if not tolerance.alike(wait_s, ready_s):
            texts.append(("rrq", f"the RRQ after {wait_s:.3f} s, ours after {ready_s:.3f} s"))
    return texts
