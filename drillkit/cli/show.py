"""`show`: a drill as it resolves."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("name")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Give a variable a value.")
@click.option(
    "--var-file",
    "var_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="YAML of variables.",
)
@click.option("--target", "-t", metavar="NAME", help="Put this target's values in.")
def show(name: str, sets: tuple[str, ...], var_files: tuple[Path, ...], target: str | None) -> None:
    """A drill as it resolves, with variables put in and defaults left out, as YAML."""
    import yaml

    from drillkit.cli.resolve import ask
    from drillkit.spec.writing import as_written

    asked = ask(name, sets, var_files, target, need=False)
    # A target that is started for a run has no addresses yet: its references stay as they are.
    known = asked.target if asked.chosen is not None and asked.target.launch is None else None
    drill = asked.parsed.resolve(asked.sets, known)
    click.echo(
        f"# {asked.parsed.source.label}" + (f", target {asked.chosen}" if asked.chosen else "")
    )
    click.echo(
        yaml.safe_dump(as_written(drill), sort_keys=False, allow_unicode=True, width=120), nl=False
    )
