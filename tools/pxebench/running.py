"""Running one job and showing it: what `fetch`, `boot` and `board run` do alike.

The job's events go to the view, to the record for `--json` and to the capture for `--pcap`. When
it is over, the result is completed, explained and written.
"""

import errno
import shlex
import socket
import sys
import time

from pxebench import advice, colour, job, outputs
from pxebench.job import EXIT_BENCH, EXIT_FAILED, EXIT_OK, Refused


def run_job(endpoint, todo, rom, json_path, pcap, quiet, server_pcap=(), **more):
    """Run a job and show it; the exit code.  `endpoint`: an `Endpoint`; `todo`: the job; `rom`:
    flat, its screen; `server_pcap`: captures of other hops, to be read when the boot is over;
    `more`: `verbose`, each packet as a line; `starts`, an `images.Starts`; `words`, those of the
    command line that diagnose takes as well; `run`, what calls the endpoint, where a boot has to
    see each event first."""
    from pxebench.live import Waiting
    from pxebench.record import Record, client_address, command, headed
    from pxebench.view import View

    began = time.time()
    to_stdout = "-" in (json_path, todo["sink"].get("path"))
    waiting = Waiting(rom, todo.get("max_time_ms"))
    view = View(None if quiet or to_stdout else rom, not quiet, waiting)
    known = job.Witness()
    listeners = [known.event, view.event]
    client = None  # a ROM that boots has no address yet
    # A board says its address when it starts.
    if todo["job"] == "fetch" and not endpoint.elsewhere:
        _check_way(todo["server"], todo.get("bind"))
        client = client_address(todo["server"], todo.get("bind"))
    kept = Record(client) if json_path or server_pcap else None
    if kept:
        listeners.append(kept.event)
    if more.get("verbose"):
        from pxebench.packet_lines import PacketLines

        todo = {**todo, "trace": True}
        listeners.append(PacketLines(view.say, client).event)
    capture = None
    if pcap:
        from pxebench.captures.pcap import Capture

        capture = Capture(client or "0.0.0.0", rom)
        listeners.append(capture.event)
    try:
        with outputs.to_stdout(todo) as wanted, outputs.claimed(wanted["sink"].get("path")):
            result = _run(
                *(more.get("run") or endpoint, endpoint.kind, wanted, known, listeners),
                on_wait=view.wait,
            )
        result = more["starts"].judged(result) if more.get("starts") else result
        result = advice.fitted(result, todo, more.get("words", ()))
    finally:
        view.close()

    # Of a success, JSON on stdout says enough; a failure is always explained.
    code = job.exit_code(result)
    client = client or known.start.get("ip") or (result["lease"] or {}).get("ip")
    if code != EXIT_OK or not (quiet or to_stdout):
        _explain(result, code, todo, endpoint, None if server_pcap else client, json_path)
    if capture:
        outputs.store("--pcap", pcap, lambda: capture.write(pcap))
    events = kept.events() if kept else []
    unread = None
    if server_pcap:
        try:
            _follow(result, events, server_pcap, client, todo, to_stdout)
        except Refused as refused:  # the result is written in any case
            later = _later(json_path, server_pcap)
            message = f"{refused.message} Once it is here: `{later}`."
            unread = Refused(message, refused.exit_code)
    if json_path:
        server = todo.get("server") or (result.get("boot") or {}).get("server")
        result = headed(todo["job"], result, server, began)
        result = {**result, "command": command(), "events": job.ordered(events)}
        outputs.store_json(json_path, result)
    if unread:
        raise unread
    return code


def _check_way(server, bind):
    """Refuse a server to which there is no route: the ROM would only time out."""
    if int(server.partition(".")[0]) >= 224:  # no address to send to: the firmware refuses it
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((bind or "0.0.0.0", 0))
        except OSError:  # refused by the firmware, with its port
            return
        try:
            probe.connect((server, 9))  # sends nothing
        except OSError as error:
            if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL):
                sender = bind or "this machine"
                raise Refused(
                    f"There is no route from {sender} to {server}.", EXIT_BENCH
                ) from None


def _run(run, kind, todo, known, listeners, on_wait):
    """The result of the job, from its endpoint, or from what is known when that was ended."""
    from pxebench.endpoints import ended_by

    def on_event(event):
        for listener in listeners:
            listener(event)

    try:
        return run(todo, on_event, on_wait=on_wait)
    except KeyboardInterrupt:  # a second Ctrl-C, or one before the ROM was ready for it
        return ended_by("user", known, todo, kind)


def _explain(result, code, todo, endpoint, client, json_path):
    """The closing words, and for a boot without an answer the capture that shows where it was
    lost. `client`: the ROM's address, or None for no such capture."""
    from pxebench.view import Writer, summary

    say = Writer(sys.stderr)
    first, *lines = summary(result, todo["sink"].get("path"))
    good = result["outcome"] == "ok"
    word = "Fetched" if good else (result["status"] or {}).get("code") or "ended"
    paint = colour.Paint(sys.stderr)
    say.wrapped(first, "", lambda lines: paint.verdict(lines, word, good))
    for line in lines:
        say.wrapped(line, " " * 11)
    silent = code == EXIT_FAILED and (result["status"] or {}).get("reason") == "no_reply"
    if silent and endpoint.elsewhere:
        say.line("  note     A board's network stack keeps ICMP to itself: a port on which nobody")
        say.line("           listens looks the same as answers that are dropped.")
    if silent and client and not client.startswith("127."):
        from pxebench.hops.path import tcpdump

        say.line(f"  decide   {tcpdump(client)}")
        say.line("           run at the server during a boot with --server-pcap server.pcap, it")
        say.line("           says whether the requests arrive there and the answers are dropped.")
        say.line(
            "           Where that file comes later: boot with --json result.json --pcap x.pcap"
        )
        say.line(f"           and then `{_later(json_path)}`.")


def _later(json_path, captures=("server.pcap",)):
    # The command that reads captures of other hops later.
    kept = json_path if json_path and json_path != "-" else "result.json"
    words = [word for capture in captures for word in ("--server-pcap", capture)]
    return shlex.join(["pxebench", "report", kept, *words, "-o", "report.html"])


def _follow(result, events, captures, client, todo, to_stdout):
    """Put the path of each packet through the captures into `result["path"]`, and print it."""
    from pxebench.hops import path, path_words
    from pxebench.view import Writer

    server = todo.get("server") or (result.get("boot") or {}).get("server")
    result["path"] = path.of_run(events, captures, client, server)
    if not to_stdout:
        for line in path_words.lines(result["path"]):
            Writer(sys.stderr).line(line)
