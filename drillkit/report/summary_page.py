"""A quarter on one page, for a board: Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from drillkit.archive.coverage import coverage
from drillkit.archive.scan import Archive
from drillkit.archive.summary import RunSummary
from drillkit.archive.trend import change_in, series_of
from drillkit.model.units import format_duration
from drillkit.report.index_page import repeated


def summary(archive: Archive, period: str) -> str:
    """What was rehearsed in a period, what holds, what does not, what is not proven."""
    real = [run for run in archive.runs if not run.emulated]
    lines = [f"# Drills in {period}", "", *_counts(archive.runs, real), ""]
    lines += _section("What is proven to come back", _restores(real))
    lines += _section("Weaknesses that were found", _weaknesses(real))
    lines += _section("What was not proven", _not_proven(real))
    lines += _section("What changed", _changes(real))
    lines += _section("Findings that came again", _again(real))
    if archive.unread:
        lines += _section("Journals that cannot be read", (f"- {text}" for text in archive.unread))
    return "\n".join(lines).rstrip() + "\n"


def _counts(runs: Sequence[RunSummary], real: Sequence[RunSummary]) -> Iterator[str]:
    counts = Counter(run.word for run in real)
    parts = ", ".join(f"{count} {each}" for each, count in counts.most_common())
    yield f"{len(real)} rehearsals on real targets" + (f": {parts}." if parts else ".")
    if len(runs) > len(real):
        yield f"{len(runs) - len(real)} more ran on emulated targets and are not counted here."
    lost = sum(run.outage_s for run in real)
    if lost:
        yield f"Outages that rehearsals caused: {format_duration(lost)} in all."


def _section(title: str, rows: Iterator[str]) -> list[str]:
    found = list(rows)
    return [f"## {title}", "", *(found or ["- nothing"]), ""]


def _restores(runs: Sequence[RunSummary]) -> Iterator[str]:
    for each in coverage(runs):
        if each.proven is None or each.step is None:
            yield f"- {_code(each.system)} on {each.target}: **not proven**, {each.tried} tried"
            continue
        numbers = [
            f"{name.upper()} {format_duration(number.value_s)}"
            + (f" of {format_duration(number.bound_s)}" if number.bound_s else "")
            for name in ("rto", "rpo")
            if (number := each.step.measured.get(name))
        ]
        yield (
            f"- {_code(each.system)} on {each.target}: {_day(each.proven)}, {', '.join(numbers)}"
            + ("; **the last try did not hold**" if each.since_failed else "")
        )


def _weaknesses(runs: Sequence[RunSummary]) -> Iterator[str]:
    for run in runs:
        if run.exit_code == 1:
            yield f"- {_day(run)} {run.drill} on {run.target}: {plain(run.headline)}"


def _not_proven(runs: Sequence[RunSummary]) -> Iterator[str]:
    for run in runs:
        if run.exit_code in (3, 4, 5):
            yield f"- {_day(run)} {run.drill} on {run.target}: {plain(run.headline)}"


def _changes(runs: Sequence[RunSummary]) -> Iterator[str]:
    for series in series_of(runs):
        if change := change_in(series):
            yield (
                f"- {series.name} ({series.drill} on {series.target}) is "
                f"{'slower' if change.slower else 'faster'} since {_date(change.since.at)}: "
                f"{format_duration(change.before_s)} before, {format_duration(change.after_s)} "
                "since"
            )


def _again(runs: Sequence[RunSummary]) -> Iterator[str]:
    for text, drill, count, last in repeated(runs):
        yield f"- {plain(text)}: {count} runs of {drill}, last {_day(last)}"


def _day(run: RunSummary) -> str:
    return _date(run.started)


def _date(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39))}`"


def plain(text: str) -> str:
    """A text in which Markdown sees no marks."""
    for mark in ("\\", "*", "[", "]", "|", "<"):
        text = text.replace(mark, f"\\{mark}")
    return text.replace("\n", " ")
