"""Runs a program for which setgroups(2) succeeds and does nothing: `PROGRAM [WORD...]`.

in.tftpd gives up its groups at each request and ends when it may not. A user other than root may
not, not even as root of an own user namespace, where there are no groups to give up. A seccomp
filter answers that call instead of the kernel; child processes inherit it.
"""

import ctypes
import os
import platform
import struct
import sys

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38
_SECCOMP_MODE_FILTER = 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # classic BPF
_ALLOW, _ERRNO_0 = 0x7FFF0000, 0x00050000
# machine: (AUDIT_ARCH_*, the number of setgroups there)
_SETGROUPS = {"x86_64": (0xC000003E, 116), "aarch64": (0xC00000B7, 159)}


def _filter(arch, number):
    steps = [
        (_LOAD, 0, 0, 4),  # seccomp_data.arch
        (_JUMP_IF_EQUAL, 0, 3, arch),
        (_LOAD, 0, 0, 0),  # seccomp_data.nr
        (_JUMP_IF_EQUAL, 0, 1, number),
        (_RETURN, 0, 0, _ERRNO_0),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return len(steps), b"".join(struct.pack("HBBI", *step) for step in steps)


def main(argv):
    machine = platform.machine()
    if machine not in _SETGROUPS:
        return f"setgroups has no number here for {machine}: run as root."
    length, steps = _filter(*_SETGROUPS[machine])
    code = ctypes.create_string_buffer(steps)
    program = struct.pack("HxxxxxxP", length, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if (
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        or libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0) != 0
    ):
        return f"This kernel takes no seccomp filter: {os.strerror(ctypes.get_errno())}."
    return os.execvp(argv[0], argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
