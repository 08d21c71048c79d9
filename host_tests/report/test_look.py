"""The page in a real browser: nothing scrolls sideways, nothing is loaded, nothing runs.

LOOK=folder keeps the pictures there, to be looked at by a person.
"""

import json
import os

import pytest
from pxebench.captures import packets
from pxebench.report import document

from host_tests.lab import programs
from host_tests.report import results, wire
from host_tests.report.browser import browser

WIDTHS = (320, 400, 800, 1200)
_AXE = programs.ROOT / ".tools/axe/axe.min.js"


@pytest.fixture(scope="module")
def chromium():
    with browser() as made:
        yield made


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """{name: path} of a page for each kind, of long words, of captures, of each hostile text."""
    folder = tmp_path_factory.mktemp("pages")
    long = "averyveryverylongfilename" * 5

    def write(name, found, captures=()):
        sections = []
        for number, result in enumerate(found):
            path = folder / f"{name}-{number}.json"
            lines = result if isinstance(result, list) else [result]
            path.write_text("\n".join(json.dumps(line) for line in lines))
            sections.append(document.section(path, captures))
        page = folder / f"{name}.html"
        page.write_text(document.page(sections), encoding="utf-8")
        return page

    run = wire.blocked()
    captures = [
        packets.read(run.pcap(folder / "the-firewall-between-us-inside.pcap", ttl=63)),
        packets.read(run.pcap(folder / "the-firewall-between-us-outside.pcap", ttl=63)),
        packets.read(run.pcap(folder / "server.pcap")),
    ]
    made = {kind: write(kind, [found]) for kind, found in results.all_kinds().items()}
    made["long"] = write("long", list(results.all_kinds(long).values()))
    made["captures"] = write("captures", [results.fetch(run)], captures)
    for number, text in enumerate(results.HOSTILE):
        made[f"hostile{number}"] = write(
            f"hostile{number}", list(results.all_kinds(text).values())
        )
    return made


def _keep(page, name):
    folder = os.environ.get("LOOK")
    if folder:
        page.picture(os.path.join(folder, f"{name}.png"))


NAMES = (*sorted(results.all_kinds()), "long", "captures")


@pytest.mark.parametrize("name", NAMES)
def test_page_fits_every_width_in_light_and_dark(chromium, pages, name):
    for scheme in ("light", "dark"):
        for width in WIDTHS:
            page = chromium.open(pages[name], width, 900, scheme)
            assert page.ask("document.documentElement.scrollWidth") <= width
            # Nothing but what may scroll by itself reaches beyond the edge.
            beyond = page.ask(
                "[...document.querySelectorAll('body *')].filter(e => !e.closest('.wide, .sr') &&"
                f" e.getBoundingClientRect().right > {width} + 1).map(e => e.outerHTML)"
                ".slice(0, 2)"
            )
            assert beyond == []
            assert page.requests == [] and page.complaints == []
            if width in (400, 1200):
                _keep(page, f"{name}-{scheme}-{width}")
            page.close()


@pytest.mark.parametrize("number", range(len(results.HOSTILE)))
def test_nothing_runs_and_nothing_is_loaded_whatever_the_text(chromium, pages, number):
    page = chromium.open(pages[f"hostile{number}"], 400)
    assert page.requests == [] and page.complaints == []
    assert page.ask("document.title") == f"{len(results.all_kinds())} results of pxebench"
    assert page.ask("document.scripts.length + document.images.length") == 0
    assert page.ask("document.documentElement.scrollWidth") <= 400
    page.close()


def test_policy_stops_a_script_that_got_into_the_page_all_the_same(chromium, pages, tmp_path):
    # That the browser enforces it, and that this test would see a script that runs.
    text = pages["fetch"].read_text()
    script = "<script>document.title='run'</script><img src='http://127.0.0.1:9/x'></main>"
    (tmp_path / "with.html").write_text(text.replace("</main>", script))
    page = chromium.open(tmp_path / "with.html")
    assert page.ask("document.title") != "run"
    assert page.complaints
    page.close()
    start = text.index("<meta http-equiv")
    without = text[:start] + text[text.index(">", start) + 1 :]
    (tmp_path / "without.html").write_text(without.replace("</main>", script))
    page = chromium.open(tmp_path / "without.html")
    assert page.ask("document.title") == "run"
    assert page.requests == ["http://127.0.0.1:9/x"]
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["diagnose", "captures", "compat", "watch", "storm", "fleet"])
def test_text_has_the_contrast_that_reading_needs(chromium, pages, name, scheme):
    page = chromium.open(pages[name], 1200, 900, scheme)
    poor = page.ask(_CONTRAST)
    assert poor == []
    page.close()


# WCAG 2.1 §1.4.3: 4.5 to 1. Backgrounds that let through are laid on what is behind them.
_CONTRAST = """
(() => {
  const parse = c => c.match(/[\\d.]+/g).map(Number);
  const behind = e => {
    let stack = [];
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      stack.push(c);
      if (c.length < 4 || c[3] === 1) break;
    }
    let [r, g, b] = stack.pop();
    for (const c of stack.reverse()) {
      const a = c.length < 4 ? 1 : c[3];
      [r, g, b] = [0, 1, 2].map(i => c[i] * a + [r, g, b][i] * (1 - a));
    }
    return [r, g, b];
  };
  const light = c => {
    const [r, g, b] = c.slice(0, 3).map(v => {
      v /= 255;
      return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const poor = [];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    const svg = e instanceof SVGElement;
    const ink = parse(getComputedStyle(e)[svg ? 'fill' : 'color']);
    const [a, b] = [light(ink), light(behind(svg ? e.closest('span, div') : e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push([e.tagName, e.textContent.slice(0, 30), ratio]);
  }
  return poor.slice(0, 5);
})()
"""


# Every kind is in `long`.
@pytest.mark.parametrize(
    ("name", "scheme", "width"),
    [
        ("long", "dark", 400),
        ("diagnose", "light", 1200),
        ("captures", "light", 1200),
    ],
)
def test_page_keeps_every_rule_of_accessibility_that_axe_knows(
    chromium, pages, name, scheme, width
):
    page = chromium.open(pages[name], width, 900, scheme)
    page.ask(_AXE.read_text("utf-8") + ";0")
    found = page.ask(
        # What is folded is looked at too (long tables are as short ones), and a product.
        "document.querySelectorAll('details').forEach(e => e.open = !e.querySelector('table'));"
        "document.querySelectorAll('.products input').forEach(e => e.checked = true);"
        "axe.run({resultTypes: ['violations']}).then(r => ({seen: r.passes.length,"
        "broken: r.violations.map(v => [v.id, v.help, v.nodes.map(n => n.html).slice(0, 3)])}))"
    )
    assert found["broken"] == [] and found["seen"] > 10
    page.close()


def test_headings_follow_one_another_and_pictures_have_their_text(chromium, pages):
    page = chromium.open(pages["long"])
    levels = page.ask("[...document.querySelectorAll('h1,h2,h3,h4')].map(e => +e.tagName[1])")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
    bare = page.ask(
        "[...document.querySelectorAll('svg')].filter(e => !e.closest('[aria-hidden]') &&"
        " !e.getAttribute('aria-label')).length"
    )
    assert bare == 0
    assert page.ask("document.documentElement.lang") == "en"
    page.close()


def test_paper_is_not_cut_and_the_raw_data_stays_folded(chromium, pages, tmp_path):
    for name in ("diagnose", "captures", "traced", "storm", "fleet"):
        page = chromium.open(pages[name], scheme="dark")
        count = page.paper(tmp_path / "page.pdf")
        folder = os.environ.get("LOOK")
        if folder:
            page.paper(os.path.join(folder, f"{name}.pdf"))
        assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF-")
        assert 1 <= count <= 8
        page.close()


def test_paper_keeps_its_tables_and_leaves_folds_out(chromium, pages):
    """A4 is as narrow as a phone: a row of a table stays a row, and its heading stands above."""
    for name in ("storm", "watch", "compat"):
        page = chromium.open(pages[name], 720)
        page.media("print")
        shown = "getComputedStyle(document.querySelector('{}')).display"
        assert page.ask(shown.format("table:not(.beside) tr")) == "table-row"
        assert page.ask(shown.format("thead")) == "table-header-group"
        assert page.ask(shown.format(".folded")) == "none"
        assert page.ask("document.documentElement.scrollWidth") <= 720
        page.close()


def test_phone_shows_of_a_long_table_what_matters_on_the_way(chromium, pages):
    for name, shown in (("storm", 2), ("fleet", 2), ("watch", 3), ("compat", 3)):
        page = chromium.open(pages[name], 400)
        count = (
            "[...document.querySelector('.brief tbody tr').cells]"
            ".filter(e => e.getClientRects().length).length"
        )
        assert page.ask(count) == shown
        page.close()
