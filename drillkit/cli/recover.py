"""`recover`: runs that something is left of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drillkit.cli.options import OUT, Out

if TYPE_CHECKING:
    from drillkit.cleanup import Haste
    from drillkit.journal.runs import OpenRun
    from drillkit.runner.recover import Recovered


@click.command()
@click.argument("run", required=False)
@click.option("--limit", default="15m", metavar="DURATION", help="Give up after this, run by run.")
@OUT
def recover(run: str | None, limit: str, out: Out) -> int:
    """Clean up after runs that could not do it themselves, and judge them again.

    Works from any folder. Without RUN: every open run that no process is working on. RUN is a run's
    id, or its folder or journal.jsonl, which need not have been made on this machine; or a place in
    a bucket, s3://BUCKET/PREFIX (every open run there) or .../DRILL/RUN. One Ctrl-C
    leaves our own resources, a second one does not wait for a target that is dead. Ends with 5 when
    something is, or may be, left.
    """
    from drillkit.cleanup import Haste
    from drillkit.model.units import parse_duration
    from drillkit.runner.abort import signals_stop
    from drillkit.runner.recover import Recovered
    from drillkit.runner.recover import recover as recover_run
    from drillkit.runner.target_process import remove_left

    try:
        limit_s = parse_duration(limit).total_seconds()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--limit") from error
    runs = _asked(run, out)
    if not runs:
        remove_left()
        click.echo("nothing to recover: no run is open")
        return 0
    haste = Haste()
    left = False
    with signals_stop(_Signals(haste)):
        for found in runs:
            if haste.skip_remove.is_set():
                done = Recovered(found, "not begun", "interrupted before its turn")
            else:
                done = recover_run(found, limit_s, _say, haste=haste)
            _tell(done)
            left |= done.open
    remove_left()
    return 5 if left else 0


class _Signals:
    """Ctrl-C while things are undone."""

    def __init__(self, haste: Haste) -> None:
        self._haste = haste
        self._asked = 0

    def on_signal(self, name: str) -> None:
        """SIGTERM and SIGHUP want it all to end."""
        self._asked += 1 if name == "SIGINT" else 2
        click.echo(f"  {name}: {self._haste.more(self._asked)}", err=True)


def _asked(name: str | None, out: Out) -> list[OpenRun]:
    """The runs that are to be recovered. Raises UsageError, CallError, OSError."""
    from drillkit.cli.runs import in_bucket, reports_folder
    from drillkit.journal.runs import open_runs
    from drillkit.model.errors import DrillError

    named, place = in_bucket(name or "", out)
    if named:
        return [asked_run(name or "", out)]
    if place is not None and not isinstance(place, Path):
        reports = reports_folder(place)
        here = [run for run in open_runs() if run.folder.parent.parent == reports.resolve()]
        return _with_those_in(reports, here)
    everything = list(open_runs())
    if place is not None:
        return everything
    try:  # the project may keep its runs in a bucket
        return _with_those_in(reports_folder(None), everything)
    except (DrillError, OSError) as error:
        click.secho(f"{error}. Only what this machine knows of is recovered", err=True, fg="yellow")
        return everything


def _with_those_in(reports: Path, here: list[OpenRun]) -> list[OpenRun]:
    """Runs that are known here, and those that are open in the bucket that `reports` is the copy
    of. Raises UsageError, CallError.
    """
    from drillkit.clock import SystemClock
    from drillkit.runner.bucket_run import open_in

    there = {run.id: run for run, _ in open_in(reports, SystemClock())}
    return [run for _, run in sorted({**there, **{run.id: run for run in here}}.items())]


def asked_run(name: str, out: Out) -> OpenRun:
    """A run by its id, its folder or its journal, open or not. Raises UsageError, OSError."""
    from drillkit.cli.runs import run_folder
    from drillkit.journal.runs import open_runs
    from drillkit.model.errors import UsageError
    from drillkit.runner.recover import unregistered

    for run in open_runs():
        if name == run.id or Path(name) in (run.folder, run.journal):
            return run
    folder = run_folder(name, out)
    try:
        return unregistered(folder)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}") from error


def _say(text: str) -> None:
    click.echo(f"  {text}", err=True)


def _tell(done: Recovered) -> None:
    where = f" on {done.run.target}" if done.run.target else ""
    click.echo(f"{done.run.id}{where}: {done.state}: {done.detail}")
    for resource in done.left:
        click.secho(f"  left: {resource}", fg="red")
    if done.by_hand and done.state != "refused":
        click.echo("  to finish by hand, where drillkit cannot reach it:")
    for line in done.by_hand if done.state != "refused" else ():
        click.echo(f"    {line}")
    if done.state in ("clean", "dirty", "refused"):
        judge_again(done.run)


def judge_again(run: OpenRun) -> None:
    """Write the reports of a run anew, as far as its journal can be judged."""
    from drillkit.cli.sealing import write_and_seal
    from drillkit.model.errors import DrillError
    from drillkit.report import EXIT_TEXT
    from drillkit.runner.recover import has_opened

    if not has_opened(run):
        return
    try:
        verdict, _ = write_and_seal(run.folder, _say)
    except (OSError, DrillError) as error:
        click.echo(f"  could not be judged again: {error}")
        return
    click.echo(
        f"  judged again: {verdict.headline} (exit {verdict.exit_code}: "
        f"{EXIT_TEXT[verdict.exit_code]})"
    )
