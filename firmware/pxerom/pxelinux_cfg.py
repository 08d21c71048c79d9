"""A ROM that reads PXELINUX's configuration itself, once its file has failed or none was named:
the names in their order, the entry that it boots, the files that the entry names.

Which names it tries: `dhcp.boot.configs` of its ROM file. Follows SLOF's lib/libnet/pxelinux.c, as
s390-ccw uses it; RFC 5071 for options 209 and 210.

1. The names are below option 210, else below pxelinux.cfg/ in the boot file's own folder.
2. The first configuration that comes is used, whatever is in it.
3. The boot stores the kernel; the initrd is fetched after it and thrown away.

A board does not carry this module: the bench sends it for one boot.
"""

from pxerom.failure import NAME, Failure, printable
from pxerom.runtime import const
from pxerom.sink import Memory, Null

_MOST = const(2047)  # bytes of a configuration that s390-ccw has room for


def first(client, offer, name, by):
    """(name, who gave it) of what is asked for first; the `configs` of a `DhcpClient` are set.
    `offer`: the ACK; `name`, `by`: of the boot file, b"" where there is none."""
    ip, uuid = client.lease["ip"], client.job.get("uuid")
    client.configs = names(offer, name, client.nic.mac, ip, uuid)
    good = name and name[-1:] != b"/"
    return (name, by) if good else (client.configs[0], "ROM")


def names(offer, name, mac, ip, uuid):
    """The names of configurations in the order of asking, as bytes. `mac`, `ip`, `uuid`: text, the
    last may be None."""
    options = offer.reply.options
    folder = options.get(210, b"").split(b"\0")[0]
    if not _is_name(folder):
        folder = name[: name.rfind(b"/") + 1] + b"pxelinux.cfg/"
    digits = "".join(["%02X" % int(part) for part in ip.split(".")])
    known = {
        "<209>": [options.get(209, b"").split(b"\0")[0]],
        "<uuid>": [(uuid or "").lower().encode()],
        "<mac>": [b"01-" + mac.lower().replace(":", "-").encode()],
        "<ip>": [digits[:size].encode() for size in range(8, 0, -1)],
    }
    found = []
    for each in offer.rules["configs"]:
        found += [folder + one for one in known.get(each, [each.encode()]) if _is_name(one)]
    return found


def _is_name(name):
    return 0 < len(name) < 200 and min(name) >= 32


def entry(text):
    """(kernel, initrd or None) that a configuration boots, as bytes: its default, else its first;
    None where it names none. `text`: bytes."""
    default = None
    entries = []
    for line in bytes(text).split(b"\n"):
        words = line.strip().split(None, 1)
        if len(words) < 2 or words[0][:1] == b"#":
            continue
        what = words[0].lower()
        if what == b"default":
            default = words[1]
        elif what == b"label":
            entries.append({b"label": words[1]})
        elif what in (b"kernel", b"initrd") and entries:
            entries[-1][what] = words[1]
    chosen = [each for each in entries if each[b"label"] == default] or entries
    kernel = chosen[0].get(b"kernel", b"") if chosen else b""
    if not _is_name(kernel):
        return None
    initrd = chosen[0].get(b"initrd", b"")
    return kernel, initrd if _is_name(initrd) else None


def boot(get, name, configs, sink):
    """The result of a fetch, of all that such a ROM asks for. `get(name, sink, most)`: fetches one
    file of at most `most` bytes and returns its result; `name`: of the boot file, or the first of
    `configs` where there is none; `configs`: of `names`; `sink`: for the program."""
    direct = get(name, sink) if name != configs[0] else None
    if direct and (direct["image"] or _is_over(direct)):
        return direct
    config = Memory()
    tried, fetched = name, {}
    for tried in configs:
        fetched = get(tried, config, _MOST)
        if fetched["image"] or _is_over(fetched):
            break
    if not fetched["image"]:
        return fetched if _is_over(fetched) else _failed(fetched, direct, len(configs))
    files = entry(config.data)
    if not files:
        detail = "%s has no entry with a kernel" % printable(tried, NAME)
        status = Failure("PXE-E53", detail, "server", "no_entry").status()
        return dict(fetched, outcome="failed", status=status, image=None)
    fetched = get(files[0], sink)
    if not fetched["image"] or not files[1]:
        return fetched
    initrd = get(files[1], Null())
    return dict(initrd, image=fetched["image"]) if initrd["image"] else initrd


def _is_over(result):
    # Interrupted, or a failure of this end: no other name would do better.
    return result["ended"] or result["status"]["side"] == "ours"


def _failed(last, direct, count):
    # The file that DHCP named is what went wrong, where it named one.
    status = (direct or last)["status"]
    detail = "%s; then each of %d pxelinux.cfg names failed, too" % (status["detail"], count)
    return dict(last, status=dict(status, detail=detail))
