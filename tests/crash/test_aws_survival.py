"""Restores in AWS: a crash at any door, a call that goes wrong in any way; afterwards nothing is
left that was made.

The code under test is the real one, botocore included; requests end in a small RDS in memory with
its own time.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from drillkit.cleanup import Cleaned, clean, open_undos
from drillkit.clients import Clients, effect, removal
from drillkit.clients.aws import removal as aws_removal
from drillkit.clients.rds import (
    DeleteCluster,
    DeleteInstance,
    DeleteParameterGroup,
    DeleteSnapshot,
    Rds,
)
from drillkit.clock import Fence
from drillkit.journal.file import Journal, parse
from drillkit.model.errors import DrillError
from drillkit.model.target import Target
from drillkit.sandbox.aws.wire import Fault
from tests.clients.aws.wire import Sent, Wire, target
from tests.clients.rds.fake import TEAM, FakeRds
from tests.crash.world import LATEST_LANDING_S, RUN, Blow, Dead, Fate, MemoryDisk, WorldClock

REGION = "eu-central-1"
MISHAPS = ("throttle", "stumble", "refuse", "lose", "swallow", "fail_after", "delay")
NETWORK: dict[str, Any] = {"DBSubnetGroupName": "drill", "DeletionProtection": False}


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


class Trouble:
    """What goes wrong between us and AWS, as fate has it."""

    def __init__(self, fate: Fate, world: FakeRds) -> None:
        self._fate, self._world = fate, world
        self._mishap = ""

    def before(self, sent: Sent) -> None:
        """The request leaves. Raises what comes instead of an answer."""
        self._fate.door(f"before {sent.action}")
        looks = sent.action.startswith(("Describe", "List"))
        self._mishap = self._fate.mishap("GET" if looks else "POST")
        match self._mishap:
            case "throttle":
                self._gone(Fault("Throttling", "Rate exceeded", 400))
            case "stumble":
                self._gone(Fault("ServiceUnavailable", "later", 503))
            case "refuse":
                self._gone(refused())
            case "lose":
                self._world.advance(15)
                self._gone(unanswered())
            case "delay":
                world, blow = self._world, self._fate.blow
                late_s = blow.late_s if blow else self._fate.rng.uniform(0.1, LATEST_LANDING_S)
                world.later(late_s, lambda: _landing(world, sent))
                self._gone(unanswered())

    def after(self, sent: Sent) -> None:
        """The answer comes back, or is lost."""
        self._fate.door(f"after {sent.action}")
        if self._mishap == "swallow":
            self._gone(unanswered())
        if self._mishap == "fail_after":
            self._gone(unanswered())

    def _gone(self, error: Exception) -> None:
        if self._fate.blow is not None and self._fate.blow.deadly:
            self._fate.end(f"{self._mishap}")
        raise error


def _landing(world: FakeRds, sent: Sent) -> None:
    with contextlib.suppress(Fault):  # too late: somebody else has it by now, or it is gone
        world.answer(sent.region, sent.action, sent.params)


def refused() -> Exception:
    from botocore.exceptions import EndpointConnectionError

    return EndpointConnectionError(endpoint_url="http://rds")


def unanswered() -> Exception:
    from botocore.exceptions import ReadTimeoutError

    return ReadTimeoutError(endpoint_url="http://rds")


@functools.cache
def _opened(key: str) -> tuple[Wire, Rds]:
    """Clients are slow to make and keep no state of a run: one pair for all trials, its wire turned
    to each.
    """
    wire = Wire(lambda region, action, params: {})
    aws = wire.connect()
    return wire, Rds(aws)


@dataclass
class Stage:
    """One process of drillkit in the world."""

    world: FakeRds
    fate: Fate
    content: bytes = b""
    disk: MemoryDisk = field(init=False)
    journal: Journal = field(init=False)
    rds: Rds = field(init=False)
    clock: WorldClock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = WorldClock(self.fate, self.world)  # type: ignore[arg-type]
        self.disk = MemoryDisk(self.fate, self.content)
        self.journal = Journal(self.disk, clock=self.clock)
        wire, rds = _opened("rds")
        trouble = Trouble(self.fate, self.world)
        wire.sent.clear()
        wire.answer, wire.before, wire.after = self.world.answer, trouble.before, trouble.after
        for part in (rds, rds.service, rds.aws, rds.instances, rds.clusters):
            for name in ("clock", "_clock"):
                if hasattr(part, name):
                    setattr(part, name, self.clock)
        rds.instances._began = rds.clusters._began = float("-inf")
        rds.instances._busy = rds.clusters._busy = False
        self.rds = rds
        rds.service.fence = rds.aws.fence = self.journal.fence

    def recover(self) -> Cleaned:
        """What `drillkit recover` does: read the journal, apply what is open."""
        clients = Clients(Target(name="world", aws=target()), self.clock, Fence())
        vars(clients)["rds"] = self.rds
        history = tuple(parse(self.disk.content()))
        return clean(open_undos(history), clients, self.journal, self.clock, 900.0, at_once=1)


# What a run may do


def restore(stage: Stage) -> None:
    """A restore of an instance with its parameter group, and its reboot-free adjustment."""
    group = stage.journal.plan(DeleteParameterGroup("dr-pg", RUN, REGION))
    stage.rds.copy_parameter_group(group, source="prod-params", family="")
    plan = stage.journal.plan(DeleteInstance("dr-copy", RUN, REGION))
    stage.rds.restore_to_point_in_time(
        plan,
        source={"SourceDBInstanceIdentifier": "prod", "UseLatestRestorableTime": True},
        settings={**NETWORK, "DBParameterGroupName": "dr-pg"},
    )
    await_available(stage, "dr-copy")
    stage.rds.modify(plan, changes={"MonitoringInterval": 30})


def restore_with_inherited_protection(stage: Stage) -> None:
    """As if the copy had taken its original's protection."""
    plan = stage.journal.plan(DeleteInstance("dr-copy", RUN, REGION))
    stage.rds.restore_to_point_in_time(
        plan,
        source={"SourceDBInstanceIdentifier": "prod", "UseLatestRestorableTime": True},
        settings={},
    )
    await_available(stage, "dr-copy")


def fresh_snapshot(stage: Stage) -> None:
    snapshot = stage.journal.plan(DeleteSnapshot("dr-snap", RUN, REGION))
    stage.rds.create_snapshot(snapshot, source="prod")
    stage.clock.sleep(10)
    plan = stage.journal.plan(DeleteInstance("dr-copy", RUN, REGION))
    stage.rds.restore_from_snapshot(plan, snapshot="dr-snap", settings=NETWORK)


def aurora(stage: Stage) -> None:
    cluster = stage.journal.plan(DeleteCluster("dr-cluster", RUN, REGION))
    stage.rds.restore_cluster_to_point_in_time(
        cluster,
        source={"SourceDBClusterIdentifier": "x", "UseLatestRestorableTime": True},
        settings=NETWORK,
    )
    stage.clock.sleep(10)
    member = stage.journal.plan(DeleteInstance("dr-cluster-1", RUN, REGION))
    settings = {"Engine": "aurora-postgresql", "DBInstanceClass": "db.t4g.medium"}
    stage.rds.create_member(member, cluster="dr-cluster", settings=settings)


def await_available(stage: Stage, name: str) -> None:
    for _ in range(30):
        found = stage.rds.instance(name)
        if found is not None and found["DBInstanceStatus"] == "available":
            return
        stage.clock.sleep(1)
    raise DrillError("it did not come")


def somebody_elses(world: FakeRds) -> None:
    """An instance with our very name, and the run's tag but another's name in the other one: a copy
    of a copy.
    """
    inherited = [{"Key": "drillkit:run", "Value": RUN}, {"Key": "drillkit:of", "Value": "another"}]
    world.instances["dr-copy"] = {
        **world.instances["prod"],
        "DBInstanceIdentifier": "dr-copy",
        "TagList": inherited,
    }
    world.instances["dr-copy"]["DeletionProtection"] = False
    world.groups["dr-pg"] = {"tags": TEAM, "values": {}}
    world.snapshots["dr-snap"] = {
        "DBSnapshotIdentifier": "dr-snap",
        "Status": "available",
        "TagList": TEAM,
    }


Act = Callable[[Stage], None]
SCENARIOS: dict[str, tuple[Act, Callable[[FakeRds], None]]] = {
    "restore": (restore, lambda world: None),
    "restore with inherited protection": (restore_with_inherited_protection, lambda world: None),
    "fresh snapshot": (fresh_snapshot, lambda world: None),
    "aurora": (aurora, lambda world: None),
    "somebody else has the names": (restore, somebody_elses),
    "somebody else has the snapshot's name": (fresh_snapshot, somebody_elses),
}
ALL = pytest.mark.parametrize("name", SCENARIOS)


@dataclass
class Trial:
    where: str
    differs: list[str]
    recoveries: list[str]


def trial(
    name: str,
    fate: Fate,
    *,
    keep: int | None = None,
    deaths: tuple[int, ...] = (),
    pause_s: float = 0.0,
) -> Trial:
    """Act until the end that fate has in store, recover, and compare the world with what it was."""
    act, prepare = SCENARIOS[name]
    world = FakeRds()
    prepare(world)
    before = world.inventory()
    stage = Stage(world, fate)
    with contextlib.suppress(Dead, DrillError):
        act(stage)
    content = stage.disk.content() if not fate.dead else stage.disk.after_power_loss(keep)
    told: list[str] = []
    for end_at in (*deaths, 0):
        world.advance(pause_s)
        again = Stage(world, Fate(random.Random(fate.rng.random()), end_at), content)
        try:
            cleaned = again.recover()
            told += [f"{e.undo.resource}: {e.undone.outcome}" for e in cleaned.ended]
            told += [f"{f.undo.resource}: open: {f.why}" for f in cleaned.failed]
            content = again.disk.content()
        except Dead:
            content = again.disk.after_power_loss(keep)
    world.advance(120)
    after = world.inventory()
    differs = [
        f"{kind}: {before[kind]} -> {after[kind]}" for kind in before if before[kind] != after[kind]
    ]
    return Trial(fate.where, differs, told)


@functools.cache
def rehearsed(name: str) -> tuple[int, int]:
    """(doors, changing calls) when nothing goes wrong."""
    act, prepare = SCENARIOS[name]
    world, fate = FakeRds(), Fate(random.Random(0))
    prepare(world)
    with contextlib.suppress(DrillError):
        act(Stage(world, fate))
    return fate.n, fate.changes


def told(name: str, found: Trial) -> str:
    return f"{name}: {found.where}\n  " + "\n  ".join([*found.differs, *found.recoveries])


def exhaustive(name: str) -> Iterator[Trial]:
    for end_at in range(1, rehearsed(name)[0] + 1):
        for keep in (0, 1 << 30):
            yield trial(name, Fate(random.Random(end_at), end_at), keep=keep)


def each_mishap(name: str) -> Iterator[Trial]:
    for change in range(1, rehearsed(name)[1] + 1):
        for mishap in MISHAPS:
            for deadly in (False, True):
                for late_s in (0.5, LATEST_LANDING_S - 1) if mishap == "delay" else (0.0,):
                    blow = Blow(change, mishap, deadly, late_s)
                    yield trial(name, Fate(random.Random(change), blow=blow))


@pytest.mark.slow
@ALL
def test_a_crash_at_any_door_of_a_restore_leaves_nothing(name: str) -> None:
    for found in exhaustive(name):
        assert not found.differs, told(name, found)
        assert not [r for r in found.recoveries if ": open" in r], told(name, found)


@pytest.mark.slow
@ALL
def test_a_call_that_goes_wrong_in_any_way_leaves_nothing(name: str) -> None:
    for found in each_mishap(name):
        assert not found.differs, told(name, found)


@ALL
def test_trouble_and_crashes_by_chance_leave_nothing(name: str) -> None:
    doors = rehearsed(name)[0]
    for seed in range(20):
        rng = random.Random(seed)
        fate = Fate(
            rng, rng.choice((0, rng.randint(1, doors))), trouble=rng.choice((0.0, 0.1, 0.3))
        )
        deaths = tuple(rng.randint(1, 30) for _ in range(rng.randint(0, 2)))
        found = trial(name, fate, deaths=deaths, pause_s=rng.choice((0.0, 3.0, 60.0)))
        assert not found.differs, f"seed {seed}: {told(name, found)}"


def test_a_restore_makes_something_so_that_there_is_something_to_undo() -> None:
    world = FakeRds()
    before = world.inventory()
    restore(Stage(world, Fate(random.Random(0))))
    assert world.inventory() != before
    assert world.groups["dr-pg"]["values"] == {
        "shared_preload_libraries": "pg_stat_statements",
        "max_logical_replication_workers": "0",
    }


# Controls: each takes one law away, and the campaign must notice


def leaks(name: str) -> bool:
    return any(found.differs for found in itertools.chain(each_mishap(name), exhaustive(name)))


@pytest.mark.slow
def test_control_not_found_believed_at_once_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "_nothing_can_come", lambda *args: True)
    assert leaks("restore")


@pytest.mark.slow
def test_control_an_unanswered_call_taken_for_answered_leaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sure = property(lambda self: False, lambda self, value: None)
    monkeypatch.setattr(effect.Attempts, "doubtful", sure, raising=False)
    assert leaks("restore")


@pytest.mark.slow
def test_control_marks_that_nobody_looks_at_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_removal, "carries_marks", lambda *args: True)
    assert leaks("somebody else has the names")
