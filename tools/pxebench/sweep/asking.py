"""Small jobs for a path ("ask" from many ports, "fetch" with a made-up ROM), and their answers.

`sweep` and `diagnose` consist of these. A job runs on any endpoint; the firmware's side is
`pxerom.port_probe`. Every job is traced, so that each answer has its time.

An **ask** is one RRQ from one client port and its outcome, as a dict:

    {"port", "name": IANA name or null, "options", "at_ms",
     "answer": "oack|data|error|other|foreign|unreachable|silent|busy",
     "ms": to the first answer or null, "server_port", "from": another host that answered,
     "error": {"code", "message"} or null, "granted": the OACK's options or null,
     "icmp": the ICMP errors that came (rows of `icmp`),
     "reason": why a busy port could not be used, or null, "id": the same as an id}

1. Any packet from the server counts as an answer, an ERROR too: the path let it through.
2. Ctrl-C ends a job in order; what it had found by then is kept (`Asked.ended`).
"""

import time

from pxebench import icmp
from pxebench.job import EXIT_BENCH, Refused, fetch_job, show
from pxebench.record import Record, client_address
from pxebench.sweep import port_names

ANSWERED = ("oack", "data", "error", "other")
# Above the ports that ROMs count to, in the range of systems' own clients.
HIGH = range(50000, 60000)


def answered(ask):
    """True when the server that was asked sent anything."""
    return ask["answer"] in ANSWERED


class Asked:
    """The outcome of one job: `asks`, `events` (a Record's), `packets`, `result`, `ended`."""

    def __init__(self, client):
        self.asks = []
        self.packets = []
        self.everything = []  # every event, for `path.merge`
        self.result = None
        self.ended = None
        self.start = {}
        self.elapsed_ms = 0
        self._record = Record(client)

    def event(self, event):
        self.everything.append(event)
        self._record.event(event)
        if event["event"] == "packet":
            self.packets.append(event)
        elif event["event"] == "start":
            self.start = event

    @property
    def events(self):
        return self._record.events()


class Target:
    """The file on the server that all jobs ask for, and the endpoint that runs them.

    `run`: an `endpoints.Endpoint`.
    """

    def __init__(self, run, server, port, file, bind=None):
        self.run = run
        self.server = server
        self.port = port
        self.file = file
        self.bind = bind
        # A board tells its own address when it starts.
        found = None if run.elsewhere else client_address(server, bind)
        if found == "0.0.0.0":
            raise Refused(f"This machine has no route to {server}: nothing would leave it.", 3)
        self.client = found
        self.endpoint = None
        self.on_event = None  # gets each event of each job, too
        self.on_wait = None  # is called at least once a second while a job runs

    def ask(self, ports, options, wait_ms, on_ask=None, **more):
        """Ask from each of `ports`; an Asked.  `on_ask` gets each ask as it is answered.

        `more`: gap_ms, hold, max_time_ms of the job; port and file in place of the target's.
        """
        job = {
            **fetch_job({"id": "ask"}, self.server, self.port, self.file, bind=self.bind),
            "job": "ask",
            "ports": port_names.rows(ports),
            "options": options,
            "wait_ms": wait_ms,
            "gap_ms": 0,
            "hold": False,
            "trace": True,
            **more,
        }
        asked = Asked(self.client)

        def on_event(event):
            asked.event(event)
            if event["event"] == "answer":
                asked.asks.append(_of_answer(event, options))
                if on_ask:
                    on_ask(asked.asks[-1])

        self._run(job, asked, on_event)
        asked.result = None
        times = first_answers(asked.packets, self.server)
        for ask in asked.asks:
            first = times.get(ask["port"], [None])[0]  # an ask is one RRQ
            if ask["ms"] is not None and first:
                ask["ms"] = first["ms"]
        return asked

    def fetch(self, rom, max_time_ms, max_bytes=None, on_event=None):
        """Run a fetch job as `rom` (an id or a whole ROM); an Asked with its `result`."""
        job = fetch_job(
            *(rom, self.server, self.port, self.file),
            bind=self.bind,
            max_time_ms=max_time_ms,
            max_bytes=max_bytes,
            trace=True,
        )
        asked = Asked(self.client)

        def listen(event):
            asked.event(event)
            if on_event:
                on_event(event)

        asked.result = self._run(job, asked, listen)
        asked.asks = _of_result(asked.result, asked.packets, self.server)
        return asked

    def _run(self, job, asked, on_event):
        began = time.monotonic()

        def listen(event):
            on_event(event)
            if self.on_event:
                self.on_event(event)

        result = self.run(job, listen, on_wait=self.on_wait)
        asked.elapsed_ms = round((time.monotonic() - began) * 1000)
        status = result["status"]
        if status and not asked.packets and not result["transfers"]:
            # Nothing was sent: a board without a link says nothing about path or server.
            raise Refused(_sentence(status), EXIT_BENCH)
        asked.ended = result.get("ended")
        self.endpoint = result["endpoint"]
        self.client = self.client or asked.start.get("ip")
        return result


def _sentence(status):
    code, detail = status["code"], status.get("detail")
    words = (f"No RRQ could be sent: {code}.", detail, status.get("advice"))
    return show(" ".join(filter(None, words)))


# ---- from events to asks


def _ask(port, options, at_ms, answer):
    return {
        "port": port,
        "name": port_names.name(port),
        "options": options,
        "at_ms": at_ms,
        "answer": answer,
        "ms": None,
        "server_port": None,
        "from": None,
        "error": None,
        "granted": None,
        "icmp": [],
        "reason": None,
        "id": None,
    }


def _of_answer(event, options):
    ask = _ask(event["source_port"], options, event["at_ms"], event["kind"])
    for name in ("ms", "server_port", "error", "reason", "id"):
        ask[name] = event.get(name)
    # Earlier firmware reports only that an ICMP error came.
    known = event.get("icmp") or ([{}] if ask["answer"] == "unreachable" else [])
    ask["icmp"] = icmp.total(known)
    ask["granted"] = event.get("options")
    ask["from"] = event.get("host") if ask["answer"] == "foreign" else None
    return ask


def first_answers(packets, server):
    """{client port: [what first answered each of its RRQs: {"ms", "server_port", "opcode",
    "host"} or None]}, in the order in which they were sent.

    The server's own answer takes precedence over another host's, however late it is. What a TID
    sends that has answered an earlier RRQ from this port, with data of its own, is that transfer's
    and no answer; but for the port that was asked, where single-port servers answer from.
    """
    asked, found, spoke = {}, {}, {}
    for packet in packets:
        port = packet["local_port"]
        opcode = packet["data"][:4]
        if packet["dir"] == "out" and opcode == "0001":
            earlier = [each for each in found.get(port, ()) if each and each["host"] == server]
            spoke[port] = {each["server_port"] for each in earlier} - {packet["port"]}
            asked[port] = packet["t_us"]
            found.setdefault(port, []).append(None)
        elif packet["dir"] == "in" and port in asked:
            known = found[port][-1]
            own = packet["host"] == server
            if own and packet["port"] in spoke[port]:
                continue
            if known is None or (own and known["host"] != server):
                found[port][-1] = {
                    "ms": round((packet["t_us"] - asked[port]) / 1000, 1),
                    "server_port": packet["port"],
                    "opcode": opcode,
                    "host": packet["host"],
                }
    return found


_OPCODES = {"0003": "data", "0005": "error", "0006": "oack"}


def _of_result(result, packets, server):
    """The asks of a boot: a request that another followed in its transfer was not answered."""
    first = first_answers(packets, server)
    found = []
    sent = {}  # client port: how many RRQs of it are done
    for transfer in result["transfers"]:
        for number, request in enumerate(transfer["requests"]):
            port = request["source_port"]
            ask = _ask(port, request["options"], request["at_ms"], "silent")
            if not number:  # which RRQ of a transfer an ICMP error is for is not known
                ask["icmp"] = transfer["icmp"]
            last = number == len(transfer["requests"]) - 1
            nth = sent.get(port, 0)
            sent[port] = nth + 1
            answers = first.get(port, [])
            answer = answers[nth] if nth < len(answers) else None
            if transfer["server_tid"] is not None and not last:
                answer = None
            if answer and answer["host"] == server:
                ask["answer"] = _OPCODES.get(answer["opcode"], "other")
                ask["ms"], ask["server_port"] = answer["ms"], answer["server_port"]
                if ask["answer"] == "error":
                    ask["error"] = transfer["error"]
                ask["granted"] = transfer["oack"] if ask["answer"] == "oack" else None
            elif answer:
                ask.update({"answer": "foreign", "from": answer["host"], "ms": answer["ms"]})
                ask["server_port"] = answer["server_port"]
            elif transfer["unreachable"] >= number + 1:
                ask["answer"] = "unreachable"
            found.append(ask)
    return found


def free_again(ask):
    """True when a busy port may be free a moment later, or another one will do."""
    return ask["answer"] == "busy" and ask["id"] == "port_in_use"


def strip(asks):
    """One entry a port, ascending: its most telling ask, with how often it was asked and answered.

    A port that was answered once is answered: an earlier silence was a lost packet.
    """
    order = ("silent", "busy", "unreachable", "foreign", "other", "error", "data", "oack")
    by_port = {}
    for ask in asks:
        by_port.setdefault(ask["port"], []).append(ask)
    found = []
    for port in sorted(by_port):
        mine = by_port[port]
        best = max(mine, key=lambda ask: order.index(ask["answer"]))
        count = sum(answered(ask) for ask in mine)
        found.append({**best, "asked": len(mine), "answered": count})
    return found


def server_ports(asks):
    """Which ports of the server the answers came from, in figures; None without any answer."""
    seen = sorted(ask["server_port"] for ask in asks if answered(ask) and ask["server_port"])
    if not seen:
        return None
    return {"least": seen[0], "most": seen[-1], "count": len(seen), "different": len(set(seen))}
