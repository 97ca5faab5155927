"""Changes: planned, gated, pinned to what was read, marked; and what their undos make of what
others did since.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from drillkit.cleanup import open_undos
from drillkit.clients.kube import (
    ABSENT,
    DeleteFault,
    DeletePod,
    EvictPod,
    PostEvent,
    RestartWorkload,
    RestoreFields,
    Uncordon,
    changed,
    uncordon_of,
)
from drillkit.clients.kube.client import LANDING_S
from drillkit.clients.kube.effect import PATIENCE
from drillkit.clients.kube.objects import DeleteObject
from drillkit.clients.kube.ownership import OF, RUN, UNDO, own_name
from drillkit.clients.kube.permissions import needs
from drillkit.clients.kube.resources import (
    DEPLOYMENTS,
    EVENTS,
    NAMESPACES,
    NETWORK_CHAOS,
    NODES,
    PODS,
    STATEFULSETS,
    VIRTUAL_SERVICES,
)
from drillkit.clients.undo import Leftover
from drillkit.clock import DeadlineOver
from drillkit.journal.file import parse
from drillkit.model.effects import Undo
from drillkit.model.errors import Absent, Blocked, Conflict, NotOurs, Refused, Unanswered
from drillkit.model.records import encode
from drillkit.model.target import KubernetesTarget
from drillkit.runner.sweep import expired
from tests.clients.kube.conftest import context, refused, said, scripted
from tests.crash.scenarios import latency
from tests.crash.world import Stage


def planned(stage: Stage, undo: Any) -> Any:
    return stage.journal.plan(undo)


def confirmations(stage: Stage) -> list[dict[str, Any]]:
    return [dict(r.data) for r in parse(stage.disk.content()) if r.kind == "effect.confirmed"]


def edit(stage: Stage, resource: Any, name: str, namespace: str, patch: dict[str, Any]) -> None:
    """Somebody else's change."""
    stage.cluster.store.patch((resource.group, resource.plural), namespace, name, patch)


def scaled(stage: Stage, replicas: int = 0) -> RestoreFields:
    web = stage.kube.get(DEPLOYMENTS, "web", "shop")
    undo = changed(
        DEPLOYMENTS,
        web,
        {"/spec/replicas": replicas},
        run=stage.run,
        expires="2026-01-01T01:00:00Z",
    )
    stage.kube.set_fields(planned(stage, undo))
    return undo


# The fence and the receipt


def test_a_closed_gate_lets_no_change_out_and_every_read(stage: Stage) -> None:
    undo = uncordon_of(stage.kube.get(NODES, "node-1"), run=stage.run)
    plan = planned(stage, undo)
    stage.journal.fence.close("an abort")
    with pytest.raises(Refused, match="an abort"):
        stage.kube.cordon(plan)
    assert not stage.kube.get(NODES, "node-1")["spec"].get("unschedulable")


def test_every_attempt_passes_the_gate_anew() -> None:
    kube, script, _ = scripted(refused(503, "starting"))
    original = kube.clock.sleep

    def abort(seconds: float, wake: Any = None) -> bool:
        kube.fence.close("an abort")
        return original(seconds, wake)

    kube.clock.sleep = abort  # type: ignore[method-assign]
    confirmed: list[Any] = []
    plan = Receipt(DeletePod("web-1", "shop", "u1"), confirmed)
    with pytest.raises(Refused):
        kube.delete_pod(plan)  # type: ignore[arg-type]
    assert len(script.sent) == 1
    assert confirmed == []  # the 503 may have had its effect


def test_the_server_is_asked_to_drop_a_change_that_it_cannot_make_in_time() -> None:
    kube, script, _ = scripted(said(201, {"metadata": {"uid": "u1"}}), said(200, {}), said(200, {}))
    kube.create(Receipt(DeleteFault(NETWORK_CHAOS, "f", "r", "shop"), []), {"spec": {}})  # type: ignore[arg-type]
    kube.get(NODES, "n1")
    kube.may(needs("get", NODES)[0])
    assert [each.query for each in script.sent] == [
        {"timeout": "14s", "fieldManager": "drillkit"},
        {},
        {},
    ]
    assert PATIENCE.settle_s > LANDING_S


class Receipt:
    """Stands in for a Planned where the journal does not matter."""

    def __init__(self, undo: Any, confirmed: list[Any]) -> None:
        self.undo, self.n, self._confirmed = undo, 1, confirmed

    def must_be_open(self) -> None:
        pass

    def confirm(self, **identity: str) -> None:
        self._confirmed.append(identity)


def test_a_change_is_confirmed_with_its_uid_when_every_attempt_was_answered() -> None:
    kube, _, _ = scripted(refused(429, "busy"), said(201, {"metadata": {"uid": "u1"}}))
    confirmed: list[Any] = []
    kube.create(Receipt(DeleteFault(NETWORK_CHAOS, "f", "r", "shop"), confirmed), {"spec": {}})  # type: ignore[arg-type]
    assert confirmed == [{"uid": "u1"}]


def test_a_change_is_not_confirmed_when_an_attempt_may_land_later() -> None:
    kube, _, _ = scripted(Unanswered("broke"), said(201, {"metadata": {"uid": "u1"}}))
    confirmed: list[Any] = []
    kube.create(Receipt(DeleteFault(NETWORK_CHAOS, "f", "r", "shop"), confirmed), {"spec": {}})  # type: ignore[arg-type]
    assert confirmed == []


def test_a_refused_change_never_happened_so_that_nobody_has_to_undo_it(stage: Stage) -> None:
    plan = planned(stage, DeleteFault(NETWORK_CHAOS, "f", stage.run, "nowhere"))
    with pytest.raises(Absent, match='namespaces "nowhere" not found'):
        stage.kube.create(plan, {"spec": latency()})
    assert open_undos(tuple(parse(stage.disk.content()))) == ()
    with pytest.raises(Refused, match="plan the effect again"):
        stage.kube.create(plan, {"spec": latency()})


# Cordon


def test_a_cordon_is_marked_on_the_node_and_taken_back(stage: Stage) -> None:
    undo = uncordon_of(stage.kube.get(NODES, "node-1"), run=stage.run)
    stage.kube.cordon(planned(stage, undo))
    node = stage.kube.get(NODES, "node-1")
    assert node["spec"]["unschedulable"] is True
    notes = [v for k, v in node["metadata"]["annotations"].items() if k.startswith(f"{UNDO}-")]
    assert json.loads(notes[0])["undo"] == "kubectl uncordon node-1"
    uid = node["metadata"]["uid"]
    assert undo.apply(stage.clients, context(stage, uid=uid)).outcome == "undone"
    node = stage.kube.get(NODES, "node-1")
    assert not node["spec"].get("unschedulable")
    assert not node["metadata"].get("annotations")


def test_a_node_that_is_cordoned_already_is_not_ours(stage: Stage) -> None:
    edit(stage, NODES, "node-1", "", {"spec": {"unschedulable": True}})
    with pytest.raises(Conflict, match="cordoned already"):
        uncordon_of(stage.kube.get(NODES, "node-1"), run=stage.run)


def test_a_node_cordoned_by_somebody_between_look_and_deed_stays_cordoned(stage: Stage) -> None:
    undo = uncordon_of(stage.kube.get(NODES, "node-1"), run=stage.run)
    edit(stage, NODES, "node-1", "", {"spec": {"unschedulable": True}})
    with pytest.raises(Conflict, match="read it again"):
        stage.kube.cordon(planned(stage, undo))
    assert undo.apply(stage.clients, context(stage)).outcome == "never-happened"
    assert stage.kube.get(NODES, "node-1")["spec"]["unschedulable"] is True


def test_a_node_that_somebody_uncordoned_is_already_undone(stage: Stage) -> None:
    node = stage.kube.get(NODES, "node-1")
    undo = uncordon_of(node, run=stage.run)
    stage.kube.cordon(planned(stage, undo))
    edit(stage, NODES, "node-1", "", {"spec": {"unschedulable": None}})
    undone = undo.apply(stage.clients, context(stage, uid=node["metadata"]["uid"]))
    assert undone.outcome == "already-undone"
    assert not stage.kube.get(NODES, "node-1")["metadata"].get("annotations")


def test_a_node_that_was_replaced_is_left_alone(stage: Stage) -> None:
    undo = Uncordon("node-1", stage.run, uid="another")
    edit(stage, NODES, "node-1", "", {"spec": {"unschedulable": True}})
    assert undo.apply(stage.clients, context(stage)).outcome == "already-undone"
    assert stage.kube.get(NODES, "node-1")["spec"]["unschedulable"] is True


# Fields


def test_fields_are_set_and_restored_with_a_mark_that_tells_how_to_undo_by_hand(
    stage: Stage,
) -> None:
    before = stage.cluster.inventory()
    undo = scaled(stage)
    notes = stage.kube.get(DEPLOYMENTS, "web", "shop")["metadata"]["annotations"]
    told = json.loads(notes[undo.mark])
    assert told["fields"] == {"/spec/replicas": [3, 0]}
    assert told["run"] == stage.run
    assert told["expires"] == "2026-01-01T01:00:00Z"
    assert "kubectl edit deployment web -n shop: /spec/replicas -> 3" in told["undo"]
    stage.cluster.advance(30)
    assert stage.cluster.inventory()["ready pods"].get("web") is None
    undone = undo.apply(stage.clients, context(stage, uid=undo.uid))
    assert (undone.outcome, undone.detail) == ("undone", "/spec/replicas is 3 again")
    stage.cluster.advance(60)
    assert stage.cluster.inventory() == before


def test_a_value_that_somebody_changed_since_stays_theirs(stage: Stage) -> None:
    undo = scaled(stage)
    edit(stage, DEPLOYMENTS, "web", "shop", {"spec": {"replicas": 5}})
    undone = undo.apply(stage.clients, context(stage, uid=undo.uid))
    assert undone.outcome == "already-undone"
    assert "/spec/replicas is 5" in undone.detail
    web = stage.kube.get(DEPLOYMENTS, "web", "shop")
    assert web["spec"]["replicas"] == 5
    assert undo.mark not in web["metadata"].get("annotations", {})


def test_fields_that_are_still_ours_go_back_even_when_the_mark_was_wiped(stage: Stage) -> None:
    undo = scaled(stage)
    edit(stage, DEPLOYMENTS, "web", "shop", {"metadata": {"annotations": {undo.mark: None}}})
    assert undo.apply(stage.clients, context(stage, uid=undo.uid)).outcome == "undone"
    assert stage.kube.get(DEPLOYMENTS, "web", "shop")["spec"]["replicas"] == 3


def test_the_same_value_without_our_mark_is_not_ours_when_our_change_may_never_have_landed(
    stage: Stage,
) -> None:
    web = stage.kube.get(DEPLOYMENTS, "web", "shop")
    undo = changed(DEPLOYMENTS, web, {"/spec/replicas": 0}, run=stage.run)
    edit(stage, DEPLOYMENTS, "web", "shop", {"spec": {"replicas": 0}})
    began = stage.clock.mono()
    undone = undo.apply(stage.clients, context(stage, confirmed=False))
    assert undone.outcome == "never-happened"
    assert stage.clock.mono() - began >= 15
    assert stage.kube.get(DEPLOYMENTS, "web", "shop")["spec"]["replicas"] == 0


def test_an_object_made_anew_is_left_alone(stage: Stage) -> None:
    undo = scaled(stage)
    web = stage.cluster.get(("apps", "deployments"), "shop", "web")
    stage.cluster.store.delete(("apps", "deployments"), "shop", "web")
    stage.cluster.advance(30)
    stage.cluster.store.create(
        ("apps", "deployments"), {"metadata": {"name": "web"}, "spec": web["spec"]}, "shop"
    )
    undone = undo.apply(stage.clients, context(stage, uid=undo.uid))
    assert (undone.outcome, "made anew" in undone.detail) == ("already-undone", True)
    assert stage.kube.get(DEPLOYMENTS, "web", "shop")["spec"]["replicas"] == 0


def test_an_object_that_is_gone_needs_no_undo(stage: Stage) -> None:
    undo = scaled(stage)
    stage.cluster.store.delete(("apps", "deployments"), "shop", "web")
    stage.cluster.advance(30)
    assert undo.apply(stage.clients, context(stage, uid=undo.uid)).outcome == "already-undone"


def test_a_field_that_changed_since_it_was_read_is_not_overwritten(stage: Stage) -> None:
    web = stage.kube.get(DEPLOYMENTS, "web", "shop")
    undo = changed(DEPLOYMENTS, web, {"/spec/replicas": 0}, run=stage.run)
    edit(stage, DEPLOYMENTS, "web", "shop", {"spec": {"replicas": 4}})
    with pytest.raises(Conflict, match=r"expected /spec/replicas = 3 as it was read, found 4"):
        stage.kube.set_fields(planned(stage, undo))
    assert stage.kube.get(DEPLOYMENTS, "web", "shop")["spec"]["replicas"] == 4


def test_a_change_beside_ours_in_the_same_moment_is_not_lost(stage: Stage) -> None:
    web = stage.kube.get(DEPLOYMENTS, "web", "shop")
    undo = changed(DEPLOYMENTS, web, {"/spec/replicas": 0}, run=stage.run)
    wire, send = stage.kube._transport, stage.kube._transport.send
    raced = []

    def racing(method: str, *args: Any, **more: Any) -> Any:
        if method == "PATCH" and not raced:
            raced.append(True)
            edit(
                stage,
                DEPLOYMENTS,
                "web",
                "shop",
                {"metadata": {"annotations": {"somebody": "here"}}},
            )
        return send(method, *args, **more)

    wire.send = racing  # type: ignore[method-assign]
    stage.kube.set_fields(planned(stage, undo))
    made = stage.kube.get(DEPLOYMENTS, "web", "shop")
    assert made["metadata"]["annotations"]["somebody"] == "here"
    assert made["spec"]["replicas"] == 0
    assert undo.apply(stage.clients, context(stage, uid=undo.uid)).outcome == "undone"
    assert (
        stage.kube.get(DEPLOYMENTS, "web", "shop")["metadata"]["annotations"]["somebody"] == "here"
    )


def test_two_runs_cannot_change_the_same_field(stage: Stage) -> None:
    scaled(stage)
    web = stage.kube.get(DEPLOYMENTS, "web", "shop")
    other = changed(DEPLOYMENTS, web, {"/spec/replicas": 1}, run="another-run")
    with pytest.raises(Conflict, match="is changed by another step or run already"):
        stage.kube.set_fields(planned(stage, other))


def routed(stage: Stage, *names: str) -> None:
    http = [{"name": name, "route": [{"destination": {"host": name}}]} for name in names]
    body = {"metadata": {"name": "orders"}, "spec": {"hosts": ["orders"], "http": http}}
    stage.cluster.store.create(("networking.istio.io", "virtualservices"), body, "shop")


def test_a_fault_of_a_route_is_found_again_when_routes_moved(stage: Stage) -> None:
    routed(stage, "a", "b")
    route = stage.kube.get(VIRTUAL_SERVICES, "orders", "shop")
    delay = {"delay": {"fixedDelay": "2s", "percentage": {"value": 100}}}
    undo = changed(VIRTUAL_SERVICES, route, {"/spec/http/1/fault": delay}, run=stage.run)
    stage.kube.set_fields(planned(stage, undo))
    http = stage.kube.get(VIRTUAL_SERVICES, "orders", "shop")["spec"]["http"]
    edit(stage, VIRTUAL_SERVICES, "orders", "shop", {"spec": {"http": [http[1], http[0]]}})
    assert undo.apply(stage.clients, context(stage, uid=undo.uid)).outcome == "undone"
    after = stage.kube.get(VIRTUAL_SERVICES, "orders", "shop")["spec"]["http"]
    assert [(each["name"], "fault" in each) for each in after] == [("b", False), ("a", False)]


def test_annotations_of_others_survive_setting_and_restoring_ours(stage: Stage) -> None:
    routed(stage, "a")
    route = stage.kube.get(VIRTUAL_SERVICES, "orders", "shop")
    fields = {"/metadata/annotations/our~1note": "x", "/spec/http/0/timeout": "1s"}
    undo = changed(VIRTUAL_SERVICES, route, fields, run=stage.run)
    stage.kube.set_fields(planned(stage, undo))
    edit(
        stage, VIRTUAL_SERVICES, "orders", "shop", {"metadata": {"annotations": {"their": "note"}}}
    )
    assert undo.apply(stage.clients, context(stage, uid=undo.uid)).outcome == "undone"
    after = stage.kube.get(VIRTUAL_SERVICES, "orders", "shop")
    assert after["metadata"]["annotations"] == {"their": "note"}
    assert "timeout" not in after["spec"]["http"][0]


def test_removing_a_field_and_making_its_missing_parents_are_changes_too(stage: Stage) -> None:
    web = stage.kube.get(DEPLOYMENTS, "web", "shop")
    fields = {
        "/spec/template/spec/nodeSelector/zone": "nowhere",
        "/spec/strategy/rollingUpdate/maxSurge": ABSENT,
    }
    undo = changed(DEPLOYMENTS, web, fields, run=stage.run)
    assert {c.path: (c.prior, c.new) for c in undo.changes} == {
        "/spec/template/spec/nodeSelector": ("", '{"zone":"nowhere"}'),
        "/spec/strategy/rollingUpdate/maxSurge": ("1", ""),
    }


def test_a_change_that_changes_nothing_is_refused(stage: Stage) -> None:
    web = stage.kube.get(DEPLOYMENTS, "web", "shop")
    with pytest.raises(ValueError, match="nothing to change"):
        changed(DEPLOYMENTS, web, {"/spec/replicas": 3}, run=stage.run)
    with pytest.raises(ValueError, match="leads nowhere"):
        changed(DEPLOYMENTS, web, {"/spec/replicas/0": 3}, run=stage.run)


# Objects


def fault(stage: Stage) -> Any:
    return planned(
        stage, DeleteFault(NETWORK_CHAOS, "slow", stage.run, "shop", expires="2026-01-01T00:10:00Z")
    )


def test_a_fault_carries_both_marks_and_the_way_back(stage: Stage) -> None:
    plan = fault(stage)
    made = stage.kube.create(plan, {"metadata": {"labels": {"team": "a"}}, "spec": latency()})
    assert made["metadata"]["labels"] == {"team": "a", RUN: stage.run, OF: "slow"}
    assert (
        made["metadata"]["annotations"][UNDO]
        == "kubectl delete networkchaos.chaos-mesh.org slow -n shop"
    )
    assert confirmations(stage) == [{"of": plan.n, "uid": made["metadata"]["uid"]}]


def test_deleting_a_fault_waits_until_its_controller_has_let_go(stage: Stage) -> None:
    plan = fault(stage)
    uid = stage.kube.create(plan, {"spec": latency()})["metadata"]["uid"]
    stage.cluster.advance(5)
    assert stage.kube.get(NETWORK_CHAOS, "slow", "shop")["metadata"]["finalizers"]
    assert plan.undo.apply(stage.clients, context(stage, uid=uid)).outcome == "undone"
    assert stage.kube.find(NETWORK_CHAOS, "slow", "shop") is None


def test_a_fault_that_its_controller_does_not_release_says_what_holds_it(stage: Stage) -> None:
    plan = fault(stage)
    uid = stage.kube.create(plan, {"spec": latency()})["metadata"]["uid"]
    edit(stage, NETWORK_CHAOS, "slow", "shop", {"metadata": {"finalizers": ["example.com/stuck"]}})
    with pytest.raises(DeadlineOver, match=r"still there: .*held by .*example.com/stuck"):
        plan.undo.apply(stage.clients, context(stage, uid=uid, limit_s=20))


def test_a_name_that_somebody_else_has_is_not_taken_and_not_cleaned(stage: Stage) -> None:
    body = {"metadata": {"name": "slow"}, "spec": latency()}
    stage.cluster.store.create(("chaos-mesh.org", "networkchaos"), body, "shop")
    plan = fault(stage)
    with pytest.raises(NotOurs, match="left alone"):
        stage.kube.create(plan, {"spec": latency()})
    assert plan.undo.apply(stage.clients, context(stage)).outcome == "not-ours"
    assert stage.kube.find(NETWORK_CHAOS, "slow", "shop") is not None


def test_a_copy_that_inherited_our_labels_is_not_ours(stage: Stage) -> None:
    body = {
        "metadata": {"name": "slow", "labels": {RUN: stage.run, OF: "original"}},
        "spec": latency(),
    }
    stage.cluster.store.create(("chaos-mesh.org", "networkchaos"), body, "shop")
    assert fault(stage).undo.apply(stage.clients, context(stage)).outcome == "not-ours"
    assert stage.kube.find(NETWORK_CHAOS, "slow", "shop") is not None


def test_another_object_of_our_name_and_labels_but_another_uid_is_not_ours(stage: Stage) -> None:
    plan = fault(stage)
    stage.kube.create(plan, {"spec": latency()})
    undone = plan.undo.apply(stage.clients, context(stage, uid="uid-of-ours"))
    assert (undone.outcome, "another one has its name" in undone.detail) == ("already-undone", True)
    assert stage.kube.find(NETWORK_CHAOS, "slow", "shop") is not None


def test_a_create_whose_answer_was_lost_adopts_what_landed(stage: Stage) -> None:
    plan = fault(stage)
    first = stage.kube.create(plan, {"spec": latency()})
    assert (
        stage.kube.create(plan, {"spec": latency()})["metadata"]["uid"] == first["metadata"]["uid"]
    )


def test_long_names_are_marked_by_a_digest_that_fits_a_label() -> None:
    name = "n" * 200
    assert len(own_name(name)) <= 63
    assert own_name(name) != own_name(name + "x")
    assert own_name("short") == "short"


def test_a_namespace_goes_with_all_that_is_in_it(stage: Stage) -> None:
    plan = planned(stage, DeleteObject(NAMESPACES, "dr-1", stage.run))
    uid = stage.kube.create(plan, {})["metadata"]["uid"]
    stage.cluster.store.create(("", "configmaps"), {"metadata": {"name": "a"}}, "dr-1")
    assert plan.undo.apply(stage.clients, context(stage, uid=uid)).outcome == "undone"
    assert stage.kube.find(NAMESPACES, "dr-1") is None


def test_a_namespace_that_cannot_go_says_what_is_left_in_it(stage: Stage) -> None:
    plan = planned(stage, DeleteObject(NAMESPACES, "dr-1", stage.run))
    uid = stage.kube.create(plan, {})["metadata"]["uid"]
    stuck = {"metadata": {"name": "a", "finalizers": ["example.com/keep"]}}
    stage.cluster.store.create(("", "configmaps"), stuck, "dr-1")
    left = {
        "type": "NamespaceFinalizersRemaining",
        "status": "True",
        "message": "example.com/keep in 1 instance",
    }
    stage.cluster.store.patch(
        ("", "namespaces"), "", "dr-1", {"status": {"conditions": [left]}}, subresource="status"
    )
    with pytest.raises(
        DeadlineOver, match=r"NamespaceFinalizersRemaining: example.com/keep in 1 instance"
    ):
        plan.undo.apply(stage.clients, context(stage, uid=uid, limit_s=20))


# What cannot be undone


def some_pod(stage: Stage, app: str = "orders") -> dict[str, Any]:
    return stage.kube.list(PODS, "shop", selector=f"app={app}")[0]


def test_that_very_pod_is_deleted(stage: Stage) -> None:
    pod = some_pod(stage)["metadata"]
    assert stage.kube.delete_pod(
        planned(stage, DeletePod(pod["name"], "shop", pod["uid"], grace_s=0))
    )
    assert stage.kube.find(PODS, pod["name"], "shop") is None


def test_a_pod_that_is_gone_already_is_not_counted_as_hit(stage: Stage) -> None:
    assert not stage.kube.delete_pod(planned(stage, DeletePod("orders-gone", "shop", "u")))
    assert not stage.kube.evict_pod(planned(stage, EvictPod("orders-gone", "shop", "u")))


def test_another_pod_of_the_same_name_is_spared(stage: Stage) -> None:
    pod = some_pod(stage, "cache")["metadata"]
    assert not stage.kube.delete_pod(
        planned(stage, DeletePod(pod["name"], "shop", "the one before"))
    )
    assert not stage.kube.evict_pod(planned(stage, EvictPod(pod["name"], "shop", "the one before")))
    assert stage.kube.get(PODS, pod["name"], "shop")["metadata"]["uid"] == pod["uid"]


def test_a_delete_whose_answer_was_lost_counts_as_done_when_the_pod_is_gone() -> None:
    kube, _, _ = scripted(Unanswered("broke"), refused(404, 'pods "web-1" not found'))
    confirmed: list[Any] = []
    assert kube.delete_pod(Receipt(DeletePod("web-1", "shop", "u"), confirmed))  # type: ignore[arg-type]
    assert confirmed == []


def test_an_eviction_that_a_budget_forbids_names_the_budget(stage: Stage) -> None:
    for pod in stage.kube.list(PODS, "shop", selector="app=web")[:1]:
        meta = pod["metadata"]
        assert stage.kube.evict_pod(planned(stage, EvictPod(meta["name"], "shop", meta["uid"])))
    pod = next(
        p
        for p in stage.kube.list(PODS, "shop", selector="app=web")
        if "deletionTimestamp" not in p["metadata"]
    )
    plan = planned(stage, EvictPod(pod["metadata"]["name"], "shop", pod["metadata"]["uid"]))
    with pytest.raises(Blocked, match="web"):
        stage.kube.evict_pod(plan)


def test_a_restart_replaces_every_pod(stage: Stage) -> None:
    before = {p["metadata"]["uid"] for p in stage.kube.list(PODS, "shop", selector="app=cache")}
    stage.kube.restart(planned(stage, RestartWorkload(STATEFULSETS, "cache", "shop", stage.run)))
    stage.cluster.advance(60)
    after = {p["metadata"]["uid"] for p in stage.kube.list(PODS, "shop", selector="app=cache")}
    assert after
    assert not after & before


def test_an_event_is_posted_about_something(stage: Stage) -> None:
    web = stage.kube.get(DEPLOYMENTS, "web", "shop")
    plan = planned(stage, PostEvent("drill-1", "shop", stage.run))
    stage.kube.create_event(plan, reason="DrillStarted", message="stop with ...", about=web)
    found = stage.kube.get(EVENTS, "drill-1", "shop")
    assert found["involvedObject"]["uid"] == web["metadata"]["uid"]
    assert found["type"] == "Normal"


def test_undos_survive_being_written_down(stage: Stage) -> None:
    from drillkit.clients.kube import UNDOS
    from drillkit.journal.book import planned_entry
    from drillkit.model.codec import from_data

    web = stage.kube.get(DEPLOYMENTS, "web", "shop")
    several: list[Undo] = [
        changed(DEPLOYMENTS, web, {"/spec/replicas": 0, "/metadata/labels/x": "y"}, run="r"),
        uncordon_of(stage.kube.get(NODES, "node-1"), run="r"),
        DeleteFault(NETWORK_CHAOS, "slow", "r", "shop"),
        DeleteObject(NAMESPACES, "dr", "r"),
    ]
    for undo in several:
        _, data = encode(planned_entry(undo))
        assert from_data(UNDOS[data["undo"]], json.loads(json.dumps(data["args"]))) == undo


# Found by the marks alone


def cordoned(stage: Stage) -> Uncordon:
    node = stage.kube.get(NODES, "node-1")
    undo = uncordon_of(node, run=stage.run, expires="2026-01-01T01:00:00Z")
    stage.kube.cordon(planned(stage, undo))
    return undo


def found_at(stage: Stage, date: str) -> list[Leftover]:
    stage.clients.target = replace(stage.clients.target, kubernetes=KubernetesTarget(), aws=None)
    left = datetime.fromisoformat(date) - stage.cluster.now()
    stage.cluster.advance(left.total_seconds())
    found, unread = expired(stage.clients, stage.clock)
    assert unread == []
    return found


def test_changes_whose_time_is_over_are_found_without_a_journal_and_put_back(stage: Stage) -> None:
    before = stage.cluster.inventory()
    cordoned(stage)
    scaled(stage)
    assert found_at(stage, "2026-01-01T00:59:59+00:00") == []
    found = found_at(stage, "2026-01-01T01:00:01+00:00")
    assert [each.resource for each in found] == ["deployment/shop/web", "node/node-1"]
    assert {each.run for each in found} == {stage.run}
    told = [undone(stage, each) for each in found]
    assert told == [
        ("undone", "/spec/replicas is 3 again"),
        ("undone", "/spec/unschedulable is unset again"),
    ]
    stage.cluster.advance(90)
    assert stage.cluster.inventory() == before
    assert found_at(stage, "2027-01-01T00:00:00+00:00") == []


def undone(stage: Stage, each: Leftover) -> tuple[str, str]:
    found = each.undo.apply(stage.clients, context(stage, uid=each.uid))
    return found.outcome, found.detail


def test_a_changed_field_that_somebody_has_set_since_is_left_to_them(stage: Stage) -> None:
    undo = scaled(stage)
    edit(stage, DEPLOYMENTS, "web", "shop", {"spec": {"replicas": 5}})
    (found,) = found_at(stage, "2026-01-02T00:00:00+00:00")
    outcome, detail = undone(stage, found)
    assert outcome == "already-undone"
    assert "somebody changed it since: /spec/replicas is 5" in detail
    web = stage.kube.get(DEPLOYMENTS, "web", "shop")
    assert undo.mark not in web["metadata"].get("annotations", {})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda said: {**said, "of": "the original of this copy"},
        lambda said: {**said, "run": "another"},
        lambda said: {**said, "expires": ""},
        lambda said: {**said, "fields": {"/spec/replicas": [3]}},
        lambda said: {**said, "fields": {"/spec/paused": [None, True]}},
        lambda said: {k: v for k, v in said.items() if k != "fields"},
        lambda said: [said],
        lambda said: None,
    ],
)
def test_a_mark_that_was_copied_or_written_by_others_is_no_leftover(
    stage: Stage, spoil: Callable[[dict[str, Any]], object]
) -> None:
    undo = scaled(stage)
    web = stage.kube.get(DEPLOYMENTS, "web", "shop")
    said = json.loads(web["metadata"]["annotations"][undo.mark])
    note = {undo.mark: json.dumps(spoil(said))}
    edit(stage, DEPLOYMENTS, "web", "shop", {"metadata": {"annotations": note}})
    assert found_at(stage, "2027-01-01T00:00:00+00:00") == []
