"""What a page says first, and to whom: the proof, then the rule, then all products, then why."""

import json

from pxebench.report import document

from host_tests.report import results
from host_tests.report.test_page import Reader


def _page(tmp_path, *found, **more):
    sections = []
    for number, result in enumerate(found):
        path = tmp_path / f"result{number}.json"
        lines = result if isinstance(result, list) else [result]
        path.write_text("\n".join(json.dumps(line) for line in lines))
        sections.append(document.section(path))
    return document.page(sections, **more)


def test_proof_stands_before_the_rule_and_the_rule_before_why(tmp_path):
    words = Reader(_page(tmp_path, results.diagnose())).words
    titles = (
        "Answers to client ports 2070-2078 are dropped.",
        "Packet by packet",
        "The client's ports",
        "The border: 2072 silent, 50000 answered, found with 17 RRQs.",
        "What to ask for",
        "nft add rule",
        "In other products' words",
        "Why",
        "What was tried",
        "The raw data",
    )
    places = [words.index(title) for title in titles]
    assert places == sorted(places)


def test_what_explain_has_seen_stands_before_the_rule(tmp_path):
    words = Reader(_page(tmp_path, results.explain())).words
    assert words.index("How far it came") < words.index("What to ask for") < words.index("Why")


def test_firewalls_owners_get_three_sentences(tmp_path):
    words = Reader(_page(tmp_path, results.diagnose(""))).words
    assert (
        "10.55.32.175 cannot load its boot file from the TFTP server 10.254.52.26 (seen at "
        "2026-11-23T23:40:00Z); its boot ROM: Intel UNDI. "
        "Answers to client ports 2070-2078 are dropped. "
        "Please let UDP from 10.254.52.26 (any port) to 10.55.32.175, ports 2070-2078, through"
    ) in " ".join(words.split())
    assert "cannot load its boot file" not in _page(tmp_path, results.diagnose(cause="loss"))


def test_a_history_on_the_same_page_says_since_when(tmp_path):
    page = _page(tmp_path, results.diagnose(""), results.watch())
    assert "from the TFTP server 10.254.52.26, since 2026-11-23T23:00:00Z; its" in page
    history = results.watch()[:-1]  # the last boot went well
    assert "(seen at 2026-11-23T23:40:00Z)" in _page(tmp_path, results.diagnose(""), history)


def test_nobody_is_asked_where_the_servers_owner_can_help_himself(tmp_path):
    found = results.diagnose(cause="few-at-once")
    rules = found["verdict"]["rules"]
    rules["least"] = None
    rules["items"] = [item for item in rules["items"] if item["where"] == "server"]
    words = Reader(_page(tmp_path, found)).words
    assert "What to do" in words and "What to ask for" not in words


def test_backticks_of_a_sentence_become_code(tmp_path):
    found = results.diagnose()
    found["verdict"]["unknown"] = ["Run `pxebench sweep` & see `<b>`."]
    page = _page(tmp_path, found)
    assert "Run <code>pxebench sweep</code> &amp; see <code>&lt;b&gt;</code>." in page


def test_title_and_note_are_the_users_own_words(tmp_path):
    page = _page(tmp_path, results.compat(), title="Room <4>", note="INC-4711 & more")
    assert "<title>Room &lt;4&gt;</title>" in page
    assert '<h1 class="net">Room &lt;4&gt;</h1>' in page and "INC-4711 &amp; more" in page
    assert page.count("<h1") == 1


def test_two_captures_stand_side_by_side(tmp_path):
    page = _page(tmp_path, results.compare())
    words = Reader(page).words
    assert "Side by side: request 2" in words and "40 alike" in words
    assert "2.000to the server: RRQ from port 2071" in words
    assert page.count('class="wire in"') == 2  # the server's DATA, in both


def test_every_boot_of_a_history_is_a_bar_though_all_failed(tmp_path):
    failed = [one for one in results.watch() if one["outcome"] == "failed"]
    page = _page(tmp_path, failed)
    assert page.count('class="bar failed"') == len(failed) == 2
    assert "2 boots, 2 failed; a bar with a cross is a boot that failed." in page
    assert page.count('class="cross"') == 2


def test_compat_has_its_marks_its_client_and_its_date(tmp_path):
    page = Reader(_page(tmp_path, results.compat()))
    assert "✓ yes" in page.words and "✕ no" in page.words
    assert "when2026-11-23T23:40:00Z" in page.words and "client10.55.32.175" in page.words
    kinds = {value for tag, name, value in page.attributes if (tag, name) == ("th", "class")}
    assert {"", "more", "figure more"} <= kinds  # a phone has ROM, mark and why
