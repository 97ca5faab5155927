"""A crash before and after every append and every call of Velero's client: afterwards the world
equals the start.
"""

from __future__ import annotations

import random

import pytest

from drillkit.clients.velero import undo, volumes
from drillkit.clients.velero.resources import SEAL_POLICY
from drillkit.sandbox.kube.objects import NAMESPACES
from drillkit.sandbox.velero.names import RESTORES, VOLUMES
from tests.crash.campaign import Trial, by_seed, each_mishap, exhaustive, lacking
from tests.crash.scenarios import Scenario
from tests.crash.velero import COPY, SCENARIOS, with_velero
from tests.crash.world import Cluster, Fate, Stage, recover

NETWORK_POLICIES = ("networking.k8s.io", "networkpolicies")
ALL = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda s: s.name)


def told(trial: Trial) -> str:
    return f"{trial.where}\n  " + "\n  ".join([*trial.differs, *trial.recoveries])


@ALL
def test_a_few_crashes_and_troubles_by_chance_leave_the_world_as_it_was(scenario: Scenario) -> None:
    for seed in range(6):
        trial = by_seed(scenario, seed)
        assert not trial.differs, f"seed {seed}: {told(trial)}"


@pytest.mark.slow
@ALL
def test_a_crash_at_any_door_leaves_the_world_as_it_was_after_recovery(scenario: Scenario) -> None:
    for trial in exhaustive(scenario):
        assert not trial.differs, told(trial)
        assert not [r for r in trial.recoveries if ": open" in r], told(trial)


@pytest.mark.slow
@ALL
def test_a_change_that_goes_wrong_in_any_way_leaves_the_world_as_it_was(scenario: Scenario) -> None:
    for trial in each_mishap(scenario):
        assert not trial.differs, told(trial)


@pytest.mark.slow
@ALL
def test_without_any_one_permission_nothing_is_left_once_it_is_granted(scenario: Scenario) -> None:
    for trial in lacking(scenario):
        assert not trial.differs, told(trial)
        assert not [r for r in trial.recoveries if ": open" in r], told(trial)


@pytest.mark.slow
@ALL
def test_many_schedules_leave_the_world_as_it_was(scenario: Scenario) -> None:
    for seed in range(100, 160):
        trial = by_seed(scenario, seed)
        assert not trial.differs, f"seed {seed}: {told(trial)}"


@pytest.mark.parametrize(
    "scenario", [s for s in SCENARIOS.values() if s.lands], ids=lambda s: s.name
)
def test_a_scenario_changes_the_world_so_that_there_is_something_to_undo(
    scenario: Scenario,
) -> None:
    cluster = Cluster()
    scenario.prepare(cluster)
    before = cluster.inventory()
    scenario.act(Stage.open(cluster, Fate(random.Random(0))))
    assert cluster.inventory() != before
    if "restore" in scenario.name:
        assert [
            v for v in cluster.store.list(VOLUMES) if v["spec"]["claimRef"]["namespace"] == COPY
        ]


def test_a_restore_that_is_at_work_is_never_deleted_and_later_ones_still_run() -> None:
    cluster = Cluster()
    velero = with_velero(cluster)
    stage = Stage.open(cluster, Fate(random.Random(0)))
    SCENARIOS["restore with Velero, over while it runs"].act(stage)
    assert (cluster.get(RESTORES, "velero", "r1") or {})["status"]["phase"] == "InProgress"
    cleaned = recover(stage)
    assert not cleaned.failed
    later = {
        "metadata": {"name": "later"},
        "spec": {"backupName": "b1", "namespaceMapping": {"shop": "later"}},
    }
    cluster.store.create(RESTORES, later, "velero")
    cluster.advance(30)
    assert (cluster.get(RESTORES, "velero", "later") or {})["status"]["phase"] == "Completed"
    assert not velero.errors


def outlasting(*, lawful: bool = True) -> list[str]:
    """A restore that ends after clean-up's patience, and a recovery later; what was left then."""
    cluster = Cluster()
    velero = with_velero(cluster)
    before = cluster.inventory()
    stage = Stage.open(cluster, Fate(random.Random(0)))
    velero.knobs.slow_s["Restore.InProgress"] = 60.0
    SCENARIOS["restore with Velero, over while it runs"].act(stage)
    first = recover(stage, limit_s=5)
    left = {failed.undo.kind for failed in first.failed}
    if lawful:
        assert left == {"velero.delete-restore", "velero.delete-scratch", "kube.delete-object"}
        sealed = cluster.get(NETWORK_POLICIES, COPY, SEAL_POLICY)
        assert sealed is not None, "the copy keeps its seal as long as Velero fills it"
    cluster.advance(120)
    again = Stage.open(cluster, Fate(random.Random(1)), stage.disk.content())
    assert not (recover(again).failed and lawful)
    cluster.advance(120)
    after = cluster.inventory()
    return [key for key in {*before, *after} if before.get(key) != after.get(key)]


def test_a_restore_that_ends_after_the_patience_of_clean_up_keeps_its_seal_and_leaves_nothing() -> (
    None
):
    assert outlasting() == []


def test_a_namespace_that_velero_has_made_anew_is_the_runs_as_well() -> None:
    """Somebody deletes the sealed namespace while the restore runs."""
    cluster = Cluster()
    velero = with_velero(cluster)
    before = cluster.inventory()
    stage = Stage.open(cluster, Fate(random.Random(0)))
    velero.knobs.slow_s["Restore.InProgress"] = 60.0
    SCENARIOS["restore with Velero, over while it runs"].act(stage)
    cluster.store.delete(NAMESPACES, "", COPY)
    cluster.advance(120)
    made_anew = cluster.get(NAMESPACES, "", COPY)
    assert made_anew is not None, "Velero makes it again, with its own labels only"
    assert "drillkit.dev/run" not in (made_anew["metadata"].get("labels") or {})
    assert not recover(stage).failed
    cluster.advance(120)
    after = cluster.inventory()
    assert [key for key in {*before, *after} if before.get(key) != after.get(key)] == []


# Controls: each takes one law away, and the campaign must notice.


def leaks(scenario: str) -> bool:
    chosen = SCENARIOS[scenario]
    return any(by_seed(chosen, seed).differs for seed in range(12))


@pytest.mark.slow
def test_control_volumes_that_nobody_gives_up_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undo, "give_up", lambda kube, scratch: [])
    monkeypatch.setattr(volumes, "give_up", lambda kube, scratch: [])
    assert leaks("restore with Velero")


def test_control_a_namespace_removed_while_velero_fills_it_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(undo.DeleteRestore, "holds_back", lambda self, other: False)
    monkeypatch.setattr(undo.DeleteScratch, "remade", lambda self, obj: False)
    assert outlasting(lawful=False) != []


@pytest.mark.slow
def test_control_a_restore_deleted_while_it_runs_blocks_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    phases = frozenset({"InProgress", "Finalizing", "Completed", "New", ""})
    monkeypatch.setattr(undo, "ENDED", phases)
    cluster = Cluster()
    with_velero(cluster)
    stage = Stage.open(cluster, Fate(random.Random(0)))
    SCENARIOS["restore with Velero, over while it runs"].act(stage)
    recover(stage)
    later = {
        "metadata": {"name": "later"},
        "spec": {"backupName": "b1", "namespaceMapping": {"shop": "later"}},
    }
    cluster.store.create(RESTORES, later, "velero")
    cluster.advance(60)
    assert (cluster.get(RESTORES, "velero", "later") or {})["status"]["phase"] == "New"
