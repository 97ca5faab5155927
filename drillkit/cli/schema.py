"""`schema`: what editors complete and check a drill with."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("what", type=click.Choice(["drill", "targets", "project"]), default="drill")
def schema(what: str) -> None:
    """JSON Schema of a drill (or of targets.yaml, drillkit.yaml), so that editors complete and
    check it.
    """
    from drillkit.spec.schema import drill_schema, project_schema, targets_schema

    made = {"drill": drill_schema, "targets": targets_schema, "project": project_schema}[what]()
    click.echo(json.dumps(made, indent=2))
