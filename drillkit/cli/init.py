"""`init`: the first files of a project."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("name", default="first")
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), default=Path("."), help="Where."
)
def init(name: str, folder: Path) -> None:
    """Write a commented first drill and what a project needs; existing files stay as they are."""
    from drillkit.spec.init import write_first
    from drillkit.spec.project import shown

    for path in write_first(folder, name):
        click.echo(f"wrote {shown(path.resolve())}")
    click.echo(f"next: drillkit run {name} --target sandbox")
