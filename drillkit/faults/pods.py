"""Pods: delete some, and wait until others have taken their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from drillkit.clients.kube.irreversible import DeletePod
from drillkit.clients.kube.permissions import needs
from drillkit.clients.kube.pods import controller_kind, is_ready
from drillkit.clients.kube.resources import PODS, SERVICES, Object
from drillkit.clock import DeadlineOver
from drillkit.faults.context import (
    achieved,
    disrupted,
    fault,
    here,
    reach,
    recovered,
    say,
    seconds,
    touched,
    wait,
)
from drillkit.faults.pod_selection import Victims, choose_pods, said
from drillkit.model.errors import StepFailed
from drillkit.model.prospect import Prospect
from drillkit.model.units import format_duration

if TYPE_CHECKING:
    from drillkit.clients import Clients
    from drillkit.clients.chaostoolkit.session import WorkerSession

GONE_SLACK_S = 15.0
"""Beyond its grace period, for a pod to disappear."""


def preview_delete(
    clients: Clients,
    *,
    namespace: str,
    selector: str,
    count: int | str,
    order: str,
    seed: int | None,
    include_daemonsets: bool,
    **_: object,
) -> Prospect:
    """What `delete_pods` would do."""
    victims = choose_pods(
        clients.kube,
        clients.target,
        namespace,
        selector,
        count,
        order=order,
        seed=seed,
        daemonsets=include_daemonsets,
    )
    alone = [said(pod) for pod in victims.chosen if not controller_kind(pod)]
    return Prospect(
        targets=victims.names,
        effects=(
            f"deletes {len(victims.chosen)} of {victims.ready} ready pods of {selector} in "
            f"{namespace}; nothing takes that back, their controller makes others",
        ),
        permissions=(
            *needs("list get delete", PODS, namespace),
            *needs("list", SERVICES, namespace),
        ),
        notes=tuple(f"{name} has no controller: nothing will replace it" for name in alone),
        seen=victims.others,
    )


@fault(preview=preview_delete)
def delete_pods(
    namespace: str,
    selector: str,
    count: int | str = 1,
    order: str = "alphabetic",
    seed: int | None = None,
    grace_period_s: int = -1,
    include_daemonsets: bool = False,
    recovery_limit: str = "2m",
) -> dict[str, Any]:
    """Delete ready pods, and wait until as many are ready again and the deleted ones have ended.

    `count` is a number or a percentage of the ready pods that match `selector`; `order` says which
    of them (`alphabetic`, `oldest`, `random` with a `seed`); `grace_period_s` 0 kills at once,
    below 0 leaves it to the pod, as kubectl has it;
    `recovery_limit` is how long the replacements may take. Raises StepFailed when nothing matches,
    when all were gone before they could be deleted, or when the replacements do not come; Refused
    above the target's cap.

    Unlike chaosk8s.pod.actions.terminate_pods it never picks by default, takes zero matches for a
    failure, leaves Pending, Completed, Terminating, mirror and DaemonSet pods alone, deletes by
    UID, tells what it deleted when it fails half-way, and waits for replacements.
    """
    session = here()
    limit_s = seconds(recovery_limit, "recovery_limit")
    kube = session.clients.kube
    victims = choose_pods(
        kube,
        session.target,
        namespace,
        selector,
        count,
        order=order,
        seed=seed,
        daemonsets=include_daemonsets,
    )
    if order == "random":
        say(session, f"chosen at random with seed {seed}: {', '.join(victims.names)}")
    grace_s = None if int(grace_period_s) < 0 else int(grace_period_s)
    reach(session, victims.chosen)
    began: float | None = None
    gone = []
    for pod in victims.chosen:
        asked = session.clock.mono()
        if _delete(session, pod, grace_s):
            began = disrupted(session, asked) if began is None else began
            gone.append(pod)
    if began is None:
        raise StepFailed(
            f"{', '.join(victims.names)} were gone before they could be deleted: nothing was tested"
        )
    back = _await_replacements(session, namespace, selector, victims, gone, limit_s)
    took = recovered(session) - began
    _await_gone(session, gone, grace_s)
    return {
        "targets": [said(pod) for pod in gone],
        "ready_before": victims.ready,
        "replacements": back,
        "recovered_after": format_duration(took),
    }


def _delete(session: WorkerSession, pod: Object, grace_s: int | None) -> bool:
    meta = pod["metadata"]
    planned = session.book.plan(DeletePod(meta["name"], meta["namespace"], meta["uid"], grace_s))
    if not session.clients.kube.delete_pod(planned):
        return False
    touched(session, said(pod))
    return True


def _await_replacements(
    session: WorkerSession,
    namespace: str,
    selector: str,
    victims: Victims,
    gone: Sequence[Object],
    limit_s: float,
) -> list[str]:
    """Names of the pods that are ready now and were not before; raises StepFailed when they do not
    come in time.
    """
    lost = {pod["metadata"]["uid"] for pod in gone}
    # A pod that stands alone is not replaced by anybody.
    wanted = victims.ready - sum(1 for pod in gone if not controller_kind(pod))
    now: list[Object] = []

    def whole() -> bool | None:
        now[:] = [
            pod
            for pod in session.clients.kube.list(PODS, namespace, selector=selector)
            if is_ready(pod) and pod["metadata"]["uid"] not in lost
        ]
        return True if len(now) >= wanted else None

    name = f"ready pods of {selector} in {namespace}"
    try:
        wait(
            session,
            whole,
            limit_s=limit_s,
            what=lambda: f"expected {wanted} {name}, found {len(now)}",
        )
    except DeadlineOver as late:
        achieved(
            session, name, len(now), wanted, f"within {format_duration(limit_s)} of the deletion"
        )
        raise StepFailed(str(late)) from late
    achieved(session, name, len(now), wanted)
    return sorted(
        pod["metadata"]["name"] for pod in now if pod["metadata"]["uid"] not in victims.known
    )


def _await_gone(session: WorkerSession, gone: Sequence[Object], grace_s: int | None) -> None:
    """Wait until the deleted pods have really ended: until then they may still lose requests."""
    left = {pod["metadata"]["uid"]: pod for pod in gone}
    graces = [(pod.get("spec") or {}).get("terminationGracePeriodSeconds") for pod in gone]
    limit_s = GONE_SLACK_S + (
        grace_s if grace_s is not None else max(30 if g is None else int(g) for g in graces)
    )

    def over() -> bool | None:
        for uid, pod in list(left.items()):
            meta = pod["metadata"]
            there = session.clients.kube.find(PODS, meta["name"], meta["namespace"])
            if there is None or there["metadata"]["uid"] != uid:
                del left[uid]
        return True if not left else None

    try:
        wait(
            session,
            over,
            limit_s=limit_s,
            what=lambda: f"still there: {', '.join(map(said, left.values()))}",
        )
    except (
        DeadlineOver
    ) as late:  # its node hangs, or a finalizer holds it: worth telling, no failure of the service
        say(session, f"deleted pods do not end: {late}")
