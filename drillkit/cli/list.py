"""`list`: what is found from here."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def list_(as_json: bool) -> None:
    """Drills, experiments and targets that are found from this folder, and where each
    comes from.
    """
    from drillkit.spec import all_targets, find_roots, list_drills, list_experiments
    from drillkit.spec.files import shown

    roots = find_roots()
    rows: dict[str, list[tuple[str, str, Path]]] = {
        "drills": [(f.name, f.origin, f.path) for f in list_drills(roots)],
        "experiments": [(f.name, f.origin, f.path) for f in list_experiments(roots)],
        "targets": [(name, "", file) for name, (_, file) in sorted(all_targets(roots).items())],
    }
    if as_json:
        click.echo(
            json.dumps(
                {k: [{"name": n, "path": str(p)} for n, _, p in v] for k, v in rows.items()},
                indent=2,
            )
        )
        return
    for title, found in rows.items():
        click.secho(title, bold=True)
        width = max((len(name) for name, _, _ in found), default=0)
        for name, origin, path in found:
            click.echo(
                f"  {name:{width}}  {shown(path)}" + (f" ({origin})" if origin == "package" else "")
            )
