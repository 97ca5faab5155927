"""`actions`: what people noted to be done in game days."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drillkit.cli.options import OUT, Out
from drillkit.clock import SYSTEM_CLOCK, now_utc

if TYPE_CHECKING:
    from drillkit.archive.actions import ActionItem
    from drillkit.clients.trackers import Ticket, Tracker

_COLUMNS = ("id", "state", "text", "owner", "due", "drill", "target", "noted", "by", "closed by")


@click.command()
@click.option("--all", "everything", is_flag=True, help="Those that are closed, too.")
@click.option("--close", "item", metavar="ID", help="It is done; say what was done with --why.")
@click.option("--why", default="", metavar="TEXT", help="What was done about it.")
@click.option("--markdown", is_flag=True, help="As a list for a ticket.")
@click.option("--csv", "as_csv", is_flag=True, help="As a table.")
@click.option("--github", metavar="OWNER/REPO", help="Make an issue of each open item there.")
@click.option("--jira", metavar="PROJECT", help="Make an issue of each open item there.")
@click.option(
    "--sync", is_flag=True, help="Make none: close the items whose issues are closed there."
)
@click.option("--url", default="", help="Of Jira, or of the API of a GitHub Enterprise server.")
@click.option("--user", default="", metavar="MAIL", help="Whose token it is, for Jira Cloud.")
@click.option(
    "--token",
    default="",
    metavar="REFERENCE",
    help="Default: env:GITHUB_TOKEN or env:JIRA_TOKEN.",
)
@OUT
def actions(
    everything: bool,
    item: str | None,
    why: str,
    markdown: bool,
    as_csv: bool,
    github: str | None,
    jira: str | None,
    sync: bool,
    url: str,
    user: str,
    token: str,
    out: Out,
) -> int:
    """List what is still to be done, over all runs; close what is; export it.

    Items come from game days (`action TEXT @OWNER 2027-01-31`). What is closed or exported is
    written beside the runs (`actions.jsonl`); their journals stay as they are. Exporting again
    makes no issue twice; --sync asks the tracker which of them are done. Ends with 3 when
    something could not be read or exported.
    """

    from drillkit.archive.actions import action_items, close
    from drillkit.cli.runs import read_reports
    from drillkit.model.errors import UsageError
    from drillkit.runner.run_start import operator

    reports = read_reports(out)
    if item is not None:
        if not why.strip():
            raise UsageError("say what was done about it: --why TEXT")
        done = close(reports, item, operator(), why, SYSTEM_CLOCK.now())
        click.echo(f"{done.id} is closed by {done.closed_by}: {done.text}")
        return 0
    found = action_items(reports)
    for unread in found.unread:
        click.secho(f"not read: {unread}", err=True, fg="yellow")
    if github is not None or jira is not None:
        tracker = _tracker(github, jira, url, user, token)
        do = _sync if sync else _export
        return max(do(reports, found.items, tracker), 3 if found.unread else 0)
    if sync:
        raise UsageError("say which tracker knows: --github OWNER/REPO or --jira PROJECT")
    shown = [each for each in found.items if everything or each.open]
    if as_csv:
        _csv(shown)
    elif markdown:
        for each in shown:
            click.echo(_markdown(each))
    else:
        _list(shown, f"{now_utc().astimezone():%Y-%m-%d}")
    return 3 if found.unread else 0


def _tracker(github: str | None, jira: str | None, url: str, user: str, token: str) -> Tracker:
    """Raises UsageError."""
    from drillkit.clients.trackers import GITHUB, GitHub, Jira
    from drillkit.model.errors import UsageError
    from drillkit.secrets import one_line, resolve

    if github is not None and jira is not None:
        raise UsageError("expected --github or --jira, not both at once")
    reference = token or ("env:GITHUB_TOKEN" if jira is None else "env:JIRA_TOKEN")
    value = one_line(resolve(reference, "--token"), "--token")
    if github is not None:
        return GitHub(github, value, url or GITHUB)
    assert jira is not None
    return Jira(jira, value, url, user)


def _export(reports: Path, items: tuple[ActionItem, ...], tracker: Tracker) -> int:
    """Each open item that is no issue there yet becomes one."""

    from drillkit.archive.actions import note_issue
    from drillkit.model.errors import CallError
    from drillkit.runner.run_start import operator

    wanted = [item for item in items if item.open]
    for item in wanted:
        if there := item.issues.get(tracker.name):
            click.echo(f"{item.id}  is there already: {there}")
            continue
        ticket = _ticket(item)
        try:
            found = tracker.find(ticket)
            made = found.address if found is not None else tracker.create(ticket)
        except CallError as error:
            click.secho(
                f"{item.id} was not exported to {tracker.name}: {error}; mend that and export "
                "again, nothing is made twice",
                err=True,
                fg="red",
            )
            return 3
        note_issue(reports, item, tracker.name, made, operator(), SYSTEM_CLOCK.now())
        click.echo(f"{item.id}  {'is there already' if found else 'made'}: {made}")
    if not wanted:
        click.echo("nothing is to be done")
    return 0


def _sync(reports: Path, items: tuple[ActionItem, ...], tracker: Tracker) -> int:
    """Each open item whose issue is closed there is closed here."""
    from drillkit.archive.actions import close
    from drillkit.model.errors import CallError

    wanted = [item for item in items if item.open]
    for item in wanted:
        try:
            issue = tracker.find(_ticket(item))
        except CallError as error:
            click.secho(f"{tracker.name} was not read: {error}", err=True, fg="red")
            return 3
        if issue is None:
            click.echo(f"{item.id}  has no issue there; without --sync one is made")
        elif not issue.closed:
            click.echo(f"{item.id}  is still open: {issue.address}")
        else:
            why = f"its issue is closed ({issue.closed}): {issue.address}"
            close(reports, item.id, tracker.name, why, SYSTEM_CLOCK.now())
            click.echo(f"{item.id}  is closed: {_plain(why)}")
    if not wanted:
        click.echo("nothing is to be done")
    return 0


def _ticket(item: ActionItem) -> Ticket:
    from drillkit.clients.trackers import Ticket

    facts = [
        ("owner", item.owner or "nobody"),
        ("due", str(item.due or "")),
        ("noted by", f"{item.by}, {item.noted:%Y-%m-%d}"),
        ("drill", f"{item.drill} on {item.target}"),
        ("item", item.id),
    ]
    return Ticket(item.id, item.text, tuple(fact for fact in facts if fact[1]), item.due)


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
        for issue in item.issues.values():
            click.echo(f"    {_plain(issue)}")


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
