"""`version`: what is installed."""

from __future__ import annotations

import click


@click.command()
def version() -> None:
    """Versions of drillkit and of what it drives."""
    from drillkit.versions import versions

    for name, number in versions().items():
        click.echo(f"{name} {number}")
