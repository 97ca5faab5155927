"""`report` and `abort`: what follows a run, or ends it."""

from __future__ import annotations

import json
from pathlib import Path

import click

_OUT = click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of reports."
)


@click.command()
@click.argument("run")
@_OUT
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
@click.option("--postmortem", is_flag=True, help="Print the draft of a post-mortem (Markdown).")
def report(run: str, out: Path | None, as_json: bool, postmortem: bool) -> int:
    """Judge RUN and render its report again, from its journal alone.

    RUN is a run's id, its folder, its journal.jsonl, or DRILL/latest.
    """
    from drillkit.cli.places import reports_folder
    from drillkit.cli.sealing import write_and_seal
    from drillkit.journal.file import read
    from drillkit.journal.runs import JOURNAL, find_run
    from drillkit.judge import judge
    from drillkit.model.codec import to_data
    from drillkit.spec.files import shown

    folder = find_run(run, reports_folder(out))
    if postmortem:
        return _postmortem(folder)
    try:
        verdict, paths = write_and_seal(folder, _warn)
    except OSError as error:  # the journal can be judged all the same
        where = error.filename or folder
        _warn(f"the pages could not be written: {where}: {error.strerror}")
        verdict, paths = judge(read(folder / JOURNAL)), ()
    if as_json:
        click.echo(json.dumps(to_data(verdict), indent=2, ensure_ascii=False))
    else:
        click.echo(verdict.headline)
        for path in paths:
            click.echo(f"  {shown(path)}")
    return verdict.exit_code


def _postmortem(folder: Path) -> int:
    from drillkit.journal.file import read
    from drillkit.journal.runs import JOURNAL
    from drillkit.judge import judge
    from drillkit.model.errors import UsageError
    from drillkit.report.pages import postmortem
    from drillkit.report.report_model import tell

    history = read(folder / JOURNAL)
    if not history:
        raise UsageError(f"{folder}: its journal has no record; there is nothing to tell")
    verdict = judge(history)
    click.echo(postmortem(tell(history, verdict), verdict), nl=False)
    return verdict.exit_code


def _warn(text: str) -> None:
    click.secho(text, err=True, fg="yellow")


@click.command()
@click.argument("run", required=False)
@click.option("--why", default="no reason given", help="What the report says of it.")
@_OUT
def abort(run: str | None, why: str, out: Path | None) -> int:
    """Stop a running drill. It undoes everything and reports; nothing is killed.

    Without RUN: the one that is running, if there is just one.
    """
    from drillkit.cli.places import reports_folder
    from drillkit.journal.runs import find_run, is_running, open_runs
    from drillkit.model.errors import UsageError
    from drillkit.runner.abort import ask_to_abort, is_cleaning
    from drillkit.runner.run_start import operator

    if run is None:
        alive = [r for r in open_runs() if is_running(r.folder)]
        if len(alive) != 1:
            names = ", ".join(r.id for r in alive)
            raise UsageError(
                f"expected one running drill, found {len(alive)}"
                + (f": {names}; name one" if alive else "")
            )
        folder = alive[0].folder
    else:
        folder = find_run(run, reports_folder(out))
        if not is_running(folder):
            raise UsageError(
                f"run {folder.name} is not running; to clean up after it: drillkit "
                f"recover {folder.name}"
            )
    if is_cleaning(folder):
        click.echo(
            f"{folder.name} is cleaning up already; there is nothing more to stop. It writes its "
            f"report in {folder}. Ctrl-C at its terminal leaves what is not removed yet to "
            "`drillkit recover`"
        )
        return 0
    ask_to_abort(folder, operator(), why)
    click.echo(f"asked {folder.name} to stop; it cleans up and writes its report in {folder}")
    return 0
