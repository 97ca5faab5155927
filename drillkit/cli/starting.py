"""What every command that runs a drill does before its first record, and beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from drillkit.cli import resolve
    from drillkit.model.drill import Target


def announce(asked: resolve.Asked) -> None:
    """Say which drill was found, and where."""
    from drillkit.spec.files import other_name

    parsed, found = asked.parsed, asked.parsed.source.found
    click.echo(f"drill {parsed.name} from {parsed.source.label}, target {asked.chosen}", err=True)
    if found is None or found.sort != "drill":
        return
    if other := other_name(found.path, parsed.name):
        click.secho(other, err=True, fg="yellow")


def see_to_leftovers(target: Target, recover_first: bool) -> None:
    """Clean up what earlier runs left on the target, if asked to.

    Raises Refused when something of them is left.
    """
    from drillkit.model.errors import Refused
    from drillkit.runner.dry_run import unfinished_runs
    from drillkit.runner.recover import in_doubt, leftovers, recover

    for doubt in in_doubt(target.name):
        click.secho(f"in doubt: {doubt}", err=True, fg="yellow")
    if not recover_first:
        for why in unfinished_runs(target.name):
            raise Refused(why)
    for run in leftovers(target.name):
        done = recover(run, 900.0, lambda text: click.echo(f"  {text}", err=True))
        click.echo(f"recovered {run.id}: {done.state}, {done.detail}", err=True)
        if done.left:
            raise Refused(
                f"run {run.id} could not be cleaned up: {', '.join(done.left)}. What you undo by "
                f"hand: drillkit settle {run.id} RESOURCE --why TEXT"
            )


def enter(folder: Path) -> None:
    """Enter a run into the chain of runs. Raises OSError, DrillError."""
    import time

    from drillkit.attest import seal

    seal.enter(folder, time.time())


def prepare_report() -> None:
    """Import what the end of a run needs."""
    import importlib

    from drillkit.report.pages import prepare

    importlib.import_module("drillkit.judge.verdict")
    prepare()
