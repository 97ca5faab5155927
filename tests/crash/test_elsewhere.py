"""When recovery comes, the kubeconfig or the AWS profile leads elsewhere: to a place that holds
things of the very same names. It is refused, nothing is asked of that place but its name, and every
undo stays open.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from drillkit.cleanup import Cleaned, clean, open_undos
from drillkit.clients import Clients
from drillkit.clients.aws import Aws
from drillkit.clients.chaostoolkit.undo import Rollbacks
from drillkit.clients.command import UndoCommand
from drillkit.clients.elasticache.groups import DeleteReplicationGroup
from drillkit.clients.elasticache.snapshots import DeleteCacheSnapshot
from drillkit.clients.identity import Identity
from drillkit.clients.kube import Kube
from drillkit.clients.kube.field_patch import FieldChange
from drillkit.clients.kube.resources import PODS
from drillkit.clients.kube.verified import KUBE_SYSTEM, VerifiedTransport
from drillkit.clock import Fence, SystemClock
from drillkit.journal.file import Journal, parse
from drillkit.journal.undo_registry import undo_class, undo_kinds
from drillkit.model.effects import Undo
from drillkit.model.target import KubernetesTarget, Target
from tests.clients.aws.wire import ACCOUNT, target
from tests.clients.aws.wire import Wire as AwsWire
from tests.clients.rds.fake import FakeRds
from tests.crash import test_aws_survival as aws_survival
from tests.crash import velero
from tests.crash.campaign import _act, _begun, _found, telling_doors
from tests.crash.scenarios import SCENARIOS, Scenario
from tests.crash.world import RUN, Another, Cluster, Dead, Fate, Stage, Wire

KUBE = [*SCENARIOS.values(), *velero.SCENARIOS.values()]
DOORS = 12
"""Of each scenario, spread over all: a crash in between leaves the same undos open."""


def uid_of(cluster: Cluster) -> str:
    answer = Wire(Fate(random.Random(0)), cluster).send("GET", KUBE_SYSTEM, {})
    return str(answer.json()["metadata"]["uid"])


def connected(stage: Stage, wire: Wire, uid: str) -> Clients:
    """What `recover` opens: connections that expect the cluster of record 1."""
    expected = Identity(uid, origin="the run was on")
    there = Target(name="world", kubernetes=KubernetesTarget())
    clients = Clients(there, stage.clock, Fence(), expected)
    transport = VerifiedTransport(wire, expected, "the test")
    vars(clients)["kube"] = Kube(transport, stage.clock, clients.fence, "the test")
    return clients


def crashed(scenario: Scenario, end_at: int) -> tuple[Cluster, bytes]:
    """The world and the journal after the process has ended at that door."""
    random.seed(0)
    cluster = _begun(scenario)[0].fork()
    fate = Fate(random.Random(end_at), end_at)
    stage = Stage.open(cluster, fate)
    _act(scenario, stage)
    return cluster, _found(stage, keep=True)


def doors(scenario: Scenario) -> list[int]:
    found = telling_doors(scenario)
    return found[:: max(1, len(found) // DOORS)]


@pytest.mark.parametrize("scenario", KUBE, ids=lambda s: s.name)
def test_a_cluster_that_is_another_is_asked_for_its_name_only(scenario: Scenario) -> None:
    undos = 0
    for end_at in doors(scenario):
        cluster, content = crashed(scenario, end_at)
        fate = Fate(random.Random(1))
        other = cluster.fork()
        before = other.inventory()
        stage = Stage.open(other, fate, content)
        wire = Another(fate, other)
        opens = open_undos(tuple(parse(stage.journal._disk.content())))
        clients = connected(stage, wire, uid_of(cluster))
        cleaned = clean(opens, clients, stage.journal, stage.clock, 900.0, at_once=1)
        refused(cleaned, opens)
        assert set(wire.asked) <= {f"GET {KUBE_SYSTEM}"}
        assert other.inventory() == before
        assert open_undos(tuple(parse(stage.disk.content()))) == opens
        undos += len(opens)
    assert undos or not scenario.lands


def refused(cleaned: Cleaned, opens: tuple[Any, ...]) -> None:
    assert not cleaned.ended
    left = sorted(failed.undo.record for failed in cleaned.failed)
    assert left == [undo.record for undo in opens]
    for failed in cleaned.failed:
        assert failed.refused, failed.why
        assert "the run was on" in failed.why


def test_control_a_connection_that_verifies_nothing_changes_the_other_cluster() -> None:
    scenario = SCENARIOS["cordon a node"]
    cluster, content = crashed(scenario, telling_doors(scenario)[-1])
    fate, other = Fate(random.Random(1)), cluster.fork()
    before = other.inventory()
    stage = Stage.open(other, fate, content)
    opens = open_undos(tuple(parse(stage.journal._disk.content())))
    clients = connected(stage, Another(fate, other), "")
    clean(opens, clients, stage.journal, stage.clock, 900.0, at_once=1)
    assert other.inventory() != before


# AWS


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


class Account(AwsWire):
    """An account whose requests end in `answer`."""

    def clients(self, stage: Stage | aws_survival.Stage) -> Clients:
        """What `recover` opens with credentials of this account, for a run that was on ACCOUNT."""
        expected = Identity(aws_account=ACCOUNT, origin="the run was on")
        clients = Clients(Target(name="world", aws=target()), stage.clock, Fence(), expected)
        account: Aws = self.connect(stage.clock, clients.fence)
        vars(account)["_expected"] = expected
        vars(clients)["aws"] = account
        return clients


@pytest.mark.parametrize("name", aws_survival.SCENARIOS)
def test_an_account_that_is_another_is_asked_for_nothing_of_rds(name: str) -> None:
    act, prepare = aws_survival.SCENARIOS[name]
    most = aws_survival.rehearsed(name)[0]
    for end_at in range(1, most + 1, max(1, most // 4)):
        world = FakeRds()
        prepare(world)
        stage = aws_survival.Stage(world, Fate(random.Random(end_at), end_at))
        with contextlib.suppress(Dead, aws_survival.DrillError):
            act(stage)
        content = stage.disk.after_power_loss(1 << 30)
        before = world.inventory()
        again = aws_survival.Stage(world, Fate(random.Random(1)), content)
        other = Account(world.answer, account="999999999999")
        opens = open_undos(tuple(parse(again.disk.content())))
        clients = other.clients(again)
        cleaned = clean(opens, clients, again.journal, again.clock, 900.0, at_once=1)
        refused(cleaned, opens)
        assert other.sent == []
        assert world.inventory() == before
        assert open_undos(tuple(parse(again.disk.content()))) == opens


def test_an_account_that_is_another_is_asked_for_nothing_of_elasticache() -> None:
    cluster, fate = Cluster(), Fate(random.Random(1))
    stage = Stage.open(cluster, fate)
    stage.journal.plan(DeleteReplicationGroup("dr-cache", RUN, "eu-central-1"))
    stage.journal.plan(DeleteCacheSnapshot("dr-snap", RUN, "eu-central-1"))
    opens = open_undos(tuple(parse(stage.disk.content())))
    assert len(opens) == 2
    other = Account(lambda region, action, params: {}, account="999999999999")
    clients = other.clients(stage)
    refused(clean(opens, clients, stage.journal, stage.clock, 900.0, at_once=1), opens)
    assert other.sent == []
    right = Account(lambda region, action, params: {}, account=ACCOUNT)
    clients = right.clients(stage)
    cleaned = clean(opens, clients, stage.journal, stage.clock, 900.0, at_once=1)
    assert not cleaned.open
    assert right.sent


# Every client

NOT_THERE = {"alertmanager.expire-silence", "grafana.close-region", "people.put-back"}
"""Undone at the URL that stands in record 1, whatever kubeconfig and profile say, and known there
by the run's name; or by a person.
"""


def any_undo(kind: str, folder: Path) -> Undo:
    """One of that kind, made of nothing but its fields."""
    cls = undo_class(kind)
    values: Mapping[str, Any] = {
        "str": "it",
        "float": 2e9,
        "Resource": PODS,
        "tuple[FieldChange, ...]": (FieldChange("/spec/replicas", "3", "0"),),
        "tuple[str, ...]": ("touch", str(folder / "touched")),
        "Mapping[str, Any]": program("rollbacks", folder / "touched").__dict__.get("document"),
    }
    fields = dataclasses.fields(cls)
    needed = [f for f in fields if f.default is f.default_factory or f.name == "namespace"]
    given = {f.name: values[str(f.type)] for f in needed}
    if kind == "chaostoolkit.rollbacks":
        given["document"] = values["Mapping[str, Any]"]
    return cls(**given | ({"folder": str(folder)} if "folder" in given else {}))


@pytest.mark.parametrize("kind", undo_kinds())
def test_no_undo_there_is_asks_another_place_for_anything(kind: str, tmp_path: Path) -> None:
    cluster, fate = Cluster(), Fate(random.Random(1))
    stage = Stage.open(cluster, fate)
    stage.journal.plan(any_undo(kind, tmp_path))
    opens = open_undos(tuple(parse(stage.disk.content())))
    wire, account = Another(fate, cluster), Account(nothing, account="999999999999")
    clients = connected(stage, wire, uid_of(cluster))
    clients.target = Target(name="w", kubernetes=KubernetesTarget(), aws=target())
    vars(clients)["aws"] = account.clients(stage).aws
    before = cluster.inventory()
    cleaned = clean(opens, clients, stage.journal, stage.clock, 30.0, at_once=1)
    clients.close()
    if kind not in NOT_THERE:
        refused(cleaned, opens)
    assert account.sent == []
    assert set(wire.asked) <= {f"GET {KUBE_SYSTEM}"}
    assert cluster.inventory() == before
    assert not (tmp_path / "touched").exists()


# Programs


@pytest.mark.parametrize("where", ["cluster", "account"])
@pytest.mark.parametrize("sort", ["command", "rollbacks"])
def test_a_program_that_undoes_something_is_not_started_for_another_target(
    tmp_path: Path, where: str, sort: str
) -> None:
    cluster, touched = Cluster(), tmp_path / "touched"
    clock = SystemClock()
    stage = Stage.open(cluster, Fate(random.Random(1)))
    journal = Journal(tmp_path / "journal.jsonl", clock=clock)
    journal.plan(program(sort, touched))
    opens = open_undos(tuple(parse((tmp_path / "journal.jsonl").read_bytes())))
    fate = Fate(random.Random(1))
    right = Wire(fate, cluster), Account(nothing, account=ACCOUNT)
    wrong = {
        "cluster": (Another(fate, cluster), right[1]),
        "account": (right[0], Account(nothing, account="999999999999")),
    }[where]
    for wires in (wrong, right):
        clients = connected(stage, wires[0], uid_of(cluster))
        clients.target = Target(name="w", kubernetes=KubernetesTarget(), aws=target())
        vars(clients)["aws"] = wires[1].clients(stage).aws
        try:
            cleaned = clean(opens, clients, journal, clock, 30.0, at_once=1)
        finally:
            clients.close()
        if wires is wrong:
            refused(cleaned, opens)
            assert not touched.exists()
    assert not cleaned.open, cleaned.failed
    assert touched.exists()
    journal.close()


def nothing(region: str, action: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    return {}


def program(sort: str, touched: Path) -> Undo:
    if sort == "command":
        return UndoCommand("it", ("touch", str(touched)), str(touched.parent))
    provider = {"type": "process", "path": "touch", "arguments": str(touched)}
    rollback = {"type": "action", "name": "touch", "provider": provider}
    document = {"title": "x", "description": "x", "method": [], "rollbacks": [rollback]}
    return Rollbacks("x", "", "", document)
