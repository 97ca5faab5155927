"""`history` and `compare`: what many runs came to."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drillkit.cli.options import OUT, Out
from drillkit.clock import now_utc

if TYPE_CHECKING:
    from drillkit.archive.compare import Compared, Row
    from drillkit.archive.coverage import Covered
    from drillkit.archive.follow_up import Followed
    from drillkit.archive.scan import Archive
    from drillkit.archive.summary import RunSummary
    from drillkit.archive.trend import Change, TrendSeries
    from drillkit.report.index_page import DueRow

_COLORS = {"met": "green", "unknown": "yellow", "violated": "red"}
_COLUMNS = (
    "run",
    "started",
    "drill",
    "target",
    "verdict",
    "exit_code",
    "emulated",
    "step",
    "measure",
    "value_s",
    "objective_s",
)
_SHOWN = 20
"""Runs in the terminal's list; --json and --csv have them all."""


@click.command()
@click.option("--drill", default="", help="Of this drill only.")
@click.option("--target", "-t", default="", help="On this target only.")
@click.option("--since", default="", metavar="DATE|DURATION", help="2026-01-01, or 90d back.")
@click.option("--quarter", default="", metavar="2026Q4", help="Of one quarter; a board's summary.")
@click.option("--html", "as_html", is_flag=True, help="Write index.html into the reports folder.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print one line per run and measured number.")
@OUT
def history(
    drill: str,
    target: str,
    since: str,
    quarter: str,
    as_html: bool,
    as_json: bool,
    as_csv: bool,
    out: Out,
) -> int:
    """What the runs came to over time: verdicts, RTO and RPO against objectives, what got slower
    and since when, which systems have a proven restore.
    """
    from drillkit.archive.scan import scan
    from drillkit.cli.runs import read_reports
    from drillkit.model.errors import UsageError

    if sum((as_html, as_json, as_csv, bool(quarter))) > 1:
        raise UsageError("--html, --json, --csv and --quarter are different answers: choose one")
    reports = read_reports(out)
    begin, end = _quarter(quarter) if quarter else (_since(since), float("inf"))
    everything = scan(reports, _judging)
    archive = everything.chosen(drill=drill, target=target, since=begin, until=end)
    for text in archive.unread:
        click.secho(f"cannot be read: {text}", err=True, fg="red")
    if as_html:
        from drillkit.report.index_page import write_index

        click.echo(
            f"wrote {write_index(reports, archive, due_rows(everything.runs, drill, target))}"
        )
    elif quarter:
        from drillkit.report.summary_page import summary

        click.echo(summary(archive, quarter), nl=False)
    elif as_json:
        _print_json(archive)
    elif as_csv:
        _print_csv(archive)
    else:
        _print(archive, reports, due_rows(everything.runs, drill, target))
    return 0


@click.command()
@click.argument("before")
@click.argument("after")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@OUT
def compare(before: str, after: str, as_json: bool, out: Out) -> int:
    """Put run AFTER beside run BEFORE: every number, new findings and those that are gone.

    Beside a difference stands how many of the earlier runs of the drill on the target lay as far
    out, so that noise is not taken for a change.
    """
    from drillkit.archive.compare import compare as compared
    from drillkit.archive.scan import scan

    earlier, later = _summary(before, out), _summary(after, out)
    found = compared(earlier, later, scan(_among(after, later.drill, out)).runs)
    if as_json:
        from drillkit.model.codec import to_data

        click.echo(json.dumps(to_data(found), indent=2))
    else:
        _print_compared(found)
    return 0


def _among(run: str, drill: str, out: Out) -> Path:
    """The folder of reports that a run lies in, with all runs of its drill that a bucket holds."""
    from drillkit.cli.runs import copy_at, run_folder

    reports = run_folder(run, out).parent.parent
    if (copy := copy_at(reports)) is not None:
        copy.fetch_runs(drill)
    return reports


def due_rows(runs: Sequence[RunSummary], drill: str, target: str) -> list[DueRow]:
    """When the project's drills are due again, by all runs; what cannot be read is told, and left
    out.
    """
    from drillkit.cli.due import rehearsals
    from drillkit.report.index_page import DueRow
    from drillkit.spec import find_roots

    rows, unread = rehearsals(find_roots(), runs, now_utc())
    for text in unread:
        click.secho(text, err=True, fg="red")
    return [
        DueRow(
            row.drill,
            row.target,
            str(row.cadence),
            row.last,
            row.next.timestamp() if row.next else None,
            row.overdue,
        )
        for row in rows
        if drill in ("", row.drill) and target in ("", row.target)
    ]


def _summary(name: str, out: Out) -> RunSummary:
    from drillkit.archive.summary import summarize
    from drillkit.cli.runs import run_folder
    from drillkit.journal.file import read
    from drillkit.journal.runs import JOURNAL
    from drillkit.model.errors import UsageError

    folder = run_folder(name, out)
    found = summarize(read(folder / JOURNAL))
    if found is None:
        raise UsageError(f"{folder}: the run ended before it opened; there is nothing to compare")
    return found


def _judging(count: int) -> None:
    if count % 200 == 0 and sys.stderr.isatty():
        click.echo(f"judged {count} runs; the next time they are remembered", err=True)


def _since(text: str) -> float:
    from drillkit.model.units import parse_duration

    if not text:
        return 0.0
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        pass
    try:
        back = parse_duration(text)
        return (now_utc() - back).timestamp()
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"expected a date such as 2026-01-01 or a duration such as 90d, found `{text}`",
            param_hint="--since",
        ) from error


def _quarter(text: str) -> tuple[float, float]:
    year, _, quarter = text.upper().partition("Q")
    if not (year.isdigit() and len(year) == 4 and quarter in ("1", "2", "3", "4")):
        raise click.BadParameter(f"expected a quarter such as 2026Q4, found `{text}`")
    first = 3 * int(quarter) - 2
    begin = datetime(int(year), first, 1, tzinfo=UTC)
    end = datetime(int(year) + (first == 10), (first + 3 - 1) % 12 + 1, 1, tzinfo=UTC)
    return begin.timestamp(), end.timestamp()


def _print_json(archive: Archive) -> None:
    from drillkit.archive.coverage import coverage
    from drillkit.archive.follow_up import follow
    from drillkit.archive.trend import change_in, series_of
    from drillkit.model.codec import to_data

    series = series_of(archive.runs)
    changes = {s: change for s in series if (change := change_in(s))}
    data = {
        "runs": to_data(archive.runs),
        "changes": [
            {
                "drill": s.drill,
                "target": s.target,
                "step": s.step,
                "measure": s.measure,
                **to_data(c),
            }
            for s, c in changes.items()
        ],
        "coverage": [
            {
                "system": each.system,
                "target": each.target,
                "tried": each.tried,
                "regions": list(each.regions),
                "proven": each.proven.run if each.proven else None,
                "last": each.last.run,
            }
            for each in coverage(archive.runs)
        ],
        "findings": [
            {
                "finding": each.text,
                "drill": each.drill,
                "target": each.target,
                "runs": [run.run for run in each.runs],
                "closed_by": each.closed.run if each.closed else None,
            }
            for each in follow(archive.runs)
        ],
        "unread": list(archive.unread),
    }
    click.echo(json.dumps(data, indent=1))


def _print_csv(archive: Archive) -> None:
    rows = csv.writer(sys.stdout)
    rows.writerow(_COLUMNS)
    for run in archive.runs:
        head = [run.run, _date(run.started), run.drill, run.target, run.holds, run.exit_code]
        numbers: list[tuple[object, ...]] = [
            (step, measure, number.value_s, number.bound_s)
            for step, measure, number in run.measures()
        ]
        for number in numbers or [("", "", "", "")]:
            rows.writerow([*head, run.emulated, *number])


def _print(archive: Archive, reports: Path, due: Sequence[DueRow]) -> None:
    from drillkit.archive.coverage import coverage
    from drillkit.archive.follow_up import follow
    from drillkit.archive.trend import change_in, series_of

    if not archive.runs:
        click.echo(f"no run in {reports} fits; every run writes one: drillkit run NAME")
        return
    _print_runs(archive.runs)
    series = series_of(archive.runs)
    _print_series(series, [change_in(each) for each in series])
    _print_coverage(coverage(archive.runs))
    _print_overdue(due)
    _print_findings(follow(archive.runs))


def _lines(text: str, fg: str | None = None) -> None:
    """A line, in as many as a terminal needs for it."""
    from drillkit.cli.output import columns, wrapped

    for line in wrapped(text, columns() if sys.stdout.isatty() else None, hang=6):
        click.secho(line, fg=fg)


def _print_runs(runs: Sequence[RunSummary]) -> None:
    from drillkit.cli.output import columns
    from drillkit.model.units import how_many
    from drillkit.notify.words import cut

    shown = runs[-_SHOWN:]
    if len(runs) > len(shown):
        click.echo(f"the last {len(shown)} of {len(runs)} runs")
    width = max(len(run.drill) for run in shown)
    for run in shown:
        place = f"{run.target}{' (emulated)' if run.emulated else ''}"
        head = f"{_date(run.started)}  {run.drill:{width}}  {place}  "
        click.echo(head, nl=False)
        click.secho(f"{run.word:8}", fg=_COLORS[run.holds], nl=False)
        room = (columns() - len(head) - 11) if sys.stdout.isatty() else 90
        # Where names leave no room for it, the report says what came of the run.
        what = f"  {cut(run.headline.partition(': ')[2], room)}" if room >= 10 else ""
        click.echo(what)
    counts = ", ".join(
        f"{sum(r.word == word for r in runs)} {word}"
        for word in ("met", "violated", "unknown", "refused", "dirty")
        if any(r.word == word for r in runs)
    )
    click.echo(f"{how_many(len(runs), 'run')}: {counts}")


def _print_series(series: Sequence[TrendSeries], changes: Iterable[Change | None]) -> None:
    from drillkit.archive.trend import sparkline
    from drillkit.model.units import format_duration

    if series:
        click.secho("\nmeasured", bold=True)
    for each, change in zip(series, changes, strict=True):
        last = each.points[-1]
        bound = f" (objective {format_duration(last.bound_s)})" if last.bound_s else ""
        line = sparkline([point.value_s for point in each.points])
        _lines(
            f"  {each.drill} on {each.target}: {each.name} {line} "
            f"{format_duration(last.value_s)}{bound}"
        )
        if change:
            word, color = ("slower", "red") if change.slower else ("faster", "green")
            _lines(
                f"    {word} since {_date(change.since.at)}: {format_duration(change.before_s)} "
                f"before, {format_duration(change.after_s)} since (medians; Pettitt's test, "
                f"p = {change.p:.2g})",
                fg=color,
            )


def _print_coverage(several: Sequence[Covered]) -> None:
    from drillkit.model.units import format_duration

    if several:
        click.secho("\nrestores proven", bold=True)
    for each in several:
        if each.proven is None or each.step is None:
            _lines(
                f"  {each.system} on {each.target}: never ({each.tried} tried, last "
                f"{_date(each.last.started)})",
                fg="red",
            )
            continue
        numbers = ", ".join(
            f"{name.upper()} {format_duration(each.step.measured[name].value_s)}"
            for name in ("rto", "rpo")
            if name in each.step.measured
        )
        region = f" in {', '.join(each.regions)}" if each.regions else ""
        failed = f"; the last try, {_date(each.last.started)}, did not hold"
        _lines(
            f"  {each.system} on {each.target}{region}: {_date(each.proven.started)} {numbers}"
            f"{failed if each.since_failed else ''}"
        )


def _print_overdue(due: Sequence[DueRow]) -> None:
    late = [row for row in due if row.overdue]
    if late:
        click.secho("\noverdue", bold=True)
    for row in late:
        since = f"since {_date(row.next)}" if row.next else "never rehearsed where it counts"
        place = f" on {row.target}" if row.target else ""
        _lines(f"  {row.drill}{place}: {since} ({row.cadence})", fg="red")


def _print_findings(several: Sequence[Followed]) -> None:
    open_ = [each for each in several if each.closed is None]
    closed = len(several) - len(open_)
    if several:
        click.secho(f"\nfindings: {len(open_)} open, {closed} closed by a later run", bold=True)
    for each in open_[:_SHOWN]:
        count = len(each.runs)
        times = f"in {count} runs, last {_date(each.runs[-1].started)}" if count > 1 else "once"
        _lines(
            f"  {each.drill} on {each.target}: {each.text}, since "
            f"{_date(each.runs[0].started)}, {times}"
        )
    if len(open_) > _SHOWN:
        click.echo(f"  and {len(open_) - _SHOWN} more; --json has them all")


def _print_compared(found: Compared) -> None:
    from drillkit.archive.compare import LEAST_EARLIER

    for word, run in (("before", found.before), ("after", found.after)):
        click.echo(f"{word:7} {run.run}  {_date(run.started)}  ", nl=False)
        click.secho(run.headline, fg=_COLORS[run.holds])
    if found.caution:
        click.secho(found.caution, fg="yellow")
    click.echo()
    width = max(len(row.name) for row in found.rows)
    for row in found.rows:
        click.echo(f"  {row.name:{width}}  {_row(row)}")
    if ranks := [row.rank for row in found.rows if row.rank]:
        few = max(rank.earlier for rank in ranks) < LEAST_EARLIER
        click.echo(
            "p: how often chance alone brings a run so far out among the earlier ones of the drill "
            "on the target (rank test)"
            + (f"; of fewer than {LEAST_EARLIER} none falls below 0.05" if few else "")
        )
    for sign, findings in (("new", found.new), ("gone", found.gone)):
        for text in findings:
            click.secho(f"  {sign} finding: {text}", fg="red" if sign == "new" else "green")


def _row(row: Row) -> str:
    from drillkit.model.units import how_many

    def shown(value: float | None) -> str:
        from drillkit.model.units import format_duration

        if value is None:
            return "not measured"
        return format_duration(value) if row.unit == "s" else f"{value:,.0f}"

    text = f"{shown(row.before):>14}  {shown(row.after):>14}"
    if row.difference:
        sign = "+" if row.difference > 0 else "-"
        text += f"  {sign}{shown(abs(row.difference))}"
    if row.bound is not None:
        text += f"  (objective {shown(row.bound)})"
    if row.rank is not None:
        runs = how_many(row.rank.earlier, "earlier run")
        text += f"  as far out: {row.rank.as_far} of {runs}, p = {row.rank.p:.2g}"
    return text


def _date(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"
