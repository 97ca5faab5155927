"""The page in a real browser: nothing is fetched, nothing complained about, everything fits."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from drillkit.archive.scan import Archive
from drillkit.archive.summary import summarize
from drillkit.controls.assess import Period, assess
from drillkit.controls.framework import framework
from drillkit.journal.file import read
from drillkit.report.controls_page import controls_page
from drillkit.report.fleet_page import fleet_html
from drillkit.report.index_page import DueRow, index
from tests.browser import Browser, browser, program
from tests.report.fleets import everything

STORED = Path(__file__).parents[1] / "golden" / "stored"
STORIES = sorted(path.name for path in STORED.iterdir())

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason="there is no Chromium here"),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


UNFOLD = "document.querySelectorAll('details').forEach(each => each.open = true)"


def unfolded(page: Browser, story: str, *, width: int = 1100, dark: bool = False) -> None:
    """Show a report with every section open."""
    page.open(STORED / story / "report.html", width=width, dark=dark)
    page.ask(UNFOLD)


@pytest.mark.parametrize("story", STORIES)
def test_a_report_fits_a_window_and_needs_nothing_else(page: Browser, story: str) -> None:
    page.open(STORED / story / "report.html", width=1100)
    assert page.complaints() == []
    assert page.ask("document.documentElement.scrollWidth") <= 1100
    assert page.ask("document.querySelectorAll('svg.timeline').length") == 1
    assert page.ask("document.querySelector('svg.timeline').getBoundingClientRect().height") > 40
    assert page.ask("document.scripts.length") == 0
    assert page.ask("document.querySelectorAll('[src], link:not([rel=icon])').length") == 0


def test_a_page_that_would_be_code_is_text(page: Browser) -> None:
    page.open(STORED / "evil" / "report.html")
    assert page.ask("document.querySelectorAll('img, iframe, [onerror]').length") == 0
    assert page.ask("document.body.textContent.includes('<script>alert(1)</script>')")


def test_a_phone_scrolls_tables_and_not_the_page(page: Browser) -> None:
    for story in ("violated", "restore"):
        unfolded(page, story, width=420)
        assert page.ask("document.documentElement.scrollWidth") <= 420


@pytest.mark.parametrize("width", [390, 500, 720, 801])
def test_no_word_of_a_table_stands_on_another_however_narrow_the_screen(
    page: Browser, width: int
) -> None:
    for story in ("violated", "restore", "refused"):
        unfolded(page, story, width=width)
        assert page.ask(OVERPRINTED) == []
        assert page.ask("document.documentElement.scrollWidth") <= width


def test_a_phone_is_told_that_the_chart_goes_on(page: Browser) -> None:
    shown = "[...document.querySelectorAll('.sideways')].filter(e => e.offsetHeight).length"
    cut = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).length"  # noqa: E501
    unfolded(page, "violated", width=390)
    assert page.ask(shown) == page.ask(cut) == 2
    unfolded(page, "violated")
    assert page.ask(shown) == page.ask(cut) == 0


OVERPRINTED = """(() => [...document.querySelectorAll('table.fixed td, table.fixed th')]
  .filter(cell => cell.offsetHeight && cell.scrollWidth > cell.clientWidth + 1)
  .map(cell => cell.innerText))()"""
"""Cells whose text is wider than they are."""


def test_words_in_the_dark_can_be_read(page: Browser) -> None:
    """Contrast as WCAG 2.2 counts it: at least 4.5 to 1 for text."""
    for dark in (False, True):
        unfolded(page, "violated", dark=dark)
        poor = page.ask(CONTRAST)
        assert poor == []


CONTRAST = """(() => {
  const parts = c => c.match(/[0-9.]+/g).map(Number);
  const light = c => { const [r, g, b] = parts(c).slice(0, 3).map(v => { v /= 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 }); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (parts(c)[3] !== 0) return c } return 'rgb(255, 255, 255)' };
  const found = [];
  for (const e of document.querySelectorAll('h1, h2, h3, p, td, th, li, span, code, summary, caption, time')) {
    if (!e.textContent.trim()) continue;
    const a = light(getComputedStyle(e).color), b = light(behind(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(e.tagName + '.' + e.className + ' ' + ratio.toFixed(2));
  }
  return [...new Set(found)];
})()"""  # noqa: E501


def test_tables_have_headers_and_the_chart_has_a_text(page: Browser) -> None:
    page.open(STORED / "violated" / "report.html")
    assert page.ask("[...document.querySelectorAll('th')].every(e => e.hasAttribute('scope'))")
    assert page.ask(
        "[...document.querySelectorAll('table')].every(e => e.querySelector('th[scope]'))"
    )
    label = "document.getElementById('chart-says').textContent"
    assert "kill: 8 s to 14 s, ok." in page.ask(label)
    assert page.ask("document.documentElement.lang") == "en"


def test_on_paper_everything_is_open(page: Browser) -> None:
    page.open(STORED / "met" / "report.html", paper=True, width=800)
    assert page.ask("document.documentElement.scrollWidth") <= 800
    assert (
        page.ask("document.querySelector('details.callout li').getBoundingClientRect().height") > 0
    )


def test_the_first_page_says_it_all_and_the_rest_is_folded(page: Browser) -> None:
    page.open(STORED / "restore" / "report.html", width=1100, height=900)
    order = "[...document.querySelectorAll('h2')].filter(e => e.checkVisibility()).map(e => e.id)"
    assert page.ask(order)[:3] == ["glance", "not-proven", "findings"]
    bottom = "document.getElementById('findings').getBoundingClientRect().top"
    assert page.ask(bottom) < 900
    assert page.ask("document.querySelectorAll('details.part:not([open])').length") == 8
    assert page.ask("document.querySelectorAll('details.part[open]').length") == 1


def test_a_link_of_the_contents_leads_to_its_section(page: Browser) -> None:
    page.open(STORED / "restore" / "report.html")
    broken = """[...document.querySelectorAll('nav a')].map(a => a.getAttribute('href').slice(1))
      .filter(id => !document.getElementById(id))"""
    assert page.ask("document.querySelectorAll('nav a').length") == 9
    assert page.ask(broken) == []


AXE = """axe.run(document, {resultTypes: ['violations'], rules: {'region': {enabled: true}}}).then(
  found => found.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).slice(0, 3)))"""


def axe(page: Browser) -> list[str]:
    """What axe-core finds wrong with the page that is open."""
    script = resources.files("axe_core_python") / "axe.min.js"
    page.call("Runtime.evaluate", expression=script.read_text(encoding="utf-8"))
    found = page.call("Runtime.evaluate", expression=AXE, awaitPromise=True, returnByValue=True)
    return list(found["result"]["value"])


def test_axe_finds_what_is_wrong(page: Browser) -> None:
    page.open(STORED / "met" / "report.html")
    page.ask("document.querySelector('main').innerHTML += '<img src=\"data:,\">'")
    assert [text.partition(":")[0] for text in axe(page)] == ["image-alt"]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("story", ["violated", "restore", "dirty", "evil", "only-opened"])
def test_axe_finds_nothing_that_keeps_anybody_from_reading(
    page: Browser, story: str, dark: bool
) -> None:
    unfolded(page, story, dark=dark)
    assert axe(page) == []


def many_runs(kind: str) -> str:
    """A page about many runs, all that are stored."""
    found = [summarize(read(journal)) for journal in sorted(STORED.glob("*/journal.jsonl"))]
    runs = tuple(run for run in found if run is not None)
    if kind == "fleet":
        return fleet_html(everything())
    if kind == "index":
        due = DueRow("pod-delete", "dev", "weekly", runs[0], runs[0].started, overdue=True)
        return index(Archive(runs, ("x/journal.jsonl: torn",)), [due])
    period = Period(0, max(run.started for run in runs) + 1)
    return controls_page(assess(framework("dora"), runs, period, lambda run: ""))


@pytest.mark.parametrize("kind", ["index", "controls", "fleet"])
def test_a_page_about_many_runs_is_for_everybody_too(
    page: Browser, kind: str, tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text(many_runs(kind))
    for width, dark in ((1280, True), (390, False)):
        page.open(tmp_path / "page.html", width=width, dark=dark)
        assert page.complaints() == []
        assert page.ask("document.documentElement.scrollWidth") <= width
        cut = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth)"
        assert page.ask(f"{cut}.map(e => e.textContent.slice(0, 60))") == []
        assert axe(page) == []
