"""`index.html` of a folder of reports: one page over all runs, that needs nothing from
elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from drillkit.archive.coverage import coverage
from drillkit.archive.follow_up import follow
from drillkit.archive.scan import Archive
from drillkit.archive.summary import RunSummary, StepSummary
from drillkit.archive.trend import LEAST_RUNS, TrendSeries, change_in, series_of
from drillkit.journal.files import make_folder, write_file
from drillkit.lazy_dataclass import dataclass
from drillkit.model.units import format_duration

INDEX = "index.html"
HEADLINE = 160
"""Letters of a headline; the run's own page has all of it."""
FINDINGS = 100
"""Findings of a page at most, the open ones first."""
_IN_SIGHT = 2.0
"""An objective is drawn where it is at most so many times the largest number."""
_POINTS = 60
"""Of a line, the last ones."""


@dataclass(frozen=True, slots=True)
class DueRow:
    """When one drill is to be rehearsed again on one target."""

    drill: str
    target: str
    cadence: str
    last: RunSummary | None
    """The last run that counts."""
    next: float | None
    """Seconds since the epoch; None: it was never rehearsed."""
    overdue: bool


def write_index(reports: Path, archive: Archive, due: Sequence[DueRow] = ()) -> Path:
    """Write the page into the folder of reports and give its path. Raises OSError."""
    path = reports / INDEX
    make_folder(reports)
    write_file(path, index(archive, due).encode(errors="backslashreplace"))
    return path


def index(archive: Archive, due: Sequence[DueRow] = ()) -> str:
    """The page. `due`: of the project's drills that promise how often they are rehearsed."""
    runs = archive.runs
    series = series_of(runs)
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            runs=runs,
            drills={run.drill for run in runs},
            targets={run.target for run in runs},
            tally=_tally(runs),
            unread=archive.unread,
            coverage=coverage(runs),
            series=[(each, change_in(each), _line(each)) for each in series],
            least=LEAST_RUNS,
            due=sorted(due, key=lambda row: (not row.overdue, row.next or 0.0, row.drill)),
            findings=follow(runs)[:FINDINGS],
        )
    )


def repeated(runs: Sequence[RunSummary]) -> list[tuple[str, str, int, RunSummary]]:
    """(finding, drill, in how many runs, the last of them) of findings that came more than once on
    one target, the most frequent first.
    """
    found: dict[tuple[str, str, str], list[RunSummary]] = {}
    for run in runs:
        for text in run.findings:
            found.setdefault((text, run.drill, run.target), []).append(run)
    rows = [(text, drill, len(r), r[-1]) for (text, drill, _), r in found.items() if len(r) > 1]
    return sorted(rows, key=lambda row: (-row[2], row[0]))[:50]


def _tally(runs: Sequence[RunSummary]) -> list[tuple[str, int]]:
    counts = Counter(run.word for run in runs)
    order = ("met", "violated", "unknown", "refused", "dirty")
    return [(each, counts[each]) for each in order if counts[each]]


def _line(series: TrendSeries) -> Markup:
    """The numbers as a line, from zero, with the objective where it is near."""
    points = series.points[-_POINTS:]
    bound, most = points[-1].bound_s, max(point.value_s for point in points) or 1.0
    if bound and bound <= most * _IN_SIGHT:
        most = max(most, bound)
    else:  # an objective far above would press all numbers into one flat line
        bound = None
    step = 176 / max(1, len(points) - 1)
    spots = " ".join(
        f"{2 + number * step:.1f},{26 - point.value_s / most * 24:.1f}"
        for number, point in enumerate(points)
    )
    height = 26 - (bound or 0) / most * 24
    rule = f'<line x1="0" x2="180" y1="{height:.1f}" y2="{height:.1f}"/>' if bound else ""
    dots = f'<circle cx="2" cy="{spots.rpartition(",")[2]}" r="2"/>' if len(points) == 1 else ""
    label = f"{series.name}: {len(series.points)} runs, last {format_duration(points[-1].value_s)}"
    return Markup(
        '<svg class="spark" viewBox="0 0 180 28" role="img" aria-label="{}">{}'
        '<polyline points="{}"/>{}</svg>'
    ).format(label, Markup(rule), spots, Markup(dots))


def _number(step: StepSummary, measure: str) -> str:
    found = step.measured.get(measure)
    return format_duration(found.value_s) if found else "-"


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def _minute(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"


def _link(run: RunSummary) -> str:
    return f"{quote(run.drill, safe='')}/{quote(run.run, safe='')}/report.html"


def _what(headline: str) -> str:
    text = headline.partition(": ")[2] or headline
    return text if len(text) <= HEADLINE else f"{text[: HEADLINE - 1]}…"


def environment() -> Environment:
    """Templates of pages about many runs: everything is escaped, nothing may be undefined."""
    made = Environment(
        loader=PackageLoader("drillkit.report"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
    )
    made.filters |= {
        "day": _day,
        "minute": _minute,
        "link": _link,
        "what": _what,
        "number": _number,
        "duration": format_duration,
    }
    return made
