"""`report`: a run judged and rendered again."""

from __future__ import annotations

import json
from pathlib import Path

import click

from drillkit.cli.options import OUT, Out


@click.command()
@click.argument("run")
@OUT
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
@click.option("--postmortem", is_flag=True, help="Print the draft of a post-mortem (Markdown).")
@click.option(
    "--pdf",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Print the report to FILE as PDF too, through the Chromium of this machine.",
)
def report(run: str, out: Out, as_json: bool, postmortem: bool, pdf: Path | None) -> int:
    """Judge RUN and render its report again, from its journal alone.

    RUN is a run's id, its folder, its journal.jsonl, or DRILL/latest.
    """
    from drillkit.cli.runs import run_folder
    from drillkit.cli.sealing import write_and_seal
    from drillkit.journal.file import read
    from drillkit.journal.runs import JOURNAL
    from drillkit.judge import judge
    from drillkit.model.codec import to_data
    from drillkit.spec.project import shown

    folder = run_folder(run, out)
    if postmortem:
        return _postmortem(folder)
    try:
        verdict, paths = write_and_seal(folder, _warn)
    except OSError as error:  # the journal can be judged all the same
        where = error.filename or folder
        _warn(f"the pages could not be written: {where}: {error.strerror}")
        verdict, paths = judge(read(folder / JOURNAL)), ()
    if pdf is not None:
        _print_pdf(folder, pdf)
        paths = (*paths, pdf)
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


def _print_pdf(folder: Path, to: Path) -> None:
    from drillkit.report import page_of
    from drillkit.report.pdf import write_pdf

    write_pdf(page_of(folder), to)


def _warn(text: str) -> None:
    click.secho(text, err=True, fg="yellow")
