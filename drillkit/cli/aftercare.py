"""`report`, `abort` and `recover`: what follows a run, or ends it."""

from __future__ import annotations

from pathlib import Path

import click

_OUT = click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of reports."
)


@click.command()
@click.argument("run")
@_OUT
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
def report(run: str, out: Path | None, as_json: bool) -> int:
    """Judge RUN and render its report again, from its journal alone.

    RUN is a run's id, its folder, its journal.jsonl, or DRILL/latest.
    """
    from drillkit.cli.places import reports_folder
    from drillkit.journal.runs import find_run
    from drillkit.report import write_reports
    from drillkit.spec.files import shown

    folder = find_run(run, reports_folder(out))
    verdict, paths = write_reports(folder)
    if as_json:
        click.echo((folder / "verdict.json").read_text(encoding="utf-8"), nl=False)
    else:
        click.echo(verdict.headline)
        for path in paths:
            click.echo(f"  {shown(path)}")
    return verdict.exit_code


@click.command()
@click.argument("run", required=False)
@click.option("--why", default="no reason given", help="What the report says of it.")
@_OUT
def abort(run: str | None, why: str, out: Path | None) -> int:
    """Stop a running drill. It undoes everything and reports; nothing is killed.

    Without RUN: the one that is running, if there is just one.
    """
    from drillkit.cli.places import reports_folder
    from drillkit.journal.runs import RunLock, find_run, open_runs
    from drillkit.model.errors import UsageError
    from drillkit.runner.abort import ask_to_abort
    from drillkit.runner.run_start import operator

    def running(folder: Path) -> bool:
        lock = RunLock.take(folder)
        if lock is None:
            return True
        lock.release()
        return False

    if run is None:
        alive = [r for r in open_runs() if r.folder.is_dir() and running(r.folder)]
        if len(alive) != 1:
            names = ", ".join(r.id for r in alive)
            raise UsageError(
                f"expected one running drill, found {len(alive)}"
                + (f": {names}; name one" if alive else "")
            )
        folder = alive[0].folder
    else:
        folder = find_run(run, reports_folder(out))
        if not running(folder):
            raise UsageError(
                f"run {folder.name} is not running; to clean up after it: drillkit "
                f"recover {folder.name}"
            )
    ask_to_abort(folder, operator(), why)
    click.echo(f"asked {folder.name} to stop; it cleans up and writes its report in {folder}")
    return 0


@click.command()
@click.argument("run", required=False)
@click.option("--limit", default="15m", metavar="DURATION", help="Give up after this, run by run.")
def recover(run: str | None, limit: str) -> int:
    """Clean up after runs that could not do it themselves, and judge them again.

    Works from any folder. Without RUN: every open run that no process is working on.
    """
    from drillkit.journal.runs import open_runs
    from drillkit.model.errors import UsageError
    from drillkit.model.units import parse_duration
    from drillkit.report import EXIT_TEXT, write_reports
    from drillkit.runner.recover import recover as recover_run

    try:
        limit_s = parse_duration(limit).total_seconds()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--limit") from error
    runs = list(open_runs())
    if run is not None:
        runs = [r for r in runs if run in (r.id, str(r.folder))]
        if not runs:
            raise UsageError(
                f"run `{run}` is not among the open ones: nothing of it is left to undo"
            )
    if not runs:
        click.echo("nothing to recover: no run is open")
        return 0
    worst = 0
    for found in runs:
        done = recover_run(found, limit_s, lambda text: click.echo(f"  {text}", err=True))
        click.echo(f"{found.id} on {found.target}: {done.state}: {done.detail}")
        for resource in done.left:
            click.secho(f"  left: {resource}", fg="red")
        if done.state in ("clean", "dirty", "refused") and found.journal.is_file():
            verdict, _ = write_reports(found.folder)
            click.echo(
                f"  judged again: {verdict.headline} (exit {verdict.exit_code}: "
                f"{EXIT_TEXT[verdict.exit_code]})"
            )
        worst = max(
            worst,
            {"clean": 0, "still running": 0, "unreadable": 3, "dirty": 5, "refused": 5}[done.state],
        )
    return worst
