"""The lock in the cluster."""

from __future__ import annotations

from typing import Any

import pytest

from drillkit.clients.kube import ReleaseLease
from drillkit.clients.kube.ownership import BLOCKED, STOP
from drillkit.clients.kube.resources import LEASES
from drillkit.model.errors import NotOurs, Refused, TargetError
from tests.clients.kube.conftest import context
from tests.crash.world import Stage


def held(stage: Stage, run: str = "run-1", namespace: str = "drillkit") -> Any:
    plan = stage.journal.plan(ReleaseLease("drillkit", namespace, run))
    stage.kube.acquire_lease(plan, holder=f"{run} by ann@host", ttl_s=60)
    return plan


def test_a_lock_is_taken_kept_and_given_back(stage: Stage) -> None:
    plan = held(stage)
    stage.cluster.advance(50)
    assert stage.kube.renew_lease(plan) == ""
    stage.cluster.advance(50)
    assert stage.kube.renew_lease(plan) == ""
    assert plan.undo.apply(stage.clients, context(stage)).outcome == "undone"
    assert stage.kube.find(LEASES, "drillkit", "drillkit") is None


def test_a_second_run_is_refused_and_told_who_holds_it(stage: Stage) -> None:
    held(stage)
    stage.cluster.advance(20)
    with pytest.raises(
        Refused, match=r"run-1 by ann@host holds the lock .*renewed 20.*expires in 4[45]"
    ):
        held(stage, "run-2")


def test_a_dead_runs_lock_is_taken_over_and_its_undo_leaves_the_new_one_alone(stage: Stage) -> None:
    first = held(stage)
    stage.cluster.advance(66)
    held(stage, "run-2")
    with pytest.raises(NotOurs, match="run-2 by ann@host holds it now"):
        stage.kube.renew_lease(first)
    assert first.undo.apply(stage.clients, context(stage)).outcome == "not-ours"
    assert stage.kube.find(LEASES, "drillkit", "drillkit") is not None


def test_a_lock_that_was_given_up_is_free(stage: Stage) -> None:
    body = {"metadata": {"name": "drillkit"}, "spec": {"holderIdentity": ""}}
    stage.cluster.store.create(("coordination.k8s.io", "leases"), body, "drillkit")
    held(stage)


def test_a_missing_namespace_says_how_to_make_it(stage: Stage) -> None:
    with pytest.raises(TargetError, match="kubectl create namespace nowhere"):
        held(stage, namespace="nowhere")


def test_anybody_with_kubectl_can_stop_the_run(stage: Stage) -> None:
    plan = held(stage)
    assert stage.kube.stop_flag("drillkit", "drillkit") == ""
    note = {"metadata": {"annotations": {STOP: "customers call"}}}
    stage.cluster.store.patch(("coordination.k8s.io", "leases"), "drillkit", "drillkit", note)
    assert stage.kube.stop_flag("drillkit", "drillkit") == "customers call"
    assert stage.kube.renew_lease(plan) == "customers call"
    assert stage.kube.stop_flag("another", "drillkit") == ""


@pytest.mark.parametrize("by_kubectl", [True, False])
def test_a_block_stops_the_run_outlives_its_lock_and_keeps_others_out_until_lifted(
    stage: Stage, by_kubectl: bool
) -> None:
    plan = held(stage)
    if by_kubectl:
        note = {"metadata": {"annotations": {BLOCKED: "sale"}}}
        stage.cluster.store.patch(("coordination.k8s.io", "leases"), "drillkit", "drillkit", note)
    else:
        assert stage.kube.set_block("drillkit", "sale") is True
    assert stage.kube.renew_lease(plan) == "the target was blocked: sale"
    undone = plan.undo.apply(stage.clients, context(stage))
    assert (undone.outcome, undone.detail) == (
        "undone",
        "given back; the target stays blocked: sale",
    )
    assert stage.kube.set_block("drillkit", "sale") is False, "nobody holds it any more"
    stage.cluster.advance(3600)
    with pytest.raises(Refused, match="the target is blocked: sale"):
        held(stage, "run-2")
    with pytest.raises(Refused, match="the target is blocked: sale"):
        stage.kube.rehearse_lease("drillkit")
    stage.kube.set_block("drillkit", None)
    assert stage.kube.find(LEASES, "drillkit", "drillkit") is None
    held(stage, "run-3")


def test_a_target_without_a_run_is_blocked_and_lifting_a_block_leaves_a_run_alone(
    stage: Stage,
) -> None:
    stage.kube.set_block("drillkit", None)
    assert stage.kube.set_block("drillkit", "sale") is False
    assert stage.kube.block_of("drillkit") == "sale"
    stage.kube.set_block("drillkit", None)
    plan = held(stage)
    stage.kube.set_block("drillkit", "sale")
    stage.kube.set_block("drillkit", None)
    assert stage.kube.renew_lease(plan) == ""
    with pytest.raises(TargetError, match="kubectl create namespace nowhere"):
        stage.kube.set_block("nowhere", "sale")
