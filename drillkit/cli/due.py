"""`due`: which drills are to be rehearsed again, and when."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

import click

from drillkit.cli.options import OUT, Out
from drillkit.clock import now_utc
from drillkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from drillkit.archive.summary import RunSummary
    from drillkit.model.drill import Drill
    from drillkit.model.notice import Notice
    from drillkit.model.records import MessageSent
    from drillkit.model.units import Cadence
    from drillkit.spec.roots import Roots

_COLORS = {True: "red", False: "green"}


@dataclass(frozen=True, slots=True)
class Due:
    """When one drill is due on one target."""

    drill: str
    target: str
    """'' where neither the drill nor a run names one."""
    cadence: Cadence
    last: RunSummary | None
    """The last run that counts."""
    next: datetime | None
    """None: it was never rehearsed."""
    overdue: bool

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "drill": self.drill,
            "target": self.target,
            "cadence": str(self.cadence),
            "last": None
            if self.last is None
            else {
                "run": self.last.run,
                "verdict": str(self.last.holds),
                "started": _iso(datetime.fromtimestamp(self.last.started, UTC)),
            },
            "next": None if self.next is None else _iso(self.next),
            "overdue": self.overdue,
        }


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option(
    "--notify",
    "tells",
    is_flag=True,
    help="Tell those of `notify:` what is overdue or begins soon.",
)
@click.option(
    "--ahead",
    default="24h",
    show_default=True,
    metavar="DURATION",
    help="With --notify: what begins within this is told as planned.",
)
@OUT
def due(as_json: bool, tells: bool, ahead: str, out: Out) -> int:
    """When each drill with a `cadence` is due again on each target it ran on.

    A run counts when it ended met or violated on a target that is no sandbox. Ends with 1 when a
    drill is overdue, with 2 when one cannot be read. With --notify, call it once a day.
    """
    from drillkit.archive.scan import scan
    from drillkit.cli.runs import read_reports
    from drillkit.spec import find_roots

    roots = find_roots()
    archive = scan(read_reports(out, roots))
    for text in archive.unread:
        click.secho(f"cannot be read: {text}", err=True, fg="red")
    rows, unread = rehearsals(roots, archive.runs, now_utc())
    for text in unread:
        click.secho(text, err=True, fg="red")
    if as_json:
        click.echo(json.dumps([row.data() for row in rows], indent=2))
    else:
        _tell(rows)
    if tells:
        _notify(rows, roots, ahead)
    if unread:
        return 2
    return 1 if any(row.overdue for row in rows) else 0


def _notify(rows: Sequence[Due], roots: Roots, ahead: str) -> None:
    """Messages of what is overdue, and of what starts within `ahead`."""
    from drillkit.cli import resolve
    from drillkit.model.units import parse_duration
    from drillkit.notify import Messenger

    try:
        span = parse_duration(ahead)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--ahead") from error
    drills = {drill.drill: drill for drill in _with_cadence(roots)[0]}
    for row in rows:
        drill = drills[row.drill]
        messenger = Messenger(resolve.receivers_of(roots, drill), _warn)
        for notice in _notices(row, drill, span):
            messenger.tell(notice)
        messenger.finish()


def _warn(message: MessageSent) -> None:
    if message.failure:
        click.secho(f"warning: {message.failure}", err=True, fg="yellow")


def _notices(row: Due, drill: Drill, span: timedelta) -> Iterator[Notice]:
    """What there is to tell of a drill on a target now."""
    from drillkit.model.notice import Notice

    now = now_utc()
    target = row.target or "no target"
    if row.overdue:
        line = f"drillkit run {row.drill}"
        yield Notice(
            event="overdue",
            drill=row.drill,
            target=target,
            headline=f"It is overdue: {row.cadence}, {_said(row)}.",
            at=now,
            owner=drill.owner,
            advice=f"To make it now: {line} --target {row.target}" if row.target else line,
            which=_iso(row.next) if row.next is not None else "never",
        )
    if (start := _starts_within(drill, now, span)) is not None:
        yield Notice(
            event="planned",
            drill=row.drill,
            target=target,
            headline=f"It starts at {start:%Y-%m-%d %H:%M %Z} where it is scheduled.",
            at=now,
            owner=drill.owner,
            which=_iso(start),
        )


def _starts_within(drill: Drill, now: datetime, span: timedelta) -> datetime | None:
    from drillkit.cli.unattended import times_of_drill

    following = times_of_drill(drill).after(now, 1)
    return following[0] if following and following[0] <= now + span else None


def rehearsals(
    roots: Roots, runs: Sequence[RunSummary], now: datetime
) -> tuple[list[Due], list[str]]:
    """When each drill with a cadence is due, the never rehearsed first, then by date; and why some
    drills cannot be read.
    """
    drills, unread = _with_cadence(roots)
    rows = [row for drill in drills for row in _rows(drill, roots, runs, now)]
    rows.sort(key=lambda row: (row.next is not None, row.next or now, row.drill, row.target))
    return rows, unread


def _with_cadence(roots: Roots) -> tuple[list[Drill], list[str]]:
    """Drills of the project and the user that say how often they are due, and why some cannot be
    read.
    """
    from drillkit.model.errors import DrillError
    from drillkit.spec import list_drills, parse, source_of

    found: list[Drill] = []
    unread: list[str] = []
    for each in list_drills(roots):
        if each.origin == "package":
            continue
        try:
            drill = parse(source_of(each, roots)).resolve()
        except DrillError as error:
            unread.append(str(error))
            continue
        if drill.cadence is not None:
            found.append(drill)
    return found, unread


def _rows(drill: Drill, roots: Roots, runs: Sequence[RunSummary], now: datetime) -> Iterator[Due]:
    from drillkit.spec.cadence import next_due

    assert drill.cadence is not None
    counting = [run for run in runs if run.drill == drill.drill and run.counts]
    default = roots.default_target
    named = drill.target or (default[0] if default is not None else "")
    targets = dict.fromkeys([*([named] if named else []), *(run.target for run in counting)])
    for target in targets or {"": None}:
        last = max(
            (run for run in counting if run.target == target),
            key=lambda run: run.started,
            default=None,
        )
        if last is None:
            yield Due(drill.drill, target, drill.cadence, None, None, True)
            continue
        began = datetime.fromtimestamp(last.started, UTC)
        when = next_due(drill.cadence, began, _zone(drill))
        yield Due(drill.drill, target, drill.cadence, last, when, when <= now)


def _zone(drill: Drill) -> tzinfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo(drill.window.timezone) if drill.window is not None else UTC


def _tell(rows: Sequence[Due]) -> None:
    if not rows:
        click.echo("no drill here says how often it is due: give one a `cadence`, such as monthly")
        return
    width = max(len(row.drill) for row in rows)
    places = max(len(row.target or "no target") for row in rows)
    for row in rows:
        click.echo(f"{row.drill:{width}}  {row.target or 'no target':{places}}  ", nl=False)
        click.secho("overdue" if row.overdue else "in time", nl=False, fg=_COLORS[row.overdue])
        click.echo(f"  {row.cadence}: {_said(row)}")


def _said(row: Due) -> str:
    if row.last is None or row.next is None:
        return "never rehearsed on a target that counts"
    began = datetime.fromtimestamp(row.last.started, UTC)
    last = f"last {began:%Y-%m-%d} ({row.last.holds}, {row.last.run})"
    return f"{last}, next {row.next:%Y-%m-%d %H:%M %Z}"


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
