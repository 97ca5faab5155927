"""Workloads: restart one, or take all its pods away for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drillkit.clients.kube.field_patch import changed
from drillkit.clients.kube.irreversible import RestartWorkload
from drillkit.clients.kube.permissions import needs
from drillkit.clients.kube.pods import selector_of
from drillkit.clients.kube.resources import (
    DAEMONSETS,
    DEPLOYMENTS,
    PODS,
    SERVICES,
    STATEFULSETS,
    Object,
    Resource,
)
from drillkit.clock import DeadlineOver
from drillkit.faults.context import (
    achieved,
    disrupted,
    end_now,
    expires,
    fault,
    here,
    hold,
    reach,
    recovered,
    released,
    seconds,
    some_time,
    touched,
    wait,
    whole,
)
from drillkit.faults.pod_selection import how_many, ready_pods, said
from drillkit.model.errors import Refused, StepFailed, StepUnknown
from drillkit.model.prospect import Prospect
from drillkit.model.units import format_duration

if TYPE_CHECKING:
    from drillkit.clients import Clients
    from drillkit.clients.chaostoolkit.session import WorkerSession
    from drillkit.clients.kube import Kube
    from drillkit.model.target import Target

KINDS: Mapping[str, Resource] = {
    "Deployment": DEPLOYMENTS,
    "StatefulSet": STATEFULSETS,
    "DaemonSet": DAEMONSETS,
}
REPLICAS = "/spec/replicas"
REVISION = "deployment.kubernetes.io/revision"
UNDO_LIMIT_S = 60.0


def _preview_restart(
    clients: Clients, *, namespace: str, name: str, kind: str, **_: object
) -> Prospect:
    of = resource_of(kind)
    workload = read_workload(clients.kube, of, namespace, name)
    if not wanted_pods(workload):
        raise StepFailed(
            f"{of.said(name, namespace)}: expected pods to restart, found that it wants none"
        )
    return Prospect(
        targets=(of.said(name, namespace),),
        effects=(
            f"replaces all {wanted_pods(workload)} pods of {of.said(name, namespace)}; nothing "
            "takes that back",
        ),
        permissions=(
            *needs("get patch", of, namespace, name=name),
            *needs("list", PODS, namespace),
            *needs("list", SERVICES, namespace),
        ),
        seen=(
            _stands(of, workload),
            *map(said, clients.kube.list(PODS, namespace, selector=selector_of(workload))),
        ),
    )


def _preview_scale(
    clients: Clients, *, namespace: str, name: str, kind: str, duration: str, **_: object
) -> Prospect:
    of = resource_of(kind)
    workload, victims = _look_scale(clients.kube, clients.target, of, namespace, name)
    length = format_duration(some_time(duration, "duration"))
    return Prospect(
        targets=tuple(victims),
        effects=(
            f"scales {of.said(name, namespace)} from {wanted_pods(workload)} to 0 for {length}, "
            "and back",
        ),
        permissions=(
            *needs("get patch", of, namespace, name=name),
            *needs("list", of, namespace),
            *needs("list", PODS, namespace),
            *needs("list", SERVICES, namespace),
        ),
        seen=(_stands(of, workload),),
    )


@fault(preview=_preview_restart)
def restart(
    namespace: str, name: str, kind: str = "Deployment", limit: str = "5m"
) -> dict[str, Any]:
    """Have a workload replace all its pods, as `kubectl rollout restart` does, and wait until that
    is done.

    `kind`: Deployment, StatefulSet or DaemonSet. Raises StepFailed when it is not complete within
    `limit`, or has no pods.

    Unlike chaosk8s.deployment.actions.rollout_deployment it waits for the rollout, and says how
    long it took.
    """
    session, limit_s = here(), seconds(limit, "limit")
    of = resource_of(kind)
    workload = read_workload(session.clients.kube, of, namespace, name)
    wanted = wanted_pods(workload)
    if not wanted:
        raise StepFailed(
            f"{of.said(name, namespace)}: expected pods to restart, found that it wants none"
        )
    reach(session, [_like_its_pods(workload)])
    planned = session.book.plan(RestartWorkload(of, name, namespace, session.run))
    session.clients.kube.restart(planned)
    touched(session, planned.undo.resource)
    began = disrupted(session)
    _await_rollout(session, of, namespace, name, limit_s)
    took = recovered(session) - began
    return {"targets": [planned.undo.resource], "recovered_after": format_duration(took)}


@fault(preview=_preview_scale)
def scale_to_zero(
    namespace: str, name: str, kind: str = "Deployment", duration: str = "30s", limit: str = "2m"
) -> dict[str, Any]:
    """Take all pods of a workload away for `duration`, then bring them back and wait until they
    are ready.

    `kind`: Deployment or StatefulSet. `limit` bounds the going and, again, the coming. Raises
    StepUnknown when somebody (an operator, GitOps) scaled it up meanwhile, StepFailed when it has
    no pods or does not come back, Refused above the target's cap.

    Unlike chaosk8s.deployment.actions.scale_deployment it remembers what the workload had, puts
    that back only while nobody else has changed it, watches that it stays at zero, and waits for
    the pods.
    """
    session, limit_s = here(), seconds(limit, "limit")
    duration_s = some_time(duration, "duration")
    of = resource_of(kind)
    workload, victims = _look_scale(session.clients.kube, session.target, of, namespace, name)
    prior = wanted_pods(workload)
    reach(session, [_like_its_pods(workload)])
    until = expires(session, duration_s + limit_s)
    planned = session.book.plan(
        changed(of, workload, {REPLICAS: 0}, run=session.run, expires=until)
    )
    session.clients.kube.set_fields(planned)
    for victim in victims:
        touched(session, victim)
    disrupted(session)
    _await_ready(session, of, namespace, name, 0, limit_s)
    what = f"{planned.undo.resource} at zero"
    healed = hold(
        session,
        session.clock.mono() + duration_s,
        lambda: _at_zero(session, of, namespace, name),
        what,
    )
    ended = released(session)
    detail = end_now(session, planned, UNDO_LIMIT_S)
    if healed:
        raise StepUnknown(f"{what}: not all the time, {healed}; nothing is proven")
    _await_ready(session, of, namespace, name, prior, limit_s)
    took = recovered(session) - ended
    return {"targets": victims, "undone": detail, "recovered_after": format_duration(took)}


def resource_of(kind: str) -> Resource:
    """The resource of a kind of workload. Raises Refused for another."""
    if kind not in KINDS:
        raise Refused(f"kind: expected one of {', '.join(KINDS)}, found {kind!r}")
    return KINDS[kind]


def read_workload(kube: Kube, of: Resource, namespace: str, name: str) -> Object:
    """A workload. Raises StepFailed where there is none, Refused without a namespace or name."""
    if not namespace or not name:
        raise Refused("expected a namespace and a name: drillkit never assumes `default`")
    found = kube.find(of, name, namespace)
    if found is None:
        raise StepFailed(f"expected {of.said(name, namespace)}, found none")
    return found


def wanted_pods(workload: Object) -> int:
    """How many pods it wants."""
    if workload.get("kind") == "DaemonSet":
        return int((workload.get("status") or {}).get("desiredNumberScheduled") or 0)
    replicas = (workload.get("spec") or {}).get("replicas")
    return 1 if replicas is None else int(replicas)


def _like_its_pods(workload: Object) -> Object:
    """A pod as its template makes them."""
    template = (workload.get("spec") or {}).get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    metadata = {"namespace": workload["metadata"]["namespace"], "labels": labels}
    return {"metadata": metadata, "spec": template.get("spec") or {}}


def _ready(workload: Object) -> int:
    status = workload.get("status") or {}
    return int(status.get("readyReplicas") or status.get("numberReady") or 0)


def is_rolled_out(workload: Object) -> bool:
    """Every pod is of the newest template, ready, and no older one is left:
    `kubectl rollout status`' own question.
    """
    status, wanted = workload.get("status") or {}, wanted_pods(workload)
    if int(status.get("observedGeneration") or 0) < int(
        workload["metadata"].get("generation") or 0
    ):
        return False
    if workload.get("kind") == "DaemonSet":
        return (
            int(status.get("updatedNumberScheduled") or 0)
            >= wanted
            <= int(status.get("numberAvailable") or 0)
        )
    updated, total = int(status.get("updatedReplicas") or 0), int(status.get("replicas") or 0)
    return updated >= wanted and total == updated and _ready(workload) >= wanted


def _stands(of: Resource, workload: Object) -> str:
    """How a workload stands: what a change of it, or a rollout, would show in."""
    meta = workload["metadata"]
    told = [f"generation {meta.get('generation')}"]
    status = workload.get("status") or {}
    revision = (meta.get("annotations") or {}).get(REVISION) or status.get("updateRevision")
    if revision:
        told.append(f"revision {revision}")
    told.append("rolled out" if is_rolled_out(workload) else "a rollout is under way")
    return f"{of.said(meta['name'], meta['namespace'])}: {', '.join(told)}"


def _await_rollout(
    session: WorkerSession, of: Resource, namespace: str, name: str, limit_s: float
) -> None:
    last: list[Object] = []

    def done() -> bool | None:
        last[:] = [read_workload(session.clients.kube, of, namespace, name)]
        return True if is_rolled_out(last[0]) else None

    said_ = of.said(name, namespace)
    try:
        wait(
            session,
            done,
            limit_s=limit_s,
            what=lambda: (
                f"expected {said_} rolled out, found {_ready(last[0])} of {wanted_pods(last[0])} "
                "pods ready"
            ),
        )
    except DeadlineOver as late:
        whole(session, f"{said_} is rolled out", False, str(late))
        raise StepFailed(str(late)) from late
    whole(session, f"{said_} is rolled out", True)


def _await_ready(
    session: WorkerSession, of: Resource, namespace: str, name: str, wanted: int, limit_s: float
) -> None:
    found = 0

    def done() -> bool | None:
        nonlocal found
        found = _ready(read_workload(session.clients.kube, of, namespace, name))
        return True if (found >= wanted if wanted else found == 0) else None

    what = f"ready pods of {of.said(name, namespace)}"
    try:
        wait(
            session, done, limit_s=limit_s, what=lambda: f"expected {wanted} {what}, found {found}"
        )
    except DeadlineOver as late:
        if wanted:
            achieved(session, what, found, wanted, f"within {format_duration(limit_s)}")
        raise StepFailed(str(late)) from late
    if wanted:
        achieved(session, what, found, wanted)


def _at_zero(session: WorkerSession, of: Resource, namespace: str, name: str) -> tuple[bool, str]:
    workload = session.clients.kube.find(of, name, namespace)
    if workload is None:
        return False, "somebody deleted it"
    wanted, ready = wanted_pods(workload), _ready(workload)
    return (
        wanted == 0 and ready == 0,
        f"somebody set it to {wanted} ({ready} ready)" if wanted or ready else "",
    )


def _look_scale(
    kube: Kube, target: Target, of: Resource, namespace: str, name: str
) -> tuple[Object, list[str]]:
    if of == DAEMONSETS:
        raise Refused("kind: a DaemonSet has no number of replicas")
    workload = read_workload(kube, of, namespace, name)
    if not wanted_pods(workload):
        raise StepFailed(
            f"{of.said(name, namespace)}: expected pods to take away, found that it wants none"
        )
    able, _ = ready_pods(kube, target, namespace, selector_of(workload))
    how_many(
        len(able),
        len(able),
        target.caps.pods,
        f"pods of {of.said(name, namespace)}",
        target,
        "pods",
    )
    return workload, [said(pod) for pod in able]
