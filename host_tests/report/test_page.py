"""`pxebench report`: what stands on the page, for every kind of result, whatever stands in it."""

import gzip
import html.parser
import json
import re
from pathlib import Path

import pytest
from pxebench.captures import packets
from pxebench.job import Refused
from pxebench.report import document
from pxebench.storm.summary import rows_of

from host_tests.report import results, wire

_CAPTURES = Path(__file__).parents[1] / "captures"
KINDS = sorted(results.all_kinds())


class Reader(html.parser.HTMLParser):
    """What a page consists of: its elements, and its text without that in pictures."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []
        self._inside = []
        self.feed(text)
        text = "".join(self.text).replace("\N{NON-BREAKING HYPHEN}", "-")
        self.words = " ".join(text.split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attributes]
        if tag in ("style", "svg"):
            self._inside.append(tag)

    def handle_endtag(self, tag):
        if tag in self._inside:
            self._inside.pop()

    def handle_data(self, data):
        if not self._inside:
            self.text.append(data)


def _page(tmp_path, *found, captures=()):
    sections = []
    for number, result in enumerate(found):
        path = tmp_path / f"result{number}.json"
        lines = result if isinstance(result, list) else [result]
        path.write_text("\n".join(json.dumps(line) for line in lines))
        sections.append(document.section(path, captures))
    return document.page(sections)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_result_has_its_verdict_first(tmp_path, kind):
    page = Reader(_page(tmp_path, results.all_kinds()[kind]))
    verdicts = {
        "fetch": "The boot failed with PXE-E32: TFTP open timeout.",
        "traced": "Fetched undionly.kpxe from 10.254.52.26.",
        "boot": "Fetched undionly.kpxe from 10.254.52.26.",
        "sweep": "The border lies between 32768 (silent) and 32769 (answered), after 17 RRQs.",
        "diagnose": "Answers to client ports 2070-2078 are dropped. undionly.kpxe",
        "explain": "client-port-filter: Answers to client ports 2070-2078 are dropped.",
        "compare": "One difference.",
        "compat": "1 of 2 ROMs boot.",
        "watch": "It fails since 2026-11-23T23:00:00Z; 22 of 24 boots went well.",
        "storm": "2 of 3 booted.",
        "fleet": "1 of 4 booted.",
    }
    assert page.tags.count("h1") == 1
    first = page.words.index(verdicts[kind], page.words.index("pxebench report"))
    for later in ("The client's ports", "Packet by packet", "The raw data", "How to repeat it"):
        assert page.words.find(later) in (-1, *range(first, len(page.words)))


def test_compat_names_the_window_in_effect_beside_the_blksize(tmp_path):
    found = results.compat()
    found["rows"][1].pop("windowsize")  # a result of an older version
    words = Reader(_page(tmp_path, found)).words
    assert "blksizewindowtime" in words  # the cells of a row, without what is between them
    assert "2070, 20711456412 ms" in words and "2070, 20711456--" in words


@pytest.mark.parametrize("text", results.HOSTILE)
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_text_is_shown_and_nothing_of_it_is_interpreted(tmp_path, kind, text):
    harmless, hostile = (
        Reader(_page(tmp_path, results.all_kinds(words)[kind])) for words in ("x", text)
    )
    # The same elements with the same attributes: text has become nothing but text.
    assert hostile.tags == harmless.tags
    assert len(hostile.attributes) == len(harmless.attributes)
    assert not {"script", "img", "iframe", "link", "object", "form"}.intersection(hostile.tags)
    assert not [name for _, name, _ in hostile.attributes if name.startswith("on")]
    for tag, name, value in hostile.attributes:
        if name in ("href", "src", "action"):
            assert (tag, name) == ("a", "href") and re.fullmatch(r"#result-\d+", value)
    from pxebench.job import show

    assert " ".join(show(text).split()) in hostile.words
    page = _page(tmp_path, results.all_kinds(text)[kind])
    assert all(c.isprintable() or c == "\n" for c in page)
    page.encode("utf-8")


@pytest.mark.parametrize("kind", ["storm", "fleet"])
def test_both_pictures_of_many_machines_have_one_axis(tmp_path, kind):
    found = results.all_kinds()[kind]
    longest = max(row["at_ms"] + row["ms"] for row in rows_of(found) if row["ms"])
    assert longest > len(found["curve"]) * found["curve_ms"]  # the bytes end before the last bar
    page = _page(tmp_path, found)
    assert page.count(f"<span>{longest / 1000:.1f} s</span>") == 2
    last = re.findall(r'class="bar" x="([\d.]+)"', page)[-1]
    assert float(last) < 1000 * len(found["curve"]) * found["curve_ms"] / longest


def test_policy_allows_the_pages_own_style_and_nothing_else(tmp_path):
    import base64
    import hashlib

    page = _page(tmp_path, results.all_kinds()["fetch"])
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page).group(1)
    style = re.search(r"<style>(.*?)</style>", page, re.S).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert " style=" not in page and "<script" not in page and "http" not in style


def test_ladder_tells_every_packet_with_its_time_and_its_ports(tmp_path):
    page = Reader(_page(tmp_path, results.fetch(wire.blocked())))
    for words in (
        "0.000 s RRQ from the ROM's port 2070 to the server's port 69 undionly.kpxe, tsize 0",
        "2.03 s pause +2.030 s RRQ from the ROM's port 2071",
        "+6.040 s RRQ from the ROM's port 2072 to the server's port 69",
    ):
        assert words in page.words
    assert page.words.count("no answer") >= 3
    svg = [value for tag, name, value in page.attributes if tag == "line" and name == "class"]
    assert svg.count("wire out unknown") == 3


def test_captures_of_other_hops_make_lanes_and_crosses(tmp_path):
    run = wire.blocked()
    from pxebench.captures import packets

    captures = [packets.read(run.pcap(tmp_path / "server.pcap"))]
    page = Reader(_page(tmp_path, results.fetch(run), captures=captures))
    svg = [value for tag, name, value in page.attributes if name == "class"]
    assert svg.count("wire in lost") == 6 and svg.count("cross") == 6
    assert "wire out unknown" not in svg
    assert page.words.count("lost between server and ROM") == 6
    assert "6 answers to client ports 2070-2072 passed server.pcap" in page.words
    assert "taken at the server, or beside it" in page.words


def test_long_transfer_folds_its_blocks_and_keeps_the_page_small(tmp_path):
    page = _page(tmp_path, results.fetch(wire.booted(blocks=3000), outcome="ok"))
    assert len(page) < 900_000
    words = Reader(page).words
    assert "DATA 1" in words and "DATA 3000" in words
    assert re.search(r"DATA \d+ \.\.\. \d+ \d+ DATA and \d+ ACK in \d+ ms", words)


def test_silence_without_a_capture_says_what_would_decide_it(tmp_path):
    words = Reader(_page(tmp_path, results.fetch(wire.blocked()))).words
    assert "tcpdump -ni any -s 0 -w server.pcap 'host 10.55.32.175 and (udp or icmp)'" in words


def test_strip_says_in_words_what_it_shows(tmp_path):
    words = Reader(_page(tmp_path, results.sweep())).words
    assert "Client ports: 1024 to 1100 no answer; 2070 to 2078 no answer; 32769 answered;" in words


def test_several_results_get_an_index_that_leads_to_each(tmp_path):
    page = Reader(_page(tmp_path, *results.all_kinds().values()))
    links = [value for tag, name, value in page.attributes if (tag, name) == ("a", "href")]
    places = [value for tag, name, value in page.attributes if (tag, name) == ("article", "id")]
    assert links == ["#" + place for place in places] and len(links) == len(KINDS)
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_result_is_one_sentence(tmp_path, kind):
    found = results.all_kinds()[kind]
    whole = found[-1] if isinstance(found, list) else found
    path = tmp_path / "damaged.json"
    for name in whole:
        for damage in ("gone", 17, "text", None, [], {}, [None], [17]):
            broken = {
                key: value for key, value in whole.items() if key != name or damage != "gone"
            }
            if damage != "gone":
                broken[name] = damage
            path.write_text(json.dumps(broken))
            try:
                document.page([document.section(path)])
            except Refused as refused:
                assert "damaged.json" in refused.message and "\n" not in refused.message


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "hello", "[1, 2]", '{"schema": 1}', "[" * 100000, "null", "\x00"]
)
def test_what_is_no_result_is_refused(bench, content):
    (bench.folder / "x.json").write_text(content)
    run = bench("report", "x.json")
    assert run.returncode == 2
    assert run.stderr.startswith("pxebench: x.json is no result of pxebench")
    assert not (bench.folder / "report.html").exists()


def test_command_writes_the_page_and_refuses_to_overwrite_a_result(bench, served):
    bench.fetch(served.url("small.bin"), "--json", "r.json", "--pcap", "x.pcap", "-q")
    run = bench("report", "r.json")
    assert run.returncode == 0 and run.stdout == ""
    assert re.fullmatch(r"report.html: 1 result, \d+ KiB.\n", run.stderr)
    page = (bench.folder / "report.html").read_text()
    assert "Fetched small.bin from 127.0.0.1." in page and "DATA 8" in page
    assert bench("report", "r.json", "-o", "-").stdout == page
    assert bench("report", "r.json", "-o", "r.json").returncode == 2
    assert bench("report", "r.json", "-o", ".").returncode == 3
    assert bench("report", "none.json").returncode == 2
    assert bench("report").returncode == 2
    assert bench("report", "r.json", "--server-pcap", "r.json").returncode == 2
    assert json.loads((bench.folder / "r.json").read_text())["outcome"] == "ok"


def test_capture_that_no_result_can_use_is_not_passed_over(bench, served):
    """A result of compat keeps no packets: what it cannot show is said, and by what else."""
    (bench.folder / "c.json").write_text(json.dumps(results.compat()))
    bench.fetch(served.url("small.bin"), "--json", "r.json", "--pcap", "x.pcap", "-q")
    run = bench("report", "c.json", "--server-pcap", "x.pcap")
    assert run.returncode == 2 and not (bench.folder / "report.html").exists()
    assert "--server-pcap is of no use for c.json: a result of compat keeps no" in run.stderr
    assert "`pxebench explain CAPTURE`" in run.stderr
    run = bench("report", "c.json", "r.json", "--server-pcap", "x.pcap")
    assert run.returncode == 0
    assert "no use for c.json:" in run.stderr and "r.json" not in run.stderr


@pytest.mark.parametrize("capture", ["edk2-4011", "atftp-normal", "slof-blackhole"])
@pytest.mark.parametrize("kind", ["fetch", "boot", "diagnose", "sweep"])
def test_capture_of_another_boot_is_said_to_be_one(tmp_path, kind, capture):
    """Not "damaged", and no word of packets that were lost on the way."""
    path = tmp_path / f"{capture}.pcap"
    path.write_bytes(gzip.decompress((_CAPTURES / f"{capture}.pcap.gz").read_bytes()))
    (tmp_path / "result.json").write_text(json.dumps(results.all_kinds()[kind]))
    section = document.section(str(tmp_path / "result.json"), [packets.read(str(path))])
    words = Reader(document.page([section])).words
    assert f"{path.name} holds nothing of this run: it was taken elsewhere" in words
    assert "dropped between" not in words and "damaged" not in words


def test_first_card_says_when_what_was_seen_and_of_which_server(tmp_path):
    found = results.all_kinds()["diagnose"]
    page = Reader(_page(tmp_path, found)).words
    first = page[: page.index("Packet by packet")]
    assert found["started"] in first
    assert found["verdict"]["explains"][0] in first
    assert found["server"] in first
    failed = Reader(_page(tmp_path, results.all_kinds()["fetch"])).words
    first = failed[: failed.index("Packet by packet")]
    assert "undionly.kpxe" in first and "10.254.52.26, UDP port 69" in first


def test_notes_of_a_comparison_do_not_stand_before_its_differences(tmp_path):
    found = results.all_kinds()["compare"]
    found["notes"] = [f"transfer 1, packet {n}: only in the reference" for n in range(200)]
    page = Reader(_page(tmp_path, found)).words
    assert page.index("Differences") < page.index("Not the client's doing (200 lines)")


def test_long_table_is_folded_and_a_short_one_is_not(tmp_path):
    found = results.all_kinds()["sweep"]
    (entry, *_) = found["ports"]
    found["ports"] = [{**entry, "port": 3000 + n} for n in range(60)]
    tags = Reader(_page(tmp_path, found))
    assert "60 rows" in tags.words
    found["ports"] = found["ports"][:9]
    assert "rows" not in Reader(_page(tmp_path, found)).words


def test_history_says_how_to_repeat_it(tmp_path):
    history = results.all_kinds()["watch"]
    page = Reader(_page(tmp_path, history)).words
    last = history[-1]
    assert f"pxebench watch --server {last['server']} --file {last['file']}" in page


def test_history_with_a_damaged_line_is_shown_without_it(tmp_path):
    lines = [json.dumps(one).encode() for one in results.all_kinds()["watch"]]
    damaged = b'\n\xff\xfe\x00garbage\n[1]\n{"kind": "watch", "schema": 1, "when": 5}\n{"sch'
    (tmp_path / "h.jsonl").write_bytes(b"\n".join(lines) + damaged)
    section = document.section(tmp_path / "h.jsonl")
    assert len(section["raw"][0]["lines"]) == len(lines)


def test_device_that_never_ends_is_no_result():
    with pytest.raises(Refused, match="larger than any result"):
        document.read("/dev/zero")
