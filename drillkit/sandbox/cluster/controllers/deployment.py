"""Deployments: a ReplicaSet per pod template, and rolling from one to the next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from drillkit.sandbox.cluster.values import safe_hash, scaled, set_condition
from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.objects import (
    DEPLOYMENTS,
    PODS,
    REPLICASETS,
    Gvr,
    Object,
    clone,
    condition,
    is_terminating,
    owner_reference,
    parse_time,
    rfc3339,
)

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
COMPONENT = "deployment-controller"


@dataclass(frozen=True)
class Deployments:
    """Rolls by maxSurge and maxUnavailable as Kubernetes does, or recreates."""

    name: str = "deployment"
    gvr: Gvr = DEPLOYMENTS
    watches: frozenset[Gvr] = frozenset({DEPLOYMENTS, REPLICASETS, PODS})

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        sets = view.claim(REPLICASETS, obj, obj["spec"]["selector"])
        if is_terminating(obj):
            return None
        new = next(
            (rs for rs in sets if same_template(rs["spec"]["template"], obj["spec"]["template"])),
            None,
        )
        old = [rs for rs in sets if rs is not new]
        if not obj["spec"].get("paused"):
            new = self._ensure_new(view, obj, new, old)
            self._roll(view, obj, new, old)
            self._forget_history(view, obj, old)
        elif new is not None and not any(replicas(rs) for rs in old):
            self._scale(view, obj, new, obj["spec"].get("replicas", 1))
        return self._status(view, obj)

    def _ensure_new(self, view: View, obj: Object, new: Object | None, old: list[Object]) -> Object:
        latest = max((revision(rs) for rs in old), default=0)
        if new is None:
            new = view.create(
                REPLICASETS, self._replica_set(obj, latest + 1), obj["metadata"]["namespace"]
            )
        elif revision(new) <= latest or not revision(new):
            new = view.patch(
                REPLICASETS, new, {"metadata": {"annotations": {REVISION: str(latest + 1)}}}
            )
        wanted = (new["metadata"].get("annotations") or {})[REVISION]
        if (obj["metadata"].get("annotations") or {}).get(REVISION) != wanted:
            view.patch(DEPLOYMENTS, obj, {"metadata": {"annotations": {REVISION: wanted}}})
        return new

    def _replica_set(self, obj: Object, number: int) -> Object:
        template = clone(obj["spec"]["template"])
        digest = safe_hash([template, obj["metadata"]["uid"]])
        labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH: digest}
        template["metadata"] = {**(template.get("metadata") or {}), "labels": labels}
        selector = clone(obj["spec"]["selector"])
        selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH: digest}
        spec: Object = {"replicas": 0, "selector": selector, "template": template}
        if obj["spec"].get("minReadySeconds"):
            spec["minReadySeconds"] = obj["spec"]["minReadySeconds"]
        return {
            "metadata": {
                "name": f"{obj['metadata']['name']}-{digest}",
                "labels": labels,
                "annotations": {REVISION: str(number)},
                "ownerReferences": [owner_reference(obj)],
            },
            "spec": spec,
        }

    def _roll(self, view: View, obj: Object, new: Object, old: list[Object]) -> None:
        wanted = obj["spec"].get("replicas", 1)
        running = [rs for rs in old if replicas(rs)]
        if (obj["spec"].get("strategy") or {}).get("type") == "Recreate":
            for rs in running:
                self._scale(view, obj, rs, 0)
            if not running and not any(view.owned(PODS, rs) for rs in old):
                self._scale(view, obj, new, wanted)
            return
        surge, unavailable = limits(obj, wanted)
        total = replicas(new) + sum(map(replicas, running))
        if replicas(new) > wanted:
            new = self._scale(view, obj, new, wanted)
        elif replicas(new) < wanted:
            room = max(0, wanted + surge - total) if running else wanted - replicas(new)
            new = self._scale(view, obj, new, min(wanted, replicas(new) + room))
        if running:
            self._scale_down_old(view, obj, new, running, wanted - unavailable)

    def _scale_down_old(
        self, view: View, obj: Object, new: Object, running: list[Object], min_available: int
    ) -> None:
        """Take old pods away: first those that serve nobody, then as many as availability
        allows.
        """
        total = replicas(new) + sum(map(replicas, running))
        new_unavailable = replicas(new) - available(new)
        allowance = total - min_available - new_unavailable
        for index, rs in enumerate(running):
            dead = min(replicas(rs) - available(rs), allowance)
            if dead > 0:
                running[index] = self._scale(view, obj, rs, replicas(rs) - dead)
                allowance -= dead
        allowance = (
            available(new) + sum(min(available(rs), replicas(rs)) for rs in running) - min_available
        )
        for rs in sorted(running, key=revision):
            step = min(replicas(rs), allowance)
            if step > 0:
                self._scale(view, obj, rs, replicas(rs) - step)
                allowance -= step

    def _scale(self, view: View, obj: Object, rs: Object, wanted: int) -> Object:
        if replicas(rs) == wanted:
            return rs
        direction = "up" if wanted > replicas(rs) else "down"
        message = (
            f"Scaled {direction} replica set {rs['metadata']['name']} from {replicas(rs)} "
            f"to {wanted}"
        )
        view.event(obj, "ScalingReplicaSet", message, component=COMPONENT)
        return view.patch(REPLICASETS, rs, {"spec": {"replicas": wanted}})

    def _forget_history(self, view: View, obj: Object, old: list[Object]) -> None:
        idle = sorted(
            (rs for rs in old if not replicas(rs) and not has_pods(rs) and not is_terminating(rs)),
            key=revision,
        )
        for rs in idle[: max(0, len(idle) - obj["spec"].get("revisionHistoryLimit", 10))]:
            view.delete(REPLICASETS, rs)

    def _status(self, view: View, obj: Object) -> datetime | None:
        current = view.get(DEPLOYMENTS, obj["metadata"]["namespace"], obj["metadata"]["name"])
        if current is None:
            return None
        sets = view.owned(REPLICASETS, current)
        new = next(
            (
                rs
                for rs in sets
                if same_template(rs["spec"]["template"], current["spec"]["template"])
            ),
            None,
        )
        status = deployment_status(current, new, sets, view.now())
        view.write_status(DEPLOYMENTS, current, status)
        progressing = condition({"status": status}, "Progressing")
        if progressing is None or progressing.get("reason") in (
            "NewReplicaSetAvailable",
            "ProgressDeadlineExceeded",
        ):
            return None
        return parse_time(progressing["lastUpdateTime"]) + _deadline(current)


def deployment_status(obj: Object, new: Object | None, sets: list[Object], now: datetime) -> Object:
    """The whole status of a Deployment from those of its ReplicaSets."""
    wanted = obj["spec"].get("replicas", 1)
    old_status = obj.get("status") or {}
    total = sum((rs.get("status") or {}).get("replicas", 0) for rs in sets)
    updated = (new.get("status") or {}).get("replicas", 0) if new else 0
    can_serve = sum(map(available, sets))
    counts = {
        "replicas": total,
        "updatedReplicas": updated,
        "readyReplicas": sum((rs.get("status") or {}).get("readyReplicas", 0) for rs in sets),
        "availableReplicas": can_serve,
        "unavailableReplicas": max(0, max(total, wanted) - can_serve),
    }
    _, unavailable = limits(obj, wanted)
    enough = can_serve >= wanted - unavailable
    reason, message = (
        ("MinimumReplicasAvailable", "Deployment has minimum availability.")
        if enough
        else ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    )
    conditions = set_condition(
        old_status.get("conditions") or [], "Available", enough, reason, message, now
    )
    done = updated == wanted and total == wanted and can_serve >= wanted and new is not None
    moved = any(
        counts[key] != old_status.get(key, 0)
        for key in ("replicas", "updatedReplicas", "availableReplicas")
    )
    conditions = _progressing(obj, conditions, new, done, moved, now)
    return {
        "observedGeneration": obj["metadata"]["generation"],
        **{key: count for key, count in counts.items() if count},
        "conditions": _with_update_times(
            old_status.get("conditions") or [], conditions, moved, now
        ),
    }


def _progressing(
    obj: Object,
    conditions: list[Object],
    new: Object | None,
    done: bool,
    moved: bool,
    now: datetime,
) -> list[Object]:
    name = new["metadata"]["name"] if new else ""
    old = condition({"status": {"conditions": conditions}}, "Progressing")
    if done:
        message = f'ReplicaSet "{name}" has successfully progressed.'
        return set_condition(
            conditions, "Progressing", True, "NewReplicaSetAvailable", message, now
        )
    if obj["spec"].get("paused"):
        return set_condition(
            conditions, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", now
        )
    restarted = old is not None and old.get("reason") == "NewReplicaSetAvailable"
    if old is not None and not moved and not restarted:
        if now >= parse_time(old.get("lastUpdateTime") or old["lastTransitionTime"]) + _deadline(
            obj
        ):
            message = f'ReplicaSet "{name}" has timed out progressing.'
            return set_condition(
                conditions, "Progressing", False, "ProgressDeadlineExceeded", message, now
            )
        return conditions
    message = f'ReplicaSet "{name}" is progressing.'
    return set_condition(conditions, "Progressing", True, "ReplicaSetUpdated", message, now)


def _with_update_times(
    old: list[Object], new: list[Object], moved: bool, now: datetime
) -> list[Object]:
    known = {c["type"]: c for c in old}
    dated = []
    for each in new:
        before = known.get(each["type"], {})
        same = before.get("reason") == each.get("reason") and before.get("status") == each["status"]
        keep = same and "lastUpdateTime" in before and not (moved and each["type"] == "Progressing")
        dated.append({**each, "lastUpdateTime": before["lastUpdateTime"] if keep else rfc3339(now)})
    return dated


def limits(obj: Object, wanted: int) -> tuple[int, int]:
    """(maxSurge rounded up, maxUnavailable rounded down), never both zero."""
    rolling = (obj["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    surge = scaled(rolling.get("maxSurge", "25%"), wanted, round_up=True)
    unavailable = scaled(rolling.get("maxUnavailable", "25%"), wanted, round_up=False)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def same_template(one: Object, other: Object) -> bool:
    """Whether two pod templates are equal but for the hash label."""
    return _plain_template(one) == _plain_template(other)


def _plain_template(template: Object) -> Object:
    meta = template.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != HASH}
    kept = {
        key: value
        for key, value in meta.items()
        if value and key not in ("labels", "creationTimestamp")
    }
    return {"metadata": {**kept, "labels": labels}, "spec": template["spec"]}


def replicas(rs: Object) -> int:
    """How many pods a ReplicaSet is asked to have."""
    return int(rs["spec"].get("replicas", 1))


def available(rs: Object) -> int:
    """How many of a ReplicaSet's pods are available."""
    return int((rs.get("status") or {}).get("availableReplicas", 0))


def has_pods(rs: Object) -> bool:
    """Whether a ReplicaSet still has pods."""
    return bool((rs.get("status") or {}).get("replicas"))


def revision(rs: Object) -> int:
    """The revision of a Deployment that a ReplicaSet stands for; 0 if it says none."""
    return int((rs["metadata"].get("annotations") or {}).get(REVISION) or 0)


def _deadline(obj: Object) -> timedelta:
    return timedelta(seconds=obj["spec"].get("progressDeadlineSeconds", 600))
