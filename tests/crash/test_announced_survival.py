"""Silences and regions when the process ends at any door and calls go wrong: nothing stays
silenced, and no region is drawn twice.
"""

from __future__ import annotations

import contextlib
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from drillkit.clients.alertmanager import Alertmanager, ExpireSilence
from drillkit.clients.grafana import CloseRegion, Grafana
from drillkit.clock import Fence
from drillkit.journal.book import Book, Planned
from drillkit.model.errors import DrillError
from tests.crash.world import RUN, Cluster, Dead, Fate, Stage, recover
from tests.runner.test_announcing import Service

ALERT, HOUR_S = 'alertname="PodNotReady",namespace="shop"', 3600.0
SORTS = ("silence", "region")


@dataclass
class Doors(Service):
    """Alertmanager and Grafana, behind doors."""

    fate: Fate = field(default_factory=lambda: Fate(random.Random(0)))

    def get(self, path: str, query: Any, asked: str) -> bytes:
        self.fate.door(f"before GET {path}")
        return super().get(path, query, asked)

    def _change(self, method: str, path: str, data: Any, asked: str) -> bytes:
        self.fate.door(f"before {method} {path}")
        answer = super()._change(method, path, data, asked)
        self.fate.door(f"after {method} {path}")
        return answer


def connect(stage: Stage, service: Doors) -> None:
    made = {
        "alertmanager": Alertmanager(service, stage.clock, Fence()),  # type: ignore[arg-type]
        "grafana": Grafana(service, None, stage.clock, Fence()),  # type: ignore[arg-type]
    }
    vars(stage.clients).update(made)


def act(sort: str, stage: Stage, book: Book) -> None:
    ends = stage.clock.now() + HOUR_S
    if sort == "silence":
        plan = book.plan(ExpireSilence(ALERT, RUN, ends))
        stage.clients.alertmanager.silence(plan, comment="a drill")
    else:
        region = book.plan(CloseRegion(RUN, ends))
        stage.clients.grafana.open_region(region, text="a drill", tags=("d",))


def died(sort: str, end_at: int, fates: list[str]) -> tuple[Stage, Doors, Cluster]:
    """A process that ends at that door (0: by itself), with its clean-up, and the next one's."""
    cluster, fate = CLUSTER.fork(), Fate(random.Random(end_at), end_at)
    service = Doors(list(fates), fate=fate)
    stage = Stage.open(cluster, fate)
    connect(stage, service)
    with contextlib.suppress(Dead):
        with contextlib.suppress(DrillError):
            act(sort, stage, stage.book)
        recover(stage)
    return stage, service, cluster


CLUSTER = Cluster()


@pytest.mark.parametrize("fates", [[], ["landed"], ["lost", "landed"], ["lost"] * 3])
@pytest.mark.parametrize("sort", SORTS)
def test_wherever_the_process_ends_the_next_one_leaves_nothing(sort: str, fates: list[str]) -> None:
    doors = died(sort, 0, fates)[0].fate.n
    assert doors > 5
    for end_at in range(1, doors + 1):
        before, service, cluster = died(sort, end_at, fates)
        service.fate = after = Fate(random.Random(-1))
        service.fates.clear()
        again = Stage.open(cluster, after, before.disk.after_power_loss())
        connect(again, service)
        cleaned = recover(again)
        assert not cleaned.open, before.fate.where
        assert service.active == [], before.fate.where
        assert len(service.silences) + len(service.annotations) <= 1, before.fate.where
        for region in service.annotations.values():
            assert region["timeEnd"] <= round(again.clock.now() * 1000), before.fate.where


def test_a_silence_without_a_plan_is_found_out() -> None:
    """The control: a process that writes nothing down leaves alerts silenced."""

    class Forgetful:
        def __init__(self, book: Book) -> None:
            self._book = book

        def plan(self, effect: Any) -> Any:
            return Planned(0, effect, self)

        def append(self, *entry: Any, **more: Any) -> int:
            return 0

    stage = Stage.open(CLUSTER.fork(), Fate(random.Random(0)))
    service = Doors(fate=stage.fate)
    connect(stage, service)
    act("silence", stage, Forgetful(stage.book))
    recover(stage)
    assert len(service.active) == 1
