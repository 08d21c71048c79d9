"""A boot file's name that is a URL, for ROMs that take it apart (`dhcp.boot.urls` of a ROM file).

Follows RFC 3986 section 3 as iPXE reads it (src/core/uri.c, pxe_uri): only scheme://host/path is a
URL; C:\\file and file:name are names.

1. siaddr does not count then: the URL has the server, and the port where it is not 69.
2. The path is the name, with %41 as A; what follows ? or # is left out. Its first slash is not
   sent, a second one is; a name that is no URL keeps its own (seen with iPXE 1.0.0 of 2019).
3. What would not be fetched by TFTP ends the boot here, with a sentence: no ROM of this kind has
   failed by that.

A board does not carry this module: the bench sends it for one boot.
"""

from pxerom.failure import NAME, Failure, printable
from pxerom.runtime import is_ipv4


def parts(name):
    """(scheme, host, port or None, path) of a URL, as text, text, int, bytes; None where `name`
    (bytes) is none. Raises ValueError for one that is broken."""
    scheme, mark, rest = name.partition(b"://")
    if not mark or not scheme or not scheme[:1].isalpha() or min(scheme) < 33:
        return None
    if any(byte in b"/\\:?#%" for byte in scheme):
        return None
    host, slash, path = rest.partition(b"/")
    path = (slash + path).partition(b"#")[0].partition(b"?")[0]
    host, colon, port = host.rpartition(b"@")[2].partition(b":")
    if (
        not host
        or path in (b"", b"/")
        or (colon and not (port.isdigit() and 0 < int(port) < 65536))
    ):
        raise ValueError
    return (
        scheme.decode().lower(),
        printable(host),
        int(port) if colon else None,
        _decoded(path),
    )


def _decoded(path):
    first, *others = path.split(b"%")
    found = bytearray(first)
    for part in others:
        try:
            found.append(int(part[:2].decode(), 16))
            found += part[2:]
        except ValueError:
            found += b"%" + part  # iPXE leaves it as it is
    return bytes(found)


def taken(client, name):
    """(server, name) of the file that a URL names, or None where `name` is no URL; the port is set
    at `client`. Raises Failure."""
    shown = printable(name, NAME)
    try:
        found = parts(name)
    except ValueError:
        raise Failure(
            "PXE-E53", "The boot file is a URL without host or file: %s" % shown, "server"
        )
    if not found:
        return None
    scheme, host, port, path = found
    known = client.spec["boot"]["urls"]
    if scheme not in known:
        detail = "This ROM goes on to %s, which is no TFTP and is not imitated" % shown
        raise Failure("PXE-E38", detail, "ours", "other_scheme")
    if not is_ipv4(host):
        detail = "This ROM asks DNS for %s of %s, which is not imitated" % (host, shown)
        raise Failure("PXE-E38", detail, "ours", "host_name")
    client.port = port or 69
    return host, path[1:]
