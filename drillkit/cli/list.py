"""`list`: what is found from here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from drillkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from drillkit.model.target import Target
    from drillkit.spec.files import FoundFile
    from drillkit.spec.roots import Roots

LONGEST = 90
"""Characters of a description that are shown."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """Something that is found from here."""

    name: str
    description: str
    origin: str
    path: str


@click.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def list_(as_json: bool) -> None:
    """Drills, experiments and targets that are found from this folder, what each is for and where
    it comes from.
    """
    from drillkit.spec import all_targets, find_roots, list_drills, list_experiments
    from drillkit.spec.files import unmarked

    roots = find_roots()
    found = {
        "drills": [_row(each) for each in list_drills(roots)],
        "experiments": [_row(each) for each in list_experiments(roots)],
        "targets": [
            ListedFile(name, _place(target), _origin(roots, str(file)), str(file))
            for name, (target, file) in sorted(all_targets(roots).items())
        ],
    }
    if as_json:
        data = {title: [asdict(row) for row in rows] for title, rows in found.items()}
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        for line, bold in _lines(found):
            click.secho(line, bold=bold)
    if hidden := unmarked():
        click.secho(hidden, fg="yellow", err=True)


def _row(found: FoundFile) -> ListedFile:
    from drillkit.model.errors import SpecError
    from drillkit.spec.document import Map, Mistakes, Text, read_bytes, read_one

    keys = ("drill", "description") if found.sort == "drill" else ("", "title")
    try:
        node = read_one(str(found.path), read_bytes(found.path), Mistakes())
    except SpecError:
        return ListedFile(
            found.name, "cannot be read: see `drillkit validate`", found.origin, _str(found)
        )
    nodes = [node.get(key) if isinstance(node, Map) else None for key in keys]
    name, description = (each.text if isinstance(each, Text) else "" for each in nodes)
    return ListedFile(name or found.name, " ".join(description.split()), found.origin, _str(found))


def _str(found: FoundFile) -> str:
    return str(found.path)


def _origin(roots: Roots, file: str) -> str:
    return next((root.origin for root in roots if str(root.targets) == file), "")


def _place(target: Target) -> str:
    """Where a target is."""
    said = []
    if target.launch is not None:
        said.append("started for a run")
    if target.kubernetes is not None:
        said.append(f"Kubernetes, context {target.kubernetes.context or '(current)'}")
    if target.aws is not None:
        said.append(f"AWS {target.aws.account} in {target.aws.region}")
    if target.protected:
        said.append("protected")
    return "; ".join(said)


def _lines(found: dict[str, list[ListedFile]]) -> Iterator[tuple[str, bool]]:
    from pathlib import Path

    from drillkit.spec.project import shown

    for title, rows in found.items():
        yield title, True
        width = max((len(row.name) for row in rows), default=0)
        for row in rows:
            text = row.description
            if len(text) > LONGEST:
                text = text[: LONGEST - 1].rstrip() + "…"
            # What ships is known by its name; of one's own, the file is wanted too.
            where = "" if row.origin == "package" else f"({shown(Path(row.path))})"
            yield "  ".join(part for part in (f"  {row.name:{width}}", text, where) if part), False
