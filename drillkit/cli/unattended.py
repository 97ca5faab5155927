"""A run that a timer started: nobody reads what it prints unless something is wrong."""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drillkit.clock import now_utc
from drillkit.model.errors import UsageError

if TYPE_CHECKING:
    from drillkit.cli.options import Out
    from drillkit.model.drill import Drill
    from drillkit.schedule import Times


def times_of_drill(drill: Drill) -> Times:
    """When a drill starts by itself. Raises UsageError where it does not say how often."""
    from drillkit.schedule import times_of

    if drill.cadence is None:
        raise UsageError(
            f"drill {drill.drill} does not say how often it is due: give it a `cadence`, such as "
            "monthly or `0 3 * * MON`"
        )
    return times_of(drill.cadence, drill.window)


def passed_over(
    name: str,
    target: str | None,
    sets: tuple[str, ...],
    var_files: tuple[Path, ...],
    out: Out,
    jitter_s: float,
) -> bool:
    """Whether this start is not to be made: the drill is not due, or its run of this period has
    begun. Where it is, waits a random part of `jitter_s` first. Raises SpecError, UsageError.
    """
    from drillkit.archive.scan import scan
    from drillkit.cli import resolve
    from drillkit.cli.runs import read_reports
    from drillkit.clock import SystemClock
    from drillkit.schedule import skipped

    asked = resolve.ask(name, sets, var_files, target, need=True)
    drill = asked.parsed.resolve(asked.sets)
    times = times_of_drill(drill)
    archive = scan(read_reports(out, asked.roots, drill=drill.drill))
    runs = archive.chosen(drill=drill.drill, target=asked.target.name).runs
    begun = [datetime.fromtimestamp(r.started, UTC) for r in runs if not r.refused]
    if not_now := skipped(times, now_utc(), begun):
        if sys.stderr.isatty():
            click.echo(f"nothing was started: {not_now.why}", err=True)
        return True
    if jitter_s:
        SystemClock().sleep(random.uniform(0, jitter_s))
    return False


def clean_up_all_the_same(
    name: str,
    target: str | None,
    sets: tuple[str, ...],
    var_files: tuple[Path, ...],
    out: Out,
) -> None:
    """Clean up what a run that was killed has left on the target, at a start that is not made: the
    next one that is may be a month away. Raises Refused when something of it is left, CallError.
    """
    from drillkit.cli import resolve
    from drillkit.cli.runs import reports_folder
    from drillkit.cli.starting import see_to_leftovers

    asked = resolve.ask(name, sets, var_files, target, need=True)
    reports = reports_folder(out, found=asked.parsed.source.found)
    with silenced():
        see_to_leftovers(asked.target, True, reports, starts=False)


@contextmanager
def silenced() -> Iterator[None]:
    """While this holds, what is said to people goes nowhere; records on stdout go on."""
    with redirect_stderr(io.StringIO()):
        yield
