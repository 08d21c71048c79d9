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
    """[(Packet, Dhcp)] of what our ROM (as in its file) sends to the captured server."""
    steps = _steps(boot)

    def serve(sent):
        replies = steps.pop(0) if steps else []
        return [
            (round(delay_ms), packet.src, packet.sport, _with_xid(packet.payload, sent.data))
            for delay_ms, packet in replies
        ]

    mac = boot.dhcp[0][1].mac
    run = Run(rom_check_dhcp.flatten(rom), lan=FakeLan(serve, mac), uuid=_uuid(boot))
    ttl = rom["udp"]["ttl"]
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
    return ours


def _with_xid(payload, request):
    answer = bytearray(payload)
    answer[_XID] = request[_XID]
    return bytes(answer)


def differences(boot, rom, tolerance):
    """What `compare_dhcp` finds between a captured boot and ours: [(kind, text)]."""
    found = Comparison()
    compare_dhcp(boot.dhcp, play(boot, rom), tolerance, found)
    return [(each.kind, each.text) for each in found]
