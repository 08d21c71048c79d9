"""What was fetched: size, SHA-256 and the kind of boot image.

Fed block by block. It keeps only what `image_kind` needs: the head of the file and one mark
further in. `image_kind` is loaded when the file is whole.
"""

import hashlib

from pxerom.runtime import const

_HEAD = const(1024)  # bytes of the head that tell a kind
_ISO_MARK = const(0x8001)  # "CD001" of an ISO 9660: the only mark so far from the head
END = const(0x8006)  # no byte from here on matters for the kind


class Image:
    """Digest and head of the file that is coming in. `update` takes bytes from END on."""

    def __init__(self):
        self._sha256 = hashlib.sha256()
        self.update = self._sha256.update
        self._head = bytearray(_HEAD)
        self._mark = bytearray(END - _ISO_MARK)

    def feed(self, view, start):
        """The next bytes of the file (a memoryview), which begin at `start` of it."""
        self.update(view)
        if start < END:
            _overlay(self._head, 0, view, start)
            _overlay(self._mark, _ISO_MARK, view, start)

    def result(self, size):
        """The result's `image`: {kind, bytes, sha256}; `size`: bytes of the whole file."""
        from pxerom.image_kind import identify

        return {
            "kind": identify(self._head, size, bytes(self._mark)),
            "bytes": size,
            "sha256": self._sha256.digest().hex(),
        }


def _overlay(window, offset, view, start):
    # Copy what of `view`, which begins at `start` of the file, falls into window at `offset`.
    low = max(start, offset)
    high = min(start + len(view), offset + len(window))
    if low < high:
        window[low - offset : high - offset] = view[low - start : high - start]
