"""A fault's surroundings: the whole sandbox cluster in memory, a real journal, and time that moves
when it sleeps.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from drillkit.cleanup import Cleaned, clean, open_undos
from drillkit.clients.chaostoolkit.session import WorkerSession, _current, open_session
from drillkit.clock import Deadline
from drillkit.journal.file import parse
from drillkit.model.codec import decode_evidence
from drillkit.model.evidence import Check, Evidence, Mark
from drillkit.model.target import Caps, Target
from drillkit.sandbox.kube.objects import PODS, Object
from tests.crash.world import Cluster, Fate, Stage


@dataclass
class Scene:
    """One process that runs faults."""

    stage: Stage
    session: WorkerSession
    changed: set[str] = field(default_factory=set)
    """Objects that a test changes for good, as `deployments/shop/web`."""

    @property
    def cluster(self) -> Cluster:
        return self.stage.cluster

    def caps(self, **caps: Any) -> None:
        self.session.target = Target(name="world", caps=Caps(**caps))

    def meanwhile(self, after_s: float, happens: Callable[[], object]) -> None:
        """Let something happen once so much of the cluster's time has passed."""
        clock, at = self.stage.clock, self.stage.clock.mono() + after_s
        sleep = clock.sleep
        done: list[bool] = []

        def slept(seconds: float, wake: Any = None) -> bool:
            woken = sleep(seconds, wake)
            if not done and clock.mono() >= at:
                done.append(True)
                happens()
            return woken

        clock.sleep = slept  # type: ignore[method-assign]

    def pods(self, app: str) -> list[Object]:
        found = self.cluster.store.list(PODS, "shop")
        return sorted(
            (p for p in found if (p["metadata"].get("labels") or {}).get("app") == app), key=_name
        )

    def records(self) -> list[Any]:
        return list(parse(self.stage.disk.content()))

    def evidence(self, of: type[Evidence]) -> list[Any]:
        found = [decode_evidence(r.data) for r in self.records() if r.kind == "evidence"]
        return [e for e in found if isinstance(e, of)]

    def checks(self, purpose: str) -> list[Check]:
        return [c for c in self.evidence(Check) if c.purpose == purpose]

    def moments(self) -> list[str]:
        return [mark.moment for mark in self.evidence(Mark)]

    def touched(self) -> list[str]:
        return self.session.notes().touched

    def clean(self) -> Cleaned:
        """Apply what is open, and let the cluster come to rest."""
        opens = open_undos(tuple(self.records()))
        cleaned = clean(
            opens, self.stage.clients, self.stage.journal, self.stage.clock, 600.0, at_once=1
        )
        self.cluster.advance(60)
        return cleaned


def _name(obj: Object) -> str:
    return str(obj["metadata"]["name"])


@pytest.fixture
def scene() -> Iterator[Scene]:
    """The demo shop, and nothing that goes wrong. Afterwards the cluster must be what it was."""
    stage = Stage.open(Cluster(), Fate(random.Random(1)))
    before = stage.cluster.inventory()
    session = WorkerSession(
        stage.book,
        stage.clients,
        Target(name="world", caps=Caps(pods="100%", nodes="100%")),
        stage.clock,
        stage.journal.fence,
        Deadline.after(3600, stage.clock),
        stage.run,
        "step",
    )
    open_session(session)
    found = Scene(stage, session)
    yield found
    _current.clear()
    found.clean()
    after = stage.cluster.inventory()
    assert {k for k in {*before, *after} if before.get(k) != after.get(k)} == found.changed
