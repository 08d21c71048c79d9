"""The texts of the rules: product by product, as `string.Template`s that `rules` fills in.

Syntax follows the products' public documentation: nft(8) and the nftables wiki
(Conntrack_helpers), iptables-extensions(8) (CT), firewalld.richlanguage(5) and
firewalld.policies(5), Cisco's ASA CLI guide (TFTP inspection) and IOS command reference
(access-list, zone-based policy firewall), Juniper's SRX documentation (policies, TFTP ALG),
Fortinet's CLI reference (firewall service custom, system session-helper), pf.conf(5) and
tftp-proxy(8), Microsoft's NetSecurity module, in.tftpd(8), dnsmasq(8).

1. Tried: nftables, iptables (on its nft backend), in.tftpd and dnsmasq. The tests load these texts
   unchanged, and then the ROM boots (`host_tests/diagnose/test_rules.py`).
2. Not tried on the product: firewalld, Cisco ASA and IOS, Juniper SRX, FortiGate, pfSense and
   OPNsense, Windows Firewall. They are written from the documentation above; no such machine was
   there. `TRIED` has the others.
3. Names in CAPITALS are to be replaced.

$server, $client, $ports (2070-2078), $first, $last; $sport_nft and its like are empty, or name the
server's ports where these are a known range.
"""

# The first word of the names of products whose texts a test has loaded.
TRIED = ("nftables", "iptables", "in.tftpd", "dnsmasq")

# id, product, cure ("ports": let the answers to the ROM's ports pass; "helper": let the firewall
# follow TFTP; "request": let the requests to port 69 pass), text, note
PATH = (
    (
        "nft-ports",
        "nftables",
        "ports",
        "nft insert rule $nft_chain ip saddr $server ip daddr $client$sport_nft "
        "udp dport $ports accept\n",
        None,
    ),
    (
        "nft-helper",
        "nftables",
        "helper",
        """\
nft '
table ip pxe_tftp {
  ct helper tftp { type "tftp" protocol udp; }
  chain prerouting {
    type filter hook prerouting priority filter; policy accept;
    ct original ip daddr $server meta l4proto udp ct original proto-dst 69 ct helper set "tftp"
  }
}
insert rule $nft_chain ct state established,related accept
insert rule $nft_chain ip saddr $client ct original ip daddr $server \\
  meta l4proto udp ct original proto-dst 69 accept
'
""",
        "`ct original` is the address that the client asked, before any DNAT (Docker, "
        "Kubernetes). The module nf_conntrack_tftp comes by itself; with NAT it is nf_nat_tftp. "
        "Only flows that begin afterwards are read.",
    ),
    (
        "iptables-ports",
        "iptables",
        "ports",
        "iptables -I FORWARD -s $server -d $client -p udp$sport_ipt --dport $first:$last "
        "-j ACCEPT\n",
        "INPUT instead of FORWARD where the filter is on the client itself.",
    ),
    (
        "iptables-helper",
        "iptables",
        "helper",
        """\
iptables -t raw -I PREROUTING -d $server -p udp --dport 69 -j CT --helper tftp
iptables -I FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables -I FORWARD -s $client -p udp -m conntrack --ctorigdst $server --ctorigdstport 69 \
-j ACCEPT
""",
        "Needs the module nf_conntrack_tftp (with NAT nf_nat_tftp): `modprobe` it where it is not "
        "loaded by itself; the automatic assignment of older kernels is off today.",
    ),
    (
        "firewalld-ports",
        "firewalld",
        "ports",
        'firewall-cmd --permanent --zone=ZONE --add-rich-rule=\'rule family="ipv4" '
        'source address="$server" destination address="$client" port port="$ports" '
        'protocol="udp" accept\'\nfirewall-cmd --reload\n',
        "Where it forwards between zones, the same rule goes into a policy: --policy=POLICY "
        "instead of --zone=ZONE.",
    ),
    (
        "firewalld-helper",
        "firewalld",
        "helper",
        "firewall-cmd --permanent --zone=CLIENTS --add-service=tftp\nfirewall-cmd --reload\n",
        "The service tftp brings the helper; the zone is the one that the requests come in from.",
    ),
    (
        "asa-ports",
        "Cisco ASA",
        "ports",
        "access-list SERVERS_IN extended permit udp host $server$sport_cisco host $client "
        "range $first $last\n",
        "In the access-list of the interface on the server's side, above what denies.",
    ),
    (
        "asa-helper",
        "Cisco ASA",
        "helper",
        """\
policy-map global_policy
 class inspection_default
  inspect tftp
access-list CLIENTS_IN extended permit udp host $client host $server eq tftp
""",
        "On by default. It keeps at most one incomplete transfer for each client and server: a "
        "ROM that retries from a new port can still run into that.",
    ),
    (
        "ios-ports",
        "Cisco IOS",
        "ports",
        "ip access-list extended FROM_SERVERS\n permit udp host $server$sport_cisco host $client "
        "range $first $last\n",
        "Above what denies; an access-list keeps no state, so this is the cure there.",
    ),
    (
        "ios-helper",
        "Cisco IOS",
        "helper",
        """\
class-map type inspect match-any PXE_TFTP
 match protocol tftp
policy-map type inspect CLIENTS_TO_SERVERS
 class type inspect PXE_TFTP
  inspect
""",
        "The zone-based firewall: in the policy of the zone pair from clients to servers.",
    ),
    (
        "srx-ports",
        "Juniper SRX",
        "ports",
        """\
set security address-book global address tftp-server $server/32
set security address-book global address pxe-client $client/32
set applications application pxe-answers protocol udp
set applications application pxe-answers destination-port $ports$sport_srx
set security policies from-zone SERVERS to-zone CLIENTS policy pxe-answers match \
source-address tftp-server destination-address pxe-client application pxe-answers
set security policies from-zone SERVERS to-zone CLIENTS policy pxe-answers then permit
""",
        None,
    ),
    (
        "srx-helper",
        "Juniper SRX",
        "helper",
        """\
delete security alg tftp disable
set security address-book global address tftp-server $server/32
set security address-book global address pxe-client $client/32
set security policies from-zone CLIENTS to-zone SERVERS policy pxe-tftp match \
source-address pxe-client destination-address tftp-server application junos-tftp
set security policies from-zone CLIENTS to-zone SERVERS policy pxe-tftp then permit
""",
        "The application has to be junos-tftp: one of your own for udp/69 does not call the ALG.",
    ),
    (
        "fortigate-ports",
        "FortiGate",
        "ports",
        """\
config firewall address
 edit "tftp-server"
  set subnet $server 255.255.255.255
 next
 edit "pxe-client"
  set subnet $client 255.255.255.255
 next
end
config firewall service custom
 edit "pxe-answers"
  set udp-portrange $ports$sport_forti
 next
end
config firewall policy
 edit 0
  set name "pxe-answers"
  set srcintf "SERVERS"
  set dstintf "CLIENTS"
  set srcaddr "tftp-server"
  set dstaddr "pxe-client"
  set service "pxe-answers"
  set schedule "always"
  set action accept
 next
end
""",
        None,
    ),
    (
        "fortigate-helper",
        "FortiGate",
        "helper",
        """\
config system session-helper
 edit 0
  set name tftp
  set protocol 17
  set port 69
 next
end
""",
        "There by default (`show system session-helper`). The policy from the clients to "
        "$server has to name the service TFTP (or ALL), not one of your own.",
    ),
    (
        "pf-ports",
        "pfSense, OPNsense (pf)",
        "ports",
        "pass in quick on SERVERS inet proto udp from $server$sport_pf to $client "
        "port $first:$last keep state\n",
        "As a rule of the interface on the server's side: protocol UDP, source $server, "
        "destination $client, destination ports $first to $last.",
    ),
    (
        "pf-helper",
        "pfSense (tftp-proxy)",
        "helper",
        "System > Advanced > Firewall & NAT > TFTP Proxy: the interface of the clients\n",
        "The rule that tftp-proxy makes lasts two seconds unless the server answers.",
    ),
    (
        "windows-ports",
        "Windows Firewall (at the server)",
        "ports",
        'New-NetFirewallRule -DisplayName "PXE answers" -Direction Outbound -Protocol UDP '
        "-RemoteAddress $client -RemotePort $ports -Action Allow\n",
        "Only where outbound traffic is blocked; by default it is not.",
    ),
    (
        "nft-request",
        "nftables",
        "request",
        "nft insert rule $nft_chain ip saddr $client ip daddr $server udp dport 69 accept\n",
        None,
    ),
    (
        "iptables-request",
        "iptables",
        "request",
        "iptables -I FORWARD -s $client -d $server -p udp --dport 69 -j ACCEPT\n",
        "INPUT instead of FORWARD on the server itself.",
    ),
    (
        "firewalld-request",
        "firewalld (at the server)",
        "request",
        "firewall-cmd --permanent --add-service=tftp\nfirewall-cmd --reload\n",
        None,
    ),
    (
        "asa-request",
        "Cisco ASA",
        "request",
        "access-list CLIENTS_IN extended permit udp host $client host $server eq tftp\n",
        None,
    ),
    (
        "ios-request",
        "Cisco IOS",
        "request",
        "ip access-list extended FROM_CLIENTS\n permit udp host $client host $server eq tftp\n",
        None,
    ),
    (
        "windows-request",
        "Windows Firewall (at the server)",
        "request",
        'New-NetFirewallRule -DisplayName "TFTP" -Direction Inbound -Protocol UDP -LocalPort 69 '
        "-RemoteAddress $client -Action Allow\n",
        None,
    ),
    (
        "nft-icmp",
        "nftables",
        "mtu",
        "nft insert rule $nft_chain icmp type destination-unreachable icmp code "
        "frag-needed accept\n"
        "nft 'insert rule $nft_chain ip saddr $server ip daddr $client ip frag-off & 0x1fff != 0 "
        "accept'\n",
        "ICMP that tells the server of the small link, and fragments of its datagrams.",
    ),
)

# For the server: "range" limits the ports of its answers, "single" keeps them on port 69.
SERVER = (
    (
        "in.tftpd-range",
        "in.tftpd (tftp-hpa)",
        "range",
        "in.tftpd --port-range 40000:40099 ...\n",
        "Then the rules above can say source ports 40000-40099 as well. Too few ports for all "
        "clients that boot at once make transfers fail.",
    ),
    (
        "dnsmasq-range",
        "dnsmasq",
        "range",
        "tftp-port-range=40000,40099\n",
        "As for in.tftpd.",
    ),
    (
        "dnsmasq-single",
        "dnsmasq",
        "single",
        "tftp-single-port\n",
        "Answers then come from port 69: a stateful firewall needs no helper, a translator no "
        "knowledge of TFTP. It is outside RFC 1350, and it does not help against a filter for "
        "the client's ports.",
    ),
    (
        "in.tftpd-blocksize",
        "in.tftpd (tftp-hpa)",
        "blksize",
        "in.tftpd --blocksize $blksize ...\n",
        "Grants no larger block than this, whatever the ROM asks for.",
    ),
    (
        "dnsmasq-mtu",
        "dnsmasq",
        "blksize",
        "tftp-mtu=$mtu\n",
        "Or tftp-no-blocksize: blocks of 512 bytes for everybody.",
    ),
    (
        "dnsmasq-at-once",
        "dnsmasq",
        "at-once",
        "tftp-max=100\n",
        "Its default is 50. dnsmasq drops the requests beyond it without a word.",
    ),
    (
        "xinetd-at-once",
        "xinetd",
        "at-once",
        "instances = UNLIMITED\nper_source = UNLIMITED\ncps = 100 2\n",
        "In the block of the service tftp, /etc/xinetd.d/tftp. It matters for a server that ends "
        "after each transfer: with `wait = yes` one in.tftpd stays and forks by itself, whatever "
        "`instances` says. Beyond `cps` xinetd closes the port for so many seconds (ICMP).",
    ),
    (
        "in.tftpd-address",
        "in.tftpd (tftp-hpa)",
        "address",
        "in.tftpd --address $server:69 ...\n",
        "Or name in DHCP (siaddr, option 66) the address that the answers come from: $foreign.",
    ),
)

# Advice without a rule, by cause; one sentence each.
ADVICE = {
    "host-unreachable": "Check the address $server (siaddr, option 66), that the host is up, and "
    "the route to it. No port rule helps here.",
    "rejected": "Ask for the requests to be let through; a helper, or the ROM's ports, may be "
    "needed for the answers after that.",
    "few-at-once": "Raise the limit: dnsmasq's tftp-max; instances, per_source and cps of xinetd; "
    "or a limit of flows on the path.",
    "rate-limit": "Find who counts the requests: a `limit` rule of a firewall, cps of xinetd. No "
    "rule for the answers helps.",
    "unasked-option": "Let the server grant only what was asked for (RFC 2347), or use another "
    "server: in.tftpd and dnsmasq do.",
    "no-final-block": "Use a server that ends a file with an empty block where its size is a "
    "multiple of the block size (RFC 1350), or add a byte to the file.",
    "no-rollover": "Let the server grant a larger blksize, and use a ROM that asks for one: with "
    "1,468 bytes a file may have 91 MiB. Or use a server that counts on from 0.",
    "wrong-tsize": "Use a server that tells the size of the very file that it sends (RFC 2349), "
    "and see that nobody changes the file meanwhile.",
    "oversize-data": "Use a server that keeps to blksize, and grants it in an OACK (RFC 2347, RFC "
    "2348): in.tftpd and dnsmasq do.",
    "fragments": "Let the server grant blocks of $blksize bytes at most, or take the small link "
    "(a tunnel, a VPN) off the path.",
    "port-unreachable": "Start the TFTP server on $server, and see that it listens on UDP port "
    "$port of that address (`ss -uln`).",
    "file-missing": "Check the name (case, slashes, the folder) against the server's root: "
    "in.tftpd --secure and dnsmasq's tftp-root make names count from there.",
    "file-denied": "Make the file readable for the server's user (in.tftpd wants it world "
    "readable), and ask for it by a name below the server's root.",
    "server-error": "The server's own words say more; its log has the rest.",
    "options-refused": "Where the server ignores the options, let it grant them (in.tftpd: drop "
    "--refuse; dnsmasq: drop tftp-no-blocksize). Where it answers an ERROR, update it or switch "
    "its options off: what it does not know it may only leave out of its OACK (RFC 2347).",
    "probe-refused": "Use a server that ends a transfer on ERROR and knows tsize (RFC 2349): "
    "in.tftpd and dnsmasq do.",
    "wrong-image": "Let DHCP name a file for this client's architecture (option 93): a BIOS ROM "
    "needs undionly.kpxe or pxelinux.0, UEFI an .efi of its own kind.",
    "other-address": "Let the server answer from the address that was asked, or name in DHCP the "
    "one it answers from.",
    "loss": "Look at the path: duplex, radio, an overloaded link. No port rule helps here.",
    "slow-server": "Look at the server's load, disk and log, and at name look-ups that time out "
    "there. No port rule helps here.",
    "mtu": "Let ICMP `fragmentation needed` and fragments pass, or let the server grant smaller "
    "blocks. No port rule helps here.",
    "one-expectation": "Take the limit of one transfer away (a limit of flows per client, a "
    "helper's maximum), or let the answers to the ROM's ports pass without a helper.",
}
