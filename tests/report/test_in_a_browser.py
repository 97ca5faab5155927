"""The page in a real browser: nothing is fetched, nothing complained about, everything fits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.browser import Browser, browser, program

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
    assert page.ask("document.body.innerText.includes('<script>alert(1)</script>')")


def test_a_phone_scrolls_tables_and_not_the_page(page: Browser) -> None:
    for story in ("violated", "restore"):
        page.open(STORED / story / "report.html", width=420)
        assert page.ask("document.documentElement.scrollWidth") <= 420


@pytest.mark.parametrize("width", [390, 500, 720, 801])
def test_no_word_of_a_table_stands_on_another_however_narrow_the_screen(
    page: Browser, width: int
) -> None:
    for story in ("violated", "restore", "refused"):
        page.open(STORED / story / "report.html", width=width)
        assert page.ask(OVERPRINTED) == []
        assert page.ask("document.documentElement.scrollWidth") <= width


def test_a_phone_is_told_that_the_chart_goes_on(page: Browser) -> None:
    shown = "[...document.querySelectorAll('.sideways')].filter(e => e.offsetHeight).length"
    cut = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).length"
    page.open(STORED / "violated" / "report.html", width=390)
    assert page.ask(shown) == page.ask(cut) == 2
    page.open(STORED / "violated" / "report.html", width=1100)
    assert page.ask(shown) == page.ask(cut) == 0


OVERPRINTED = """(() => [...document.querySelectorAll('table.fixed td, table.fixed th')]
  .filter(cell => cell.offsetHeight && cell.scrollWidth > cell.clientWidth + 1)
  .map(cell => cell.innerText))()"""
"""Cells whose text is wider than they are."""


def test_words_in_the_dark_can_be_read(page: Browser) -> None:
    """Contrast as WCAG 2.2 counts it: at least 4.5 to 1 for text."""
    for dark in (False, True):
        page.open(STORED / "violated" / "report.html", dark=dark)
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
})()"""


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
