"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

if TYPE_CHECKING:
    from drillkit.clients.bucket import BucketUrl
    from drillkit.model.target import Target

Out: TypeAlias = "Path | BucketUrl | None"
"""Where runs are, as it was named."""


class PlaceType(click.ParamType[Any]):
    """A folder, or a place in a bucket."""

    name = "folder"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """See click."""
        if not isinstance(value, str):
            return value
        if not value.startswith("s3://"):
            return click.Path(path_type=Path, file_okay=False).convert(value, param, ctx)
        from drillkit.clients.bucket import BucketUrl

        return BucketUrl.parse(value)


OUT = click.option(
    "--out", type=PlaceType(), metavar="FOLDER|s3://...", help="Where runs and their reports are."
)

YES = click.option("--yes", "-y", is_flag=True, help="Do not ask; protected targets still do.")
RECOVER = click.option(
    "--recover",
    "recover_first",
    is_flag=True,
    help="First clean up what earlier runs left on this target.",
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


def refuse_unsafe(target: Target) -> None:
    """`--allow-unsafe` is for targets that are not protected. Raises UsageError."""
    from drillkit.model.errors import UsageError

    if target.protected:
        raise UsageError(
            f"--allow-unsafe is not for target `{target.name}`, which is protected; use the safe "
            "form that `drillkit plan` names"
        )
