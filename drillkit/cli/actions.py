"""`actions`: what people noted to be done in game days."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drillkit.cli.options import OUT

if TYPE_CHECKING:
    from drillkit.archive.actions import ActionItem

_COLUMNS = ("id", "state", "text", "owner", "due", "drill", "target", "noted", "by", "closed by")


@click.command()
@click.option("--all", "everything", is_flag=True, help="Those that are closed, too.")
@click.option("--close", "item", metavar="ID", help="It is done; say what was done with --why.")
@click.option("--why", default="", metavar="TEXT", help="What was done about it.")
@click.option("--markdown", is_flag=True, help="As a list for a ticket.")
@click.option("--csv", "as_csv", is_flag=True, help="As a table.")
@OUT
def actions(
    everything: bool, item: str | None, why: str, markdown: bool, as_csv: bool, out: Path | None
) -> int:
    """List what is still to be done, over all runs; close what is.

    Items come from game days (`action TEXT @OWNER 2027-01-31`). Closing is written beside the runs
    (`actions.jsonl`); their journals stay as they are. Ends with 3 when something could not be
    read.
    """
    import time

    from drillkit.archive.actions import action_items, close
    from drillkit.cli.resolve import reports_folder
    from drillkit.model.errors import UsageError
    from drillkit.runner.run_start import operator

    reports = reports_folder(out)
    if item is not None:
        if not why.strip():
            raise UsageError("say what was done about it: --why TEXT")
        done = close(reports, item, operator(), why, time.time())
        click.echo(f"{done.id} is closed by {done.closed_by}: {done.text}")
        return 0
    found = action_items(reports)
    shown = [each for each in found.items if everything or each.open]
    if as_csv:
        _csv(shown)
    elif markdown:
        for each in shown:
            click.echo(_markdown(each))
    else:
        _list(shown, time.strftime("%Y-%m-%d"))
    for unread in found.unread:
        click.secho(f"not read: {unread}", err=True, fg="yellow")
    return 3 if found.unread else 0


def _list(items: list[ActionItem], today: str) -> None:
    if not items:
        click.echo("nothing is to be done")
    for item in items:
        due = f", due {item.due}" if item.due else ""
        late = " (overdue)" if item.open and item.due and item.due.isoformat() < today else ""
        click.echo(f"{item.id}  {_plain(item.text)}")
        who = item.owner or "nobody"
        closed = f"; closed by {item.closed_by}: {item.why}" if not item.open else ""
        click.echo(f"    {_plain(who)}{due}{late}; from {item.drill} on {item.target}{closed}")


def _markdown(item: ActionItem) -> str:
    from drillkit.report.pages import markdown_text

    due = f", due {item.due}" if item.due else ""
    text, owner = markdown_text(item.text), markdown_text(item.owner or "nobody")
    return f"- [{' ' if item.open else 'x'}] {text} ({owner}{due}; {item.id}, {item.drill})"


def _csv(items: list[ActionItem]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for item in items:
        row = (
            item.id,
            "open" if item.open else "closed",
            item.text,
            item.owner,
            item.due or "",
            item.drill,
            item.target,
            item.noted.strftime("%Y-%m-%d %H:%M:%S"),
            item.by,
            item.closed_by,
        )
        writer.writerow([_cell(str(value)) for value in row])


def _cell(text: str) -> str:
    """A spreadsheet takes what begins like this for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _plain(text: str) -> str:
    """Without what moves a terminal's cursor."""
    return "".join(c if c.isprintable() else " " for c in text)
