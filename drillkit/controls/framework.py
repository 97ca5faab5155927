"""Frameworks as data: what each control asks of rehearsals. One YAML file each; users add
theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import UsageError
from drillkit.model.yaml_text import load_yaml

Need: TypeAlias = Literal[
    "restore",
    "objectives",
    "disruption",
    "switchover",
    "segregated",
    "told",
    "reviewed",
    "cadence",
    "followed-up",
]
NEEDS: Mapping[Need, str] = {
    "restore": "a restore whose data was read and held",
    "objectives": "a recovery time or point measured against an objective that held",
    "disruption": "a disruption that was rehearsed to a verdict",
    "switchover": "a failover to redundant capacity that held",
    "segregated": "a restore on systems apart from the source",
    "told": "people who were told of it, by messages that were accepted",
    "reviewed": "a reviewer who accepted it in a signed statement",
    "cadence": "no gap between rehearsals longer than promised",
    "followed-up": "weaknesses that a later run no longer showed",
}
"""What a control can ask, in words."""


@dataclass(frozen=True, slots=True)
class Control:
    """One control."""

    id: str
    asks: str
    """What it asks, in our words."""
    needs: tuple[Need, ...]
    every_days: int | None
    """With need `cadence`: the longest gap that is promised."""


@dataclass(frozen=True, slots=True)
class Framework:
    """A set of controls."""

    name: str
    title: str
    source: str
    """Where the norm's text is to be found."""
    controls: tuple[Control, ...]


def shipped() -> tuple[str, ...]:
    """Names of the frameworks that ship."""
    found = (resources.files("drillkit.controls") / "frameworks").iterdir()
    return tuple(sorted(f.name.removesuffix(".yaml") for f in found if f.name.endswith(".yaml")))


def framework(name: str) -> Framework:
    """A framework by its name, or a file of yours. Raises UsageError."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from error
        return parse(text, path.stem, str(path))
    if name not in shipped():
        raise UsageError(
            f"no framework `{name}`; there are {', '.join(shipped())}, or name a YAML file"
        )
    file = resources.files("drillkit.controls") / "frameworks" / f"{name}.yaml"
    return parse(file.read_text(encoding="utf-8"), name, name)


def parse(text: str, name: str, where: str) -> Framework:
    """A framework from YAML. Raises UsageError naming what does not fit."""
    try:
        raw = load_yaml(text)
        controls = tuple(_control(each) for each in raw["controls"])
        if not controls:
            raise ValueError("no controls")
        return Framework(name, str(raw["title"]), str(raw.get("source", "")), controls)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{where}: expected `title` and `controls` of `id`, `asks`, `needs`; {error!r}"
        ) from error


def _control(raw: Mapping[str, Any]) -> Control:
    needs = tuple(raw["needs"])
    for need in needs:
        if need not in get_args(Need):
            raise ValueError(f"control {raw['id']}: no need `{need}`; {', '.join(NEEDS)}")
    every = raw.get("every_days")
    if ("cadence" in needs) != (every is not None):
        raise ValueError(f"control {raw['id']}: `cadence` and `every_days` belong together")
    return Control(
        str(raw["id"]),
        str(raw["asks"]),
        cast("tuple[Need, ...]", needs),
        int(every) if every is not None else None,
    )
