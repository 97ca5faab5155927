"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

OUT = click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of reports."
)

SHARED = [
    click.argument("name"),
    click.option("--target", "-t", metavar="NAME", help="Where to run it; see targets.yaml."),
    click.option(
        "--set", "sets", multiple=True, metavar="KEY=VALUE", help="Give a variable a value."
    ),
    click.option(
        "--var-file",
        "var_files",
        multiple=True,
        type=click.Path(path_type=Path),
        help="YAML file of variables.",
    ),
]


def with_shared(command: Any) -> Any:
    """A command that takes a drill and what fills it in."""
    for option in reversed(SHARED):
        command = option(command)
    return command
