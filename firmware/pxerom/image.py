"""What was fetched: size, SHA-256 and, from its bytes, what kind of boot image it is.

Fed block by block, it keeps the head of the file and one mark further in, no more: what
`image_kind` needs to tell its kind, and is loaded for only when the file is whole.
"""

import hashlib
from binascii import hexlify

from pxerom.runtime import const

_HEAD = const(1024)  # bytes of the head that tell a kind
_ISO_MARK = const(0x8001)  # "CD001" of an ISO 9660; nothing else needs bytes so far in
_ISO_END = const(0x8006)


class Image:
    """Digest and head of the file that is coming in."""

    def __init__(self):
        self.bytes = 0
        self._sha256 = hashlib.sha256()
        self._head = bytearray(_HEAD)
        self._mark = bytearray(_ISO_END - _ISO_MARK)

    def feed(self, view):
        """The next bytes of the file (a memoryview)."""
        self._sha256.update(view)
        start = self.bytes
        self.bytes = start + len(view)
        if start < _ISO_END:
            _overlay(self._head, 0, view, start)
            _overlay(self._mark, _ISO_MARK, view, start)

    def result(self):
        """The result's `image`: {kind, bytes, sha256}."""
        from pxerom.image_kind import identify

        return {
            "kind": identify(self._head, self.bytes, bytes(self._mark)),
            "bytes": self.bytes,
            "sha256": hexlify(self._sha256.digest()).decode(),
        }


def _overlay(window, offset, view, start):
    # Copy what of `view`, which begins at `start` of the file, falls into window at `offset`.
    low = max(start, offset)
    high = min(start + len(view), offset + len(window))
    if low < high:
        window[low - offset : high - offset] = view[low - start : high - start]
