"""`docs`: the manual that ships with this version."""

from __future__ import annotations

import sys
from importlib import resources

import click

TOPICS = (
    "getting-started",
    "drills",
    "targets",
    "safety",
    "restores",
    "slos",
    "reports",
    "evidence",
    "gameday",
    "unattended",
    "extending",
    "architecture",
    "journal",
    "limits",
    "contributing",
)
"""In the order in which they are read."""


@click.command()
@click.argument("topic", required=False)
def docs(topic: str | None) -> None:
    """The manual: without TOPIC what there is, else that page as Markdown."""
    if topic is None:
        width = max(map(len, TOPICS))
        for name in TOPICS:
            click.echo(f"{name:{width}}  {_title(name)}")
        click.echo("\nread one: drillkit docs getting-started")
        return
    if topic not in TOPICS:
        from drillkit.model.errors import UsageError
        from drillkit.model.spelling import near

        guess = near(topic, TOPICS)
        meant = f"; did you mean `{guess}`?" if guess else "."
        raise UsageError(f"no page `{topic}`{meant} There are: {', '.join(TOPICS)}")
    text = page(topic)
    # A terminal gets pages, a pipe gets the text.
    if sys.stdout.isatty():
        click.echo_via_pager(text)
    else:
        click.echo(text, nl=False)


def page(topic: str) -> str:
    """The Markdown of a topic. Raises FileNotFoundError."""
    return (resources.files("drillkit") / "docs" / f"{topic}.md").read_text(encoding="utf-8")


def _title(topic: str) -> str:
    return page(topic).partition("\n")[0].removeprefix("# ")
