"""One machine of a storm, or one board of a fleet: a row made from its events as they come.

{"id", "rom", "address", "mac", "outcome": "ok" | "failed" | "ended" | "bench", "code", "text",
 "at_ms": switched on, since the storm began, "first_ms": to the first answer, "ms": to its
 end, "requests", "retransmits", "bytes", "sha256", "error", "served_ms", "lease_ms": to its
 lease by DHCP, "asks": [[ms since the storm began, ms until the answer or null] of each RRQ]}
"""

import threading

BUCKET_MS = 100


class Curve:
    """The bytes that all machines together got, in steps of BUCKET_MS."""

    def __init__(self):
        self._steps = {}
        self._lock = threading.Lock()  # a fleet's boards are threads

    def add(self, ms, count):
        with self._lock:
            at = ms // BUCKET_MS
            self._steps[at] = self._steps.get(at, 0) + count

    def steps(self):
        """[bytes in each step], from the beginning."""
        return [self._steps.get(at, 0) for at in range(max(self._steps, default=-1) + 1)]


class Row:
    """`row`: as above, growing.  `ms`: a function, the ms since the storm began; `curve`: a
    Curve, or None; `told`: id, rom, address, mac, and what else the row is to have."""

    def __init__(self, ms, curve, **told):
        self._ms = ms
        self._curve = curve
        self._bytes = 0  # that the curve has
        self.asks = []
        self.row = {
            "id": None, "rom": None, "address": None, "mac": None, "outcome": "failed",
            "code": None, "text": None, "at_ms": None, "first_ms": None, "ms": None,
            "requests": 0, "retransmits": 0, "bytes": 0, "sha256": None, "error": None,
            "served_ms": None, "lease_ms": None, "asks": self.asks, **told,
        }  # fmt: skip

    def start(self):
        """It is switched on."""
        self.row["at_ms"] = self._ms()

    def event(self, event):
        """One event of the firmware."""
        kind = event["event"]
        row = self.row
        if kind == "request":
            row["requests"] += 1
            self.asks.append([self._ms(), None])
        elif kind in ("oack", "data", "error", "aborted"):
            if self.asks and self.asks[-1][1] is None:
                self.asks[-1][1] = self._ms() - self.asks[-1][0]
            if row["first_ms"] is None:
                row["first_ms"] = self._ms() - row["at_ms"]
            if kind == "error":
                row["error"] = event["error"]
        elif kind == "lease":
            row["address"] = event["ip"]
            row["lease_ms"] = self._ms() - row["at_ms"]
        elif kind == "progress":
            self._note_bytes(event["bytes"])

    def end(self, result):
        """Its last event, or its result."""
        row = self.row
        row["ms"] = self._ms() - row["at_ms"]
        if result.get("event") == "refused":
            row["outcome"], row["text"] = "bench", result["message"]
            return
        status = result.get("status") or {}
        row["outcome"] = result["outcome"]
        if (result.get("ended") or {}).get("by"):
            row["outcome"] = "ended"
        row["code"], row["text"] = status.get("code"), status.get("detail")
        transfers = result.get("transfers") or []
        row["retransmits"] = sum(one["retransmits"] for one in transfers)
        row["served_ms"] = transfers[-1].get("elapsed_ms") if transfers else None
        image = result.get("image") or {}
        row["bytes"], row["sha256"] = image.get("bytes", 0), image.get("sha256")
        self._note_bytes(row["bytes"])

    def broken(self):
        """It was cut off: its time until now."""
        if self.row["at_ms"] is not None:
            self.row["ms"] = self._ms() - self.row["at_ms"]

    def _note_bytes(self, count):
        if count > self._bytes:
            if self._curve:
                self._curve.add(self._ms(), count - self._bytes)
            self._bytes = count
