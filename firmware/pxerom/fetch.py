"""The boot sequence: from the ROM file's requests to a file in the sink, and what it reports.

Protocol rules are in the engine (`tftp`), waits in `retry`, reactions in the ROM file. Here they
are joined to sockets and clock, and each thing that happens becomes an event.

1. The requests of the ROM file are sent in order; the first data transfer that completes ends it.
2. Every block but the last is acknowledged, then stored; the last is stored and renamed, then
   acknowledged: so a full disk can still be reported to the server, and a slow one costs no time.
3. Only progress restarts the timer (R-TFTP-72): an unknown TID can neither end nor prolong a
   transfer.
4. However it ends, the sockets are closed and the target is complete or untouched.
"""

from pxerom import tftp
from pxerom.failure import NAME, Ended, Failure, Refused, printable
from pxerom.image import END, Image
from pxerom.job import result
from pxerom.retry import Retry
from pxerom.runtime import QUEUE, UNREACHABLE, address, const, split, ticks_add, ticks_diff, tidy

_TICK_MS = const(100)
_SLICE_MS = const(1000)  # the longest that one receive may last: a watchdog is fed in between


class Fetch:
    """One boot as one ROM. `rom`: from `rom_load.load`; `net`: a `udp.Udp`; `emit`: takes each
    event (a dict); `on_wait`: called at least once a second, for a watchdog."""

    def __init__(self, rom, net, emit, on_wait=None):
        self.rom = rom
        self.net = net
        self.emit = emit
        self.on_wait = on_wait
        self.records = []  # the result's `transfers`
        self.warnings = []  # sentences: what this ROM does and this board cannot do
        self._sink = None
        self._image = None
        self.server = None
        self._first = None  # ticks of the first RRQ: at_ms is 0 there
        self._end = None  # ticks at which the job's time limit ends
        self.due = 0  # ticks of the next tick
        self._shown = 0  # bytes in the last progress event
        # Of the request that runs:
        self.transfer = None
        self._request = None
        self._record = None
        self.phase = None
        self.timer = None
        self._now = 0  # ticks at which the last datagram came
        self._smoothed = False

    def fetch(self, host, port, filename, sink, max_bytes=None, max_time_ms=None):
        """Fetch one file from `host` (numeric IPv4) into `sink`; returns the result, a dict.
        `filename`: text, or the bytes that DHCP gave.
        Raises Refused when the job cannot be run on this machine."""
        image = status = ended = None
        self._sink = sink
        self._image = Image()
        tidy()
        self.due = self.net.now()
        if max_time_ms is not None:
            self._end = ticks_add(self.due, max_time_ms)
        try:
            room = sink.room()
            if max_bytes is not None and (room is None or max_bytes < room):
                room = max_bytes
            sink.open()
            self._fetch(host, port, filename, room)
            image = self._image.result(self.transfer.bytes)
            self.event("image", image)
            if self.rom["tftp"]["dally_ms"]:
                from pxerom.fetch_end import dally

                dally(self)
        except (Failure, MemoryError, KeyboardInterrupt, Ended) as end:
            from pxerom import fetch_end

            failure, ended = fetch_end.why(self, end, image)
            if failure:
                status = failure.status(self.rom["screen"]["codes"] == "uefi")
        finally:
            sink.abort()
            self.net.close()
            self.flush()
        if status:
            self.event("failed", {"status": status})
        return result(
            self.rom["id"],
            outcome="ok" if image else "failed",
            status=status,
            ended=ended,
            transfers=self.records,
            image=image,
            warnings=self.warnings,
        )

    # --- the requests of one file ------------------------------------------------------------

    def _fetch(self, host, port, filename, room):
        spec = self.rom["tftp"]
        self.server = address(host, port)
        tsize = None
        transfer = None
        if "slash" in spec:
            from pxerom import tftp_quirks

            filename = tftp_quirks.named(filename, spec["slash"])
        for request in spec["requests"]:
            for name, value in request["options"] if QUEUE else ():
                if name.lower() == "windowsize" and int(value) > QUEUE:
                    from pxerom.tftp_quirks import within

                    request = within(QUEUE, request, self.warnings)
            try:
                transfer = tftp.Transfer(filename, request, spec["rollover"], host, room, tsize)
            except ValueError as error:
                raise Refused("Cannot ask for %s: %s." % (filename, error))
            self.transfer = transfer
            self._request = request
            self._record = record = {
                "purpose": request["purpose"],
                "file": filename if isinstance(filename, str) else printable(filename, NAME),
                "server": host,
                "server_port": port,
                "requests": [],
                "outcome": "timeout",
                "retransmits": 0,
                "unreachable": 0,
                "icmp": [],
                "unused": None,  # the server's first packet before any that the ROM took
            }
            self.records.append(self._record)
            # However it ends, the peer gets its last packet and the record is kept.
            began = self.net.now()
            try:
                self._run()
            except (Failure, MemoryError, KeyboardInterrupt, Ended) as end:
                from pxerom.tftp_hazards import last_packet

                record["outcome"], packet, peer = last_packet(transfer, end)
                self._tell(packet, peer)
                raise
            finally:
                if transfer.error:
                    tid = split(transfer.peer)[1]
                    self.event("error", {"server_tid": tid, "error": transfer.error})
                record.update(transfer.figures())
                if self.net.errors:
                    from pxerom import icmp

                    icmp.count(self)
                record["elapsed_ms"] = ticks_diff(self.net.now(), began)
            if transfer.state == tftp.COMPLETE:
                return
            tsize = transfer.tsize
        from pxerom.fetch_end import no_request

        raise no_request(transfer)

    def _run(self):
        # One RRQ and its transfer; returns when the file is whole or the ROM goes on to its next
        # request.
        net = self.net
        transfer = self.transfer
        retry = self.rom["tftp"]["retry"]
        self.phase = retry["size"] if transfer.probe and retry["size"] else retry["open"]
        self._smoothed = self.rom["tftp"].get("timer") == "round_trips"
        if self._smoothed:
            from pxerom.retry_rtt import RttRetry as Timer
        else:
            Timer = Retry
        self.timer = Timer(self.phase["waits_ms"])
        self._ask(True)
        opening = True
        verdict = tftp.DROP
        while True:
            data = sender = None
            if verdict == tftp.BLOCK:
                data, sender = transfer.due() or self._stream()
            if data is None:
                data = self._receive()
                if data is None:
                    return
                sender = net.sender
            verdict = transfer.feed(data, sender, self._now)
            if opening and verdict < tftp.OPENED:
                record = self._record
                if not record["unused"] and split(sender)[0] == record["server"]:
                    record["unused"] = bytes(data[:4]).hex()
            if verdict == tftp.DROP:
                continue
            if verdict == tftp.LAST:
                self._stored(transfer.payload(data))
                if transfer.doubt:
                    self._tell(transfer.reply, transfer.reply_to)
                    raise transfer.doubt
                self._sink.commit()
                self._tell(transfer.reply, transfer.reply_to)  # complete, even if this ACK is lost
            elif transfer.reply is not None:
                net.send(transfer.reply, transfer.reply_to)
            if verdict == tftp.ANSWER:
                continue
            if opening and transfer.state >= tftp.RECEIVING:
                opening = False
                self.phase = retry["read"]
                if not self._smoothed:
                    self.timer = Retry(self.phase["waits_ms"])
                fields = {"server_tid": split(transfer.peer)[1]}
                if transfer.oack is not None:
                    self.event("oack", dict(fields, options=transfer.oack))
                if not transfer.probe:
                    fields.update(blksize=transfer.blksize, oack=transfer.oack is not None)
                    self.event("data", fields)
            if verdict == tftp.END:
                # The ROM itself ends the transfer and goes on.
                self._record["outcome"] = "error"
                if not transfer.error:
                    self._record["outcome"] = "aborted"
                    self.event("aborted", {"error": transfer.sent_error})
                return
            self.timer.restart(self._now)
            if verdict == tftp.BLOCK:
                self._stored(transfer.payload(data))
            elif verdict == tftp.LAST:
                self._record["outcome"] = "ok"
                self._progress()
                return

    def _stream(self):
        # Full blocks in order, nearly all of a transfer, are taken by the engine in one loop with
        # the socket's own functions. (DATA, sender) of what has to be judged, or (None, None).
        net = self.net
        transfer = self.transfer
        count = transfer.streams()
        now = self._now
        wait_ms = min(_SLICE_MS, self.timer.waits_ms[0])
        if (
            count < 1
            or transfer.bytes < END
            or ticks_diff(now, self.due) >= 0
            or (self._end is not None and ticks_diff(self._end, now) < wait_ms)
            or not (functions := net.functions(wait_ms))
        ):
            return None, None
        timed = self.timer.restart if self._smoothed else None
        before = transfer.bytes
        data, sender, error = transfer.stream(
            count, functions, self._image.update, self._sink, timed, net.now, self.due
        )
        self._now = now = net.now()
        if transfer.bytes > before and not timed:
            acked_at = transfer.acked_at
            if acked_at is None:  # usually the receive time-out
                acked_at = ticks_add(now, -functions[1]) if error else now
            self.timer.restart(acked_at)
        if error and (data is None or error.errno in UNREACHABLE):
            net.failed(error)  # any other error comes again at `send`
        if data is not None:
            net.came(data, sender)
        return data, sender

    def _receive(self):
        # The next datagram; None when the ROM goes on to its next request.
        net = self.net
        while True:
            self.flush()
            now = net.now()
            if ticks_diff(now, self.due) >= 0:
                self.tick(now)
            if net.errors:
                from pxerom import icmp

                opened = self.transfer.state >= tftp.RECEIVING
                icmp.came(self, "ack_unreachable" if opened else "rrq_unreachable")
            wait_ms = self.timer.left_ms(now)
            if wait_ms > 0:
                if self._end is not None:
                    wait_ms = max(1, min(wait_ms, ticks_diff(self._end, now)))
                data = net.receive(self.transfer.recv_size, wait_ms)
                if data is not None:
                    self._now = net.now()
                    return data
            elif not self._expired():
                return None

    def _stored(self, view):
        self._image.feed(view, self.transfer.bytes - len(view))
        self._sink.write(view)

    # --- the timer ---------------------------------------------------------------------------

    def _ask(self, new_transfer):
        # Send the RRQ, from the port that the ROM's policy gives it.
        net = self.net
        timer = self.timer
        port = net.open(new_transfer)
        # A ROM that fixes the peer before an OACK or DATA repeats its request to that peer.
        net.send(self.transfer.request, self.transfer.peer or self.server)
        now = net.now()
        timer.sent(now)
        if self._first is None:
            self._first = now
        record = self._record
        options = self._request["options"]
        record["requests"].append(
            {"source_port": port, "at_ms": self.at_ms(now), "options": options}
        )
        self.event(
            "request",
            {
                "purpose": record["purpose"],
                "attempt": len(record["requests"]),
                "source_port": port,
                "server": record["server"],
                "server_port": record["server_port"],
                "file": record["file"],
                "options": options,
            },
        )

    def _expired(self):
        # Nothing came in time: retransmit, or give up. False: on to the ROM's next request.
        timer = self.timer
        transfer = self.transfer
        self.event(
            "timeout",
            {
                "phase": "open" if transfer.state < tftp.RECEIVING else "read",
                "waited_ms": timer.waited_ms(),
            },
        )
        if timer.exhausted():
            if self.phase["then"] == "next":
                return False
            from pxerom.fetch_end import timed_out

            raise timed_out(self, "the ROM gave up")
        self._record["retransmits"] += 1
        if transfer.state >= tftp.RECEIVING:
            if self.net.ports.until_data and not transfer.blocks:
                self.net.open(False)
            self.net.send(transfer.expire(), transfer.peer)
            timer.sent(self.net.now())
        else:
            self._ask(False)
        return True

    def tick(self, now):
        # Ten times a second: the time limit, the progress, the watchdog.
        self.due = ticks_add(now, _TICK_MS)
        if self._end is not None and ticks_diff(self._end, now) <= 0:
            raise Ended()
        if self.transfer and self.transfer.bytes != self._shown:
            self._progress()
        if self.on_wait:
            self.on_wait()

    # --- what is reported --------------------------------------------------------------------

    def event(self, name, fields):
        """Report an event of the transfer that runs."""
        event = {"event": name, "transfer": len(self.records) - 1, "at_ms": self.at_ms()}
        event.update(fields)
        self.emit(event)

    def at_ms(self, now=None):
        if self._first is None:
            return 0
        return ticks_diff(self.net.now() if now is None else now, self._first)

    def _progress(self):
        transfer = self.transfer
        self._shown = transfer.bytes
        self.event(
            "progress",
            {"bytes": transfer.bytes, "total": transfer.tsize, "blocks": transfer.blocks},
        )

    def _tell(self, packet, peer):
        # The last packet to a peer, sent once (R-TFTP-57); it does not matter if that fails.
        if packet is not None:
            try:
                self.net.send(packet, peer)
            except Failure:
                pass

    def flush(self):
        if self.net.trace:
            self.net.trace.flush()
