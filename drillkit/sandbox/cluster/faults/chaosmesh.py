"""Chaos Mesh's life cycle of a fault: select once, inject, recover after the duration, on a pause
or on deletion.

What is in force is told by the records in the status alone; `rules.py` reads it there.
"""

from __future__ import annotations

import random as random_module
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from drillkit.sandbox.cluster.faults.select import Unselectable, select_pods
from drillkit.sandbox.cluster.values import go_duration
from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.objects import (
    NODES,
    PODS,
    Gvr,
    Object,
    clone,
    is_terminating,
    key_of,
    parse_time,
    rfc3339,
)

GROUP = "chaos-mesh.org"
NETWORK: Gvr = (GROUP, "networkchaos")
STRESS: Gvr = (GROUP, "stresschaos")
DNS: Gvr = (GROUP, "dnschaos")
FINALIZER = "chaos-mesh/records"
PAUSE = "experiment.chaos-mesh.org/pause"
FORCE = "chaos-mesh.chaos-mesh.org/cleanFinalizer"
INJECTED, NOT_INJECTED = "Injected", "Not Injected"
RUN, STOP = "Run", "Stop"
KEPT_RECORD_EVENTS = 5
COMPONENT = "chaos-controller-manager"

Choose = Callable[[View, Object, random_module.Random], "dict[str, list[str]]"]
"""Selector key to the ids of its targets."""


@dataclass(frozen=True)
class ChaosMesh:
    """The controller of one kind of Chaos Mesh fault."""

    name: str
    gvr: Gvr
    choose: Choose
    random: random_module.Random
    watches: frozenset[Gvr] = frozenset()

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        if not is_terminating(obj) and FINALIZER not in (obj["metadata"].get("finalizers") or []):
            finalizers = [*(obj["metadata"].get("finalizers") or []), FINALIZER]
            obj = view.patch(self.gvr, obj, {"metadata": {"finalizers": finalizers}})
        desired, due = desired_phase(obj, view.now())
        status = clone(obj.get("status") or {})
        experiment = status.setdefault("experiment", {})
        if experiment.get("desiredPhase") != desired:
            self._tell_phase(view, obj, desired)
            experiment["desiredPhase"] = desired
        if experiment.get("containerRecords") is None:
            records = self._select(view, obj)
            if records:
                experiment["containerRecords"] = records
        for record in experiment.get("containerRecords") or []:
            self._drive(view, obj, record, desired)
        status["conditions"] = conditions(obj, experiment.get("containerRecords"))
        if status != obj.get("status"):
            obj = view.store.update(self.gvr, {**obj, "status": status})
        if is_terminating(obj) and FINALIZER in (obj["metadata"].get("finalizers") or []):
            self._release(view, obj, experiment.get("containerRecords") or [])
        return due

    def _select(self, view: View, obj: Object) -> list[Object]:
        try:
            chosen = self.choose(view, obj, self.random)
        except (Unselectable, ValueError) as error:
            self._failed(view, obj, "select targets", str(error))
            return []
        if not chosen or not all(chosen.values()):
            self._failed(view, obj, "select targets", "no target has been selected")
            return []
        return [
            {
                "id": target,
                "selectorKey": key,
                "phase": NOT_INJECTED,
                "injectedCount": 0,
                "recoveredCount": 0,
            }
            for key, targets in chosen.items()
            for target in targets
        ]

    def _drive(self, view: View, obj: Object, record: Object, desired: str) -> None:
        """One record towards the desired phase. A pod that is gone cannot be injected, and needs
        no recovery.
        """
        if (desired == RUN) == (record["phase"] == INJECTED):
            return
        at, pod = rfc3339(view.now()), _pod_of(view, record["id"])
        if desired == RUN and pod is None:
            why = f"pod {record['id']} not found"
            if not any(event.get("message") == why for event in record.get("events") or []):
                self._failed(view, obj, "apply chaos", why)
                _remember(
                    record,
                    {"operation": "Apply", "type": "Failed", "message": why, "timestamp": at},
                )
            return
        apply = desired == RUN
        record["phase"] = INJECTED if apply else NOT_INJECTED
        count = "injectedCount" if apply else "recoveredCount"
        record[count] = record.get(count, 0) + 1
        _remember(
            record,
            {"operation": "Apply" if apply else "Recover", "type": "Succeeded", "timestamp": at},
        )
        word = "Applied" if apply else "Recovered"
        done = f"Successfully {'apply' if apply else 'recover'} chaos for {record['id']}"
        view.event(obj, word, done, component=COMPONENT)

    def _release(self, view: View, obj: Object, records: list[Object]) -> None:
        forced = (obj["metadata"].get("annotations") or {}).get(FORCE) == "forced"
        if forced or all(record["phase"] == NOT_INJECTED for record in records):
            rest = [name for name in obj["metadata"]["finalizers"] if name != FINALIZER]
            current = view.get(self.gvr, *key_of(obj)) or obj
            view.patch(self.gvr, current, {"metadata": {"finalizers": rest or None}})

    def _tell_phase(self, view: View, obj: Object, desired: str) -> None:
        if desired == RUN:
            view.event(obj, "Started", "Experiment has started", component=COMPONENT)
        elif is_terminating(obj):
            view.event(obj, "Deleted", "Experiment has been deleted", component=COMPONENT)
        elif is_paused(obj):
            view.event(obj, "Paused", "Experiment has been paused", component=COMPONENT)
        else:
            view.event(obj, "TimeUp", "Time up according to the duration", component=COMPONENT)

    def _failed(self, view: View, obj: Object, activity: str, why: str) -> None:
        view.event(obj, "Failed", f"Failed to {activity}: {why}", warning=True, component=COMPONENT)


def desired_phase(obj: Object, now: datetime) -> tuple[str, datetime | None]:
    """(`Run` or `Stop`, when that will change by itself). The duration counts from the creation."""
    if is_terminating(obj):
        return STOP, None
    ends: datetime | None = None
    if obj["spec"].get("duration"):
        try:
            ends = parse_time(obj["metadata"]["creationTimestamp"]) + go_duration(
                obj["spec"]["duration"]
            )
        except ValueError:
            # as Chaos Mesh does: it logs the mistake and the fault stays until it is deleted
            ends = None
        if ends is not None and ends <= now:
            return STOP, None
    return (STOP if is_paused(obj) else RUN), ends


def is_paused(obj: Object) -> bool:
    """Whether the fault is suspended by its annotation."""
    return (obj["metadata"].get("annotations") or {}).get(PAUSE) == "true"


def conditions(obj: Object, records: list[Object] | None) -> list[Object]:
    """Selected, AllInjected, AllRecovered and Paused, as Chaos Mesh derives them from
    the records.
    """
    known = records is not None
    values = {
        "Selected": known,
        "AllInjected": known and all(record["phase"] == INJECTED for record in records or []),
        "AllRecovered": known and all(record["phase"] == NOT_INJECTED for record in records or []),
        "Paused": is_paused(obj),
    }
    return [{"type": kind, "status": str(value)} for kind, value in values.items()]


def choose_for_network(
    view: View, obj: Object, random: random_module.Random
) -> dict[str, list[str]]:
    """Targets of a NetworkChaos: its pods under `.`, those of `spec.target` under `.Target`."""
    spec, namespace = obj["spec"], obj["metadata"]["namespace"]
    if (
        spec.get("direction", "to") != "to"
        and not spec.get("target")
        and not spec.get("externalTargets")
    ):
        raise Unselectable("direction from or both needs a target")
    chosen = {".": [_id(pod) for pod in select_pods(view, spec, namespace, random)]}
    if spec.get("target"):
        chosen[".Target"] = [
            _id(pod) for pod in select_pods(view, spec["target"], namespace, random)
        ]
    return chosen


def choose_containers(
    view: View, obj: Object, random: random_module.Random
) -> dict[str, list[str]]:
    """Targets of a fault that works on containers: those named, else the first one of each pod."""
    names = obj["spec"].get("containerNames") or []
    ids = []
    for pod in select_pods(view, obj["spec"], obj["metadata"]["namespace"], random):
        known = [container["name"] for container in pod["spec"]["containers"]]
        ids += [
            f"{_id(pod)}/{name}"
            for name in (known[:1] if not names else known)
            if not names or name in names
        ]
    return {".": ids}


def _id(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _pod_of(view: View, target: str) -> Object | None:
    namespace, name = target.split("/")[:2]
    return view.get(PODS, namespace, name)


def _remember(record: Object, event: Object) -> None:
    record["events"] = [*(record.get("events") or []), event][-KEPT_RECORD_EVENTS:]


def chaos_mesh_controllers(random: random_module.Random) -> list[ChaosMesh]:
    """The controllers of NetworkChaos, StressChaos and DNSChaos."""
    kinds: list[tuple[str, Gvr, Choose]] = [
        ("network-chaos", NETWORK, choose_for_network),
        ("stress-chaos", STRESS, choose_containers),
        ("dns-chaos", DNS, choose_containers),
    ]
    return [
        ChaosMesh(name, gvr, choose, random, frozenset({gvr, PODS, NODES}))
        for name, gvr, choose in kinds
    ]
