"""Markdown shows every text to the letter: no blank lost, no backslash doubled, nothing taken for
markup.
"""

from __future__ import annotations

import pytest

from drillkit.judge import judge
from drillkit.model.evidence import Check
from drillkit.report import render
from drillkit.report.pages import _markdown_text
from tests.golden.stories import history_of
from tests.judge.histories import pod_delete


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        (" of shop", " of shop"),
        (", ", ", "),
        ("a\n  b", "a b"),
        (r"a match of ^\d+\.\d$", r"a match of ^\d+\\.\d$"),
        (r"C:\temp", r"C:\temp"),
        (r"ends with \\", r"ends with \\\\"),
        ("[a](b) *c* d|e", r"\[a\](b) \*c\* d\|e"),
        ("run `drillkit plan [DRILL]` now", "run `drillkit plan [DRILL]` now"),
        ("see `a|b`", r"see `a\|b`"),
        ("<b> & `<i>`", "&lt;b&gt; &amp; `&lt;i>`"),
        ("one ` alone", "one ` alone"),
    ],
)
def test_a_text_is_shown_to_the_letter(text: str, markdown: str) -> None:
    assert _markdown_text(text) == markdown


def test_words_beside_each_other_stay_apart() -> None:
    history = history_of("restore")
    page = render(history, judge(history), "hash")["report.md"]
    assert "recovery point of database: data up to" in page
    assert "canary, lost at" in page
    assert "- versions: drillkit 0.1.0, python 3.11.7" in page
    assert "prod (protected)" in page


def test_a_pattern_of_a_check_is_shown_as_it_was_written() -> None:
    check = Check("version", "step", r"^v\d+ \w", "matches", "v1")
    history = pod_delete().see(25, check, step="kill").history()
    assert r"a match of ^v\d+ \w" in render(history, judge(history), "hash")["report.md"]
