"""The verdict as GitHub Actions shows it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from drillkit.judge import judge
from drillkit.model.records import Weakness, WeaknessesFound
from drillkit.model.subjects import UndoOf
from drillkit.model.verdict import Finding, Holds, Verdict
from drillkit.report.github import outputs, summary, workflow_commands
from tests.golden.stories import STORIES, history_of

MARKUP = Finding(
    holds=Holds.VIOLATED,
    about=UndoOf("pod/a|b"),
    expected="<img src=x onerror=alert(1)>",
    observed="50 %\r\nof | them",
    advice="see <script>",
)


WEAK = WeaknessesFound(
    (Weakness("floating-tag", "medium", "pod/shop/web", "<latest> | floats", "why", "a\nb"),),
    2,
    ("nodes: not allowed",),
)


def verdict_of(story: str) -> Verdict:
    return judge(history_of(story))


@pytest.mark.parametrize("story", sorted(STORIES))
def test_every_story_is_tables_with_as_many_cells_in_each_row(story: str) -> None:
    found = summary(verdict_of(story), WEAK)
    columns = 0
    for line in found.splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line))
        columns = (columns or cells) if cells else 0
        assert cells == columns, line
    assert verdict_of(story).run in found
    weak = found[found.index("| fragile before anything was broken |") :]
    assert r"| pod/shop/web: &lt;latest&gt; \| floats | medium | a b |" in weak
    assert "| 2 more weaknesses: `drillkit advise` tells them |" in weak
    assert "| not looked at: nodes: not allowed |" in weak


def test_nothing_of_a_finding_is_markup_or_another_command() -> None:
    verdict = replace(verdict_of("met"), findings=(MARKUP,))
    assert "<" not in summary(verdict)
    (line,) = workflow_commands(verdict)
    assert "\n" not in line
    assert line.startswith("::error title=")
    assert "50 %25%0D%0Aof" in line


def test_a_summary_stays_below_what_github_takes() -> None:
    verdict = replace(verdict_of("met"), findings=(replace(MARKUP, observed="x" * 3000),) * 1000)
    found = summary(verdict)
    assert len(found.encode()) < 1024 * 1024
    assert found.endswith("More is in the report.\n")
    assert len(list(workflow_commands(verdict))) == 10


def test_outputs_are_one_line_each() -> None:
    found = outputs(replace(verdict_of("met"), headline="a\nb=c"), "r.html")
    assert "headline=a b=c\n" in found
    assert "verdict=met\n" in found
    assert "exit-code=0\n" in found
