"""A step's surroundings: the sandbox's cluster in memory, a real journal."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from drillkit.clock import Deadline
from drillkit.journal.file import parse
from drillkit.model.codec import decode_evidence
from drillkit.model.evidence import Evidence
from drillkit.model.target import Caps, Target
from drillkit.steps.base import Act, Experiment, RunNames
from tests.crash.world import RUN, Cluster, Fate, Stage


class Scene:
    """One step in the demo shop."""

    def __init__(self, folder: Path) -> None:
        self.stage = Stage.open(Cluster(), Fate(random.Random(1)))
        self.experiments: dict[str, Experiment] = {}
        self.act = Act(
            name="step",
            run=RunNames(RUN, "drill", datetime(2026, 1, 1, tzinfo=UTC)),
            target=Target(name="world", caps=Caps(pods="50%", nodes="1")),
            book=self.stage.book,
            clients=self.stage.clients,
            clock=self.stage.clock,
            fence=self.stage.journal.fence,
            deadline=Deadline.after(600, self.stage.clock),
            folder=folder,
            find_experiment=self.experiments.__getitem__,
        )

    def aim(self, **changes: Any) -> None:
        """Change the target."""
        self.act.target = self.act.clients.target = replace(self.act.target, **changes)

    def protect(self) -> None:
        self.aim(protected=True)

    def experiment(self, name: str = "it", **parts: Any) -> None:
        """An experiment that the step finds."""
        data = {"title": name, "description": name, "method": [], **parts}
        self.experiments[name] = Experiment(name, Path(f"{name}.yaml"), "0" * 64, data)

    def records(self) -> list[Any]:
        return list(parse(self.stage.disk.content()))

    def evidence(self, of: type[Evidence]) -> list[Any]:
        found = [decode_evidence(r.data) for r in self.records() if r.kind == "evidence"]
        return [e for e in found if isinstance(e, of)]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)
