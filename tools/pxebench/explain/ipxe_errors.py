"""iPXE's error numbers: what their parts mean.

    31    24 23       13 12   8 7      0
    +-------+-----------+------+--------+
    | error |   file    | case | status |
    +-------+-----------+------+--------+

`error` is POSIX's, in iPXE's own order; `file` the source file that gave it; `case` one of several
in that file; `status` PXE's own code, as the PXE API returns it (iPXE, include/errno.h and
include/ipxe/errfile.h).

1. The numbers of `error` are POSIX's names in alphabetical order, from 1. Those in `_SEEN` were
   found with their text in captures or public reports; the rest follow from their place between
   these, and are shown as assumed.
2. Six digits are the beginning of a number, as in the addresses of iPXE's error pages.
"""

# From 0x01, in their order: (POSIX's name, in words).
_POSIX = (
    ("E2BIG", "argument list too long"),
    ("EACCES", "permission denied"),
    ("EADDRINUSE", "address in use"),
    ("EADDRNOTAVAIL", "address not available"),
    ("EAFNOSUPPORT", "address family not supported"),
    ("EAGAIN", "not now, try again"),
    ("EALREADY", "it is under way already"),
    ("EBADF", "bad file descriptor"),
    ("EBADMSG", "bad message"),
    ("EBUSY", "device or resource busy"),
    ("ECANCELED", "operation canceled"),
    ("ECHILD", "no child processes"),
    ("ECONNABORTED", "connection aborted"),
    ("ECONNREFUSED", "connection refused"),
    ("ECONNRESET", "connection reset"),
    ("EDEADLK", "deadlock avoided"),
    ("EDESTADDRREQ", "destination address required"),
    ("EDOM", "out of the function's domain"),
    ("EDQUOT", "disk quota exceeded"),
    ("EEXIST", "file exists"),
    ("EFAULT", "bad address"),
    ("EFBIG", "file too large"),
    ("EHOSTUNREACH", "host unreachable"),
    ("EIDRM", "identifier removed"),
    ("EILSEQ", "illegal byte sequence"),
    ("EINPROGRESS", "operation in progress"),
    ("EINTR", "interrupted"),
    ("EINVAL", "invalid argument"),
    ("EIO", "input/output error"),
    ("EISCONN", "connected already"),
    ("EISDIR", "is a directory"),
    ("ELOOP", "too many symbolic links"),
    ("EMFILE", "too many open files"),
    ("EMLINK", "too many links"),
    ("EMSGSIZE", "message too long"),
    ("EMULTIHOP", "multihop attempted"),
    ("ENAMETOOLONG", "file name too long"),
    ("ENETDOWN", "network is down"),
    ("ENETRESET", "connection aborted by the network"),
    ("ENETUNREACH", "network unreachable"),
    ("ENFILE", "too many open files in the system"),
    ("ENOBUFS", "no buffer space"),
    ("ENODATA", "no data available"),
    ("ENODEV", "no such device"),
    ("ENOENT", "no such file or directory"),
    ("ENOEXEC", "exec format error"),
    ("ENOLCK", "no locks available"),
    ("ENOLINK", "the link has been severed"),
    ("ENOMEM", "not enough memory"),
    ("ENOMSG", "no message of that kind"),
    ("ENOPROTOOPT", "protocol not available"),
    ("ENOSPC", "no space left"),
    ("ENOSR", "no stream resources"),
    ("ENOSTR", "not a stream"),
    ("ENOSYS", "function not implemented"),
    ("ENOTCONN", "not connected: no link"),
    ("ENOTDIR", "not a directory"),
    ("ENOTEMPTY", "directory not empty"),
    ("ENOTSOCK", "not a socket"),
    ("ENOTSUP", "operation not supported"),
    ("ENOTTY", "inappropriate control operation"),
    ("ENXIO", "no such device or address"),
    ("EOPNOTSUPP", "operation not supported on a socket"),
    ("EOVERFLOW", "value too large"),
    ("EPERM", "operation not permitted"),
    ("EPIPE", "broken pipe"),
    ("EPROTO", "protocol error"),
    ("EPROTONOSUPPORT", "protocol not supported"),
    ("EPROTOTYPE", "wrong protocol for the socket"),
    ("ERANGE", "result too large"),
    ("EROFS", "read-only file system"),
    ("ESPIPE", "invalid seek"),
    ("ESRCH", "no such process"),
    ("ESTALE", "stale file handle"),
    ("ETIME", "timer expired"),
    ("ETIMEDOUT", "connection timed out"),
    ("ETXTBSY", "text file busy"),
    ("EWOULDBLOCK", "operation would block"),
    ("EXDEV", "link between devices"),
)
_PLATFORM = 0x7F
ERRORS = dict(enumerate(_POSIX, 1))
ERRORS[_PLATFORM] = ("EPLATFORM", "an error of the platform's own, UEFI's most likely")
# Found with their text in captures or public reports.
_SEEN = frozenset(
    (
        *("EACCES", "EADDRNOTAVAIL", "ECONNRESET", "EINVAL", "ENOENT", "ENOEXEC", "ENOTCONN"),
        *("ENOTSUP", "EPERM", "ETIMEDOUT"),
    )
)
STATUS = {
    0x11: "ARP timeout",
    0x32: "TFTP open timeout",
    0x35: "TFTP read timeout",
    0x36: "TFTP error",
    0x38: "TFTP cannot open a connection",
    0x39: "TFTP cannot read from the connection",
    0x3B: "TFTP file not found",
    0x3C: "TFTP access violation",
    0x3E: "TFTP server gave no file size",
    0x3F: "TFTP invalid packet size",
    0x51: "DHCP timeout",
    0x52: "no IP address",
    0x53: "no boot file name",
    0x54: "bad IP address",
    0x61: "no link",
}
# Bits 13 to 23, for the files that say more than the error does.
FILES = {
    0x092000: "its opening of an address (URI)",
    0x0B2000: "its resolving of names",
    0x182000: "what it received",
    0x086000: "the network device",
    0x016000: "its ARP",
    0x056000: "its IPv4",
    0x066000: "its IPv6",
    0x0A6000: "its TCP",
    0x0B6000: "its FTP",
    0x0C6000: "its HTTP",
    0x0D6000: "its iSCSI",
    0x0E6000: "its TCP/IP",
    0x0F6000: "its UDP",
    0x106000: "its DHCP",
    0x116000: "its DNS",
    0x126000: "its TFTP",
    0x396000: "its ICMP",
    0x3B6000: "its DHCPv6",
    0x3F6000: "its spanning tree",
    0x426000: "its HTTP, logging in",
    0x008000: "the loading of an image",
    0x018000: "the loading of an ELF image",
    0x028000: "a script",
    0x048000: "the start of an EFI image",
    0x03E000: "its choice of a device to boot from",
    0x04E000: "its set-up by DHCP",
    0x05E000: "its handling of images",
    0x0DE000: "its TLS (https)",
    0x0EE000: "its set-up of the interface",
    0x0FE000: "its iSCSI boot",
    0x15E000: "its PXE menu",
    0x16E000: "its certificates (X.509)",
    0x20E000: "its start from a SAN disk",
    0x2BE000: "its check of signatures",
    0x4AE000: "its PXE under UEFI",
}
TFTP = 0x126000


def parts(number):
    """Of an error number (6 to 8 hex digits): {"name", "text", "where" or None, "status" or None,
    "assumed": bool}."""
    value = int(number.ljust(8, "0"), 16)
    name, text = ERRORS.get(
        value >> 24 & 0x7F, (None, "an error that is in no list that is known here")
    )
    return {
        "name": name,
        "text": text,
        "where": FILES.get(value & 0xFFE000),
        "status": STATUS.get(value & 0xFF) if len(number) == 8 else None,
        "assumed": name is not None and name not in _SEEN,
    }
