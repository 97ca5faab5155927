"""A machine that was paused does not know who holds the lock by now: it asks before it begins
anything.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import pytest

from drillkit.clients.kube.lease import LOCK, ReleaseLease
from drillkit.clients.kube.objects import DeleteObject
from drillkit.clients.kube.resources import CONFIGMAPS, LEASES
from drillkit.journal.file import parse
from drillkit.model.errors import Refused
from drillkit.runner.abort import Stopper
from drillkit.runner.target_lock import TTL_S, TargetLock
from tests.crash.world import RUN, Cluster, Fate, Stage, WorldClock

LATER = "20260101-000100-late"


class Paused(WorldClock):
    """The thread that renews the lock stands still, as the whole machine does."""

    def sleep(self, seconds: float, wake: threading.Event | None = None) -> bool:
        return wake.wait() if wake is not None else super().sleep(seconds)


class Scene:
    """A run that holds the lock."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.fate = Fate(random.Random(1))
        self.stage = Stage.open(self.cluster, self.fate)
        self.stopper = Stopper(self.stage.journal, self.stage.journal.fence)
        self.lock = TargetLock(self.stage.clients, Paused(self.fate, self.cluster), self.stopper)
        self.lock.take(self.stage.journal, RUN, "me@here", 0, self.stage.journal.fence)

    def begin(self) -> None:
        """What every effect begins with, whichever process makes it."""
        self.stage.journal.plan(DeleteObject(CONFIGMAPS, "x", RUN, "shop"))

    def planned(self) -> int:
        return sum(r.kind == "undo.planned" for r in parse(self.stage.disk.content()))

    def taken_over(self) -> None:
        """By a run on another machine."""
        other = Stage.open(self.cluster, Fate(random.Random(2)))
        plan = other.journal.plan(ReleaseLease(LOCK, "drillkit", LATER))
        other.kube.acquire_lease(plan, holder="her@there", ttl_s=TTL_S)


@pytest.fixture
def scene() -> Iterator[Scene]:
    found = Scene()
    yield found
    found.fate.trouble = 0
    found.lock.stop()


def test_a_run_whose_lock_was_taken_over_while_it_was_paused_begins_nothing_more(
    scene: Scene,
) -> None:
    scene.begin()
    before = scene.planned()
    scene.cluster.advance(2 * TTL_S)
    scene.taken_over()
    with pytest.raises(Refused, match=r"the lock on the target was lost: .* her@there holds it"):
        scene.begin()
    assert scene.planned() == before
    assert scene.stopper.aborted is not None
    assert scene.stage.journal.fence.closed.is_set()


def test_a_run_that_was_paused_and_still_has_its_lock_goes_on(scene: Scene) -> None:
    scene.cluster.advance(2 * TTL_S)
    scene.begin()
    lease = scene.stage.clients.kube.get(LEASES, LOCK, "drillkit")
    now = f"{scene.cluster.at:%Y-%m-%dT%H:%M:%S}"
    assert lease["spec"]["renewTime"].startswith(now)
    with pytest.raises(Refused, match="me@here holds the lock"):
        scene.taken_over()


def test_where_nobody_can_tell_nothing_begins_but_a_short_trouble_is_no_matter(
    scene: Scene,
) -> None:
    scene.fate.trouble = 1
    scene.cluster.advance(TTL_S - 10)
    scene.begin()
    scene.cluster.advance(60)
    with pytest.raises(Refused, match=r"was not renewed for 1.* another run may have taken it"):
        scene.begin()
    assert scene.stopper.aborted is None, "it may come back"
