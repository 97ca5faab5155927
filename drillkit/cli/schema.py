"""`schema`: what editors complete and check a drill with."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("what", type=click.Choice(["drill", "targets", "project", "plan"]), default="drill")
def schema(what: str) -> None:
    """JSON Schema of a drill (or of targets.yaml, drillkit.yaml), so that editors complete and
    check it; or of what `plan --json` prints.
    """
    from drillkit.cli.plan_schema import plan_schema
    from drillkit.spec.schema import drill_schema, project_schema, targets_schema

    known = {
        "drill": drill_schema,
        "targets": targets_schema,
        "project": project_schema,
        "plan": plan_schema,
    }
    click.echo(json.dumps(known[what](), indent=2))
