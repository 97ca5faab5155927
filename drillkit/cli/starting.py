"""What every command that runs a drill does before its first record, and beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drillkit.clock import SYSTEM_CLOCK

_LOOK_S = 5.0
"""How often a run that is at work elsewhere is looked at."""

if TYPE_CHECKING:
    from drillkit.cli import resolve
    from drillkit.journal.runs import OpenRun
    from drillkit.model.drill import Drill
    from drillkit.model.target import Target
    from drillkit.steps.base import RunNames


def announce(asked: resolve.Asked) -> None:
    """Say which drill was found, and where."""
    from drillkit.spec.files import other_name

    parsed, found = asked.parsed, asked.parsed.source.found
    click.echo(f"drill {parsed.name} from {parsed.source.label}, target {asked.chosen}", err=True)
    if found is None or found.sort != "drill":
        return
    if other := other_name(found.path, parsed.name):
        click.secho(other, err=True, fg="yellow")


@contextlib.contextmanager
def telling_who_must_act(asked: resolve.Asked, drill: Drill, names: RunNames) -> Iterator[None]:
    """A run that cannot begin until somebody has done something tells so: it has no journal."""
    from drillkit.model.errors import Refused

    try:
        yield
    except Refused as why:
        from drillkit.cli import resolve
        from drillkit.runner.messages import needs_person

        receivers = resolve.receivers_of(asked.roots, drill)
        for text in needs_person(receivers, drill, asked.target, names, str(why)):
            click.secho(f"warning: {text}", err=True, fg="yellow")
        raise


def see_to_leftovers(
    target: Target,
    recover_first: bool,
    reports: Path,
    wait_s: float = 0.0,
    *,
    starts: bool = True,
) -> None:
    """Clean up what earlier runs left on the target, if asked to: those of this machine, and those
    in the bucket that `reports` is the copy of. One that is at work there is waited for, unless
    nothing `starts` afterwards.

    Raises Refused when something of them is left, CallError.
    """
    from drillkit.journal.runs import open_runs

    if next(open_runs(), None) is None and not _in_bucket(reports):
        return
    from drillkit.model.errors import Refused
    from drillkit.runner.dry_run import unfinished_runs
    from drillkit.runner.recover import in_doubt, leftovers, recover

    for doubt in in_doubt(target.name):
        click.secho(f"in doubt: {doubt}", err=True, fg="yellow")
    elsewhere = _left_elsewhere(target, reports, wait_s, starts=starts)
    if not recover_first:
        for why in unfinished_runs(target.name):
            raise Refused(why)
        for run in elsewhere:
            raise Refused(
                f"run {run.id} on {target.name} was never cleaned up; its journal is in a bucket. "
                f"First: drillkit recover {run.folder}, or add --recover"
            )
    for run in [*leftovers(target.name), *elsewhere]:
        done = recover(run, 900.0, lambda text: click.echo(f"  {text}", err=True))
        click.echo(f"recovered {run.id}: {done.state}, {done.detail}", err=True)
        if done.left or (run in elsewhere and done.open):
            raise Refused(
                f"run {run.id} could not be cleaned up: {', '.join(done.left) or done.detail}. "
                f"What you undo by hand: drillkit settle {run.id} RESOURCE --why TEXT"
            )


def _in_bucket(reports: Path) -> bool:
    """Whether these reports are the copy of a bucket."""
    return (reports / "bucket.json").is_file()


def _left_elsewhere(target: Target, reports: Path, wait_s: float, *, starts: bool) -> list[OpenRun]:
    """Runs of other machines that left something on the target. Raises Refused when one of them
    may still be at work after `wait_s`.
    """
    if not _in_bucket(reports):
        return []
    from drillkit.clock import Deadline, SystemClock
    from drillkit.journal.runs import open_runs
    from drillkit.model.errors import Refused
    from drillkit.runner.bucket_run import open_in

    here = {run.id for run in open_runs()}
    clock = SystemClock()
    deadline = Deadline.after(wait_s, clock)
    while True:
        there = [each for each in open_in(reports, clock, target.name) if each[0].id not in here]
        at_work = [f"{run.id} ({writer})" for run, writer in there if writer]
        if not (at_work and starts):
            return [run for run, writer in there if not writer]
        if deadline.over:
            raise Refused(
                f"{at_work[0]} is at work on {target.name}, or was a minute ago; try again in a "
                "minute, or wait for it with --wait"
            )
        clock.sleep(min(_LOOK_S, deadline.left()))


def enter(folder: Path) -> None:
    """Enter a run into the chain of runs. Raises OSError, DrillError."""

    from drillkit.attest import seal

    seal.enter(folder, SYSTEM_CLOCK.now())


ENDING = (
    "drillkit.attest.envelope",
    "drillkit.attest.seal",
    "drillkit.cli.evidence",
    "drillkit.cli.sealing",
    "drillkit.cli.summary",
    "drillkit.journal.copy",
    "drillkit.judge.verdict",
    "drillkit.report.junit",
    "tenacity",
)
"""What the end of every run imports, and so what is imported while its steps run."""


def prepare_report(folder: Path) -> None:
    """Get ready what the end of a run needs: what is imported, and what is compiled or looked up
    when a report is made for the first time.
    """
    from importlib import import_module

    from drillkit.journal.file import read
    from drillkit.journal.runs import JOURNAL
    from drillkit.model.errors import DrillError

    for module in ENDING:
        import_module(module)
    from drillkit.judge import judge
    from drillkit.report import render

    # What keeps it from being read is told by whoever writes the report.
    with contextlib.suppress(DrillError, OSError):
        if history := read(folder / JOURNAL):
            render(history, judge(history), "")
