"""What Velero says of its objects, read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from drillkit.clients.velero.resources import label_value
from drillkit.clients.velero.state import location_of, newest, state_of
from drillkit.model.errors import Absent, TargetError
from tests.clients.velero.conftest import World


def backup(name: str, phase: str, hour: int, **status: Any) -> dict[str, Any]:
    at = f"2026-03-01T{hour:02}:00:00Z"
    meta = {"name": name, "creationTimestamp": at}
    return {"metadata": meta, "status": {"phase": phase, "startTimestamp": at, **status}}


@pytest.mark.parametrize("phase", ["Completed", "PartiallyFailed", "Failed", "FailedValidation"])
def test_a_phase_that_is_not_left_any_more_is_the_end(phase: str) -> None:
    assert state_of(backup("b", phase, 1)).ended
    assert state_of(backup("b", phase, 1)).good == (phase == "Completed")


@pytest.mark.parametrize(
    "phase",
    [
        "",
        "New",
        "Queued",
        "ReadyToStart",
        "InProgress",
        "WaitingForPluginOperations",
        "Finalizing",
        "WaitingForPluginOperationsPartiallyFailed",
        "FinalizingPartiallyFailed",
        "Deleting",
    ],
)
def test_any_other_phase_is_not_the_end(phase: str) -> None:
    assert not state_of(backup("b", phase, 1)).ended


def test_everything_that_velero_says_against_a_backup_is_told() -> None:
    counts = {"errors": 3, "warnings": 1, "hookStatus": {"hooksFailed": 2}}
    state = state_of(backup("b", "PartiallyFailed", 1, failureReason="disk full", **counts))
    assert str(state) == "PartiallyFailed; 3 errors, 1 warnings; disk full; 2 hooks failed"
    invalid = state_of(
        {
            "metadata": {"name": "r"},
            "status": {"phase": "FailedValidation", "validationErrors": ["no"]},
        }
    )
    assert invalid.why == "no"
    assert invalid.started is None


def test_only_a_restart_of_the_server_is_worth_another_try() -> None:
    reason = (
        'found a restore with status "InProgress" during the server starting, mark it as "Failed"'
    )
    assert state_of(backup("r", "Failed", 1, failureReason=reason)).interrupted
    assert not state_of(backup("r", "Failed", 1, failureReason="disk full")).interrupted


def test_the_newest_completed_backup_is_taken_and_newer_ones_that_are_not_are_named() -> None:
    found = newest(
        [
            backup("old", "Completed", 1),
            backup("good", "Completed", 2),
            backup("half", "PartiallyFailed", 3),
            backup("busy", "InProgress", 4),
            backup("older", "Failed", 0),
        ]
    )
    assert found.good is not None
    assert found.good.name == "good"
    assert found.good.started == datetime(2026, 3, 1, 2, tzinfo=UTC)
    assert [s.name for s in found.passed_over] == ["half"]
    assert [s.name for s in found.running] == ["busy"]


def test_a_location_that_nobody_has_looked_at_is_not_available() -> None:
    location = location_of({"metadata": {"name": "default"}, "spec": {"default": True}})
    assert not location.available
    assert "never validated" in location.why


def test_a_long_name_is_cut_in_labels_as_velero_cuts_it() -> None:
    assert label_value("short") == "short"
    cut = label_value("s" * 64)
    assert len(cut) == 63
    assert cut.startswith("s" * 57)
    assert cut != label_value("s" * 65)


def test_what_is_not_there_is_answered_with_what_is(world: World) -> None:
    velero = world.velero
    with pytest.raises(Absent, match="the last ones are b1"):
        velero.backup("b0")
    with pytest.raises(Absent, match="there are none"):
        velero.schedule("daily")
    with pytest.raises(Absent, match="there are default"):
        velero.location("elsewhere")
    assert velero.location("").name == "default"


def test_a_cluster_without_velero_says_how_to_name_its_namespace(world: World) -> None:
    from drillkit.clients.velero import Velero

    with pytest.raises(TargetError, match="Name that one with `velero:`"):
        Velero(world.stage.kube, "backup-system").require()


def test_restores_at_work_are_named_with_their_phase(world: World) -> None:
    assert world.velero.busy() == []
    body = {
        "metadata": {"name": "emergency"},
        "spec": {"backupName": "b1", "namespaceMapping": {"shop": "other"}},
    }
    world.store.create(("velero.io", "restores"), body, "velero")
    world.stage.cluster.advance(2)
    assert world.velero.busy() == ["emergency (InProgress)"]
