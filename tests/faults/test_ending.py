"""A fault that takes itself back knows what it knows: whether its effect was answered, and what it
was done to.
"""

from __future__ import annotations

from typing import Any

import pytest

from drillkit.clients.kube.ownership import UNDO
from drillkit.faults.network import add_latency
from drillkit.faults.workloads import scale_to_zero
from drillkit.model.errors import StepUnknown
from drillkit.sandbox.kube.objects import DEPLOYMENTS, Gvr
from tests.crash.world import Blow
from tests.faults.conftest import Scene

CHAOS: Gvr = ("chaos-mesh.org", "networkchaos")


def test_a_fault_whose_first_attempt_lands_late_is_not_believed_gone_before_it_cannot_come(
    scene: Scene,
) -> None:
    scene.stage.fate.blow = Blow(1, "delay", False, late_s=13.0)
    add_latency("chaos-mesh", "shop", selector="app=web", duration="4s")
    scene.cluster.advance(30)
    assert scene.cluster.store.list(CHAOS) == []


def test_a_change_whose_mark_somebody_strips_is_still_taken_back(scene: Scene) -> None:
    def strip() -> None:
        orders: Any = scene.cluster.get(DEPLOYMENTS, "shop", "orders")
        annotations = orders["metadata"]["annotations"]
        for key in [key for key in annotations if key.startswith(f"{UNDO}-")]:
            del annotations[key]
        scene.cluster.store.update(DEPLOYMENTS, orders)

    scene.meanwhile(5, strip)
    found = scale_to_zero("shop", "orders", duration="10s")
    assert found["undone"] == "/spec/replicas is 2 again"


def test_a_change_that_somebody_took_back_with_its_mark_is_not_called_one_that_never_happened(
    scene: Scene,
) -> None:
    before: Any = scene.cluster.get(DEPLOYMENTS, "shop", "orders")

    def heal() -> None:
        now: Any = scene.cluster.get(DEPLOYMENTS, "shop", "orders")
        now["spec"], now["metadata"]["annotations"] = (
            before["spec"],
            before["metadata"].get("annotations", {}),
        )
        scene.cluster.store.update(DEPLOYMENTS, now)

    scene.meanwhile(5, heal)
    with pytest.raises(StepUnknown, match="somebody set it to 2"):
        scale_to_zero("shop", "orders", duration="10s")
    (ended,) = [r.data for r in scene.records() if r.kind == "undo.ended"]
    assert ended["outcome"] == "already-undone"
    assert "somebody put it back" in ended["detail"]
