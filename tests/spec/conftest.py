"""Step kinds of the tests' own, so that these tests stand when kinds come and go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from drillkit.model.drill import Drill
from drillkit.model.errors import SpecError
from drillkit.model.evidence import Scalar
from drillkit.model.units import Amount
from drillkit.spec.document import Text
from drillkit.spec.drills import Parsed, parse
from drillkit.spec.roots import Root, Roots
from drillkit.spec.source import DrillSource

ONE = Amount(count=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chaos:
    """Arguments as those of a Chaos Toolkit step."""

    experiment: str
    """Name or path of the experiment."""
    configuration: Mapping[str, Any] = field(default_factory=dict)
    """Values of its configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    """A record inside arguments."""

    on: Literal["yes", "no"] = "no"
    """Yes or no, as text."""
    size: int = 1
    """How large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """Arguments of many shapes."""

    source: str
    """What to restore."""
    tag: str = "1.10"
    """A text that looks like a number."""
    amount: Amount = ONE
    """How many."""
    wait: timedelta = timedelta(seconds=5)
    """How long."""
    to: datetime | Literal["latest"] = "latest"
    """Up to when."""
    namespaces: Mapping[str, str] = field(default_factory=dict)
    """From and to."""
    nested: Nested = Nested()
    """More."""
    several: tuple[Nested, ...] = ()
    """Many more."""

    def __post_init__(self) -> None:
        if self.wait > timedelta(hours=1):
            raise ValueError("expected `wait` of at most 1h")


@dataclass(frozen=True)
class FakeKind:
    """Only what the spec asks of a kind."""

    name: str
    Arguments: type
    disturbs: str = "users"
    objectives: frozenset[str] = frozenset({"rto", "rpo", "recovery", "detect"})
    checks: frozenset[str] = frozenset(
        {"sql", "rows", "newest", "checksum", "canary", "http", "service", "command"}
    )
    reads_itself: bool = True
    asks_instances: bool = False
    embeds: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(
        default_factory=lambda: dict.fromkeys(("x", "id", "idd", "wait", "size", "count"), "")
    )


class FakeKinds:
    """A table of kinds."""

    def __init__(self) -> None:
        self._all = {
            k.name: k
            for k in (FakeKind("chaostoolkit", Chaos), FakeKind("velero.restore", Restore, "none"))
        }

    def named(self, name: str) -> Any:
        if name == "broken":
            raise ImportError("No module named 'left_pad'")
        return self._all[name]

    def names(self) -> list[str]:
        return sorted(self._all)


EXPERIMENT = """\
title: t
description: d
configuration: {namespace: shop, selector: app=web, count: 1}
method:
- type: action
  name: kill
  provider: {type: python, module: drillkit.faults.pods, func: delete}
"""

HEAD = "drill: d\nsteps:\n- uses: velero.restore\n  with: {source: s}\n"


class Spec:
    """Parses and resolves texts in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.roots = Roots((Root(folder, "project"),))
        (folder / "experiments").mkdir()
        (folder / "experiments" / "pod-delete.yaml").write_text(EXPERIMENT)

    def parse(self, text: str | bytes) -> Parsed:
        return parse(DrillSource("d.yaml", text, self.roots, folder=self.folder), kinds=FakeKinds())

    def drill(
        self, text: str | bytes, sets: Mapping[str, Text | Scalar] | None = None, **more: Any
    ) -> Drill:
        return self.parse(text).resolve(sets, **more)

    def mistakes(
        self, text: str | bytes, sets: Mapping[str, Text | Scalar] | None = None, **more: Any
    ) -> str:
        with pytest.raises(SpecError) as caught:
            self.drill(text, sets, **more)
        return str(caught.value)


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return Spec(tmp_path)
