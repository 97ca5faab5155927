"""Whether PodDisruptionBudgets let pods go. Pure.

Source: Kubernetes' documentation, "Specifying a Disruption Budget" and "API-initiated Eviction".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from drillkit.clients.kube.pods import is_finished, is_ready
from drillkit.clients.kube.resources import PDBS, PODS, Object
from drillkit.clients.kube.selectors import selects
from drillkit.faults.forecast.outcome import Forecast


def blocked_by(pods: Iterable[Object], budgets: Sequence[Object]) -> Forecast:
    """What of evicting these is never allowed, and what has to wait."""
    cannot: list[str] = []
    unsure: list[str] = []
    covered: dict[int, list[Object]] = {}
    for pod in pods:
        if is_finished(pod) or (pod.get("status") or {}).get("phase") == "Pending":
            continue  # these are let go without being counted
        found = [number for number, each in enumerate(budgets) if _covers(each, pod)]
        if len(found) > 1:
            names = " and ".join(str(budgets[each]["metadata"]["name"]) for each in found)
            cannot.append(
                f"{_said(pod)} has more than one PodDisruptionBudget ({names}): the API server "
                "never evicts such a pod; leave it one"
            )
        elif found:
            covered.setdefault(found[0], []).append(pod)
    for number, its in covered.items():
        never, perhaps = _judge(budgets[number], its)
        cannot += never
        unsure += perhaps
    return Forecast(tuple(cannot), tuple(unsure))


def _judge(budget: Object, pods: Sequence[Object]) -> tuple[list[str], list[str]]:
    meta, status = budget["metadata"], budget.get("status") or {}
    name = PDBS.said(meta["name"], meta["namespace"])
    ready = [pod for pod in pods if is_ready(pod)]
    wants, healthy = status.get("desiredHealthy"), status.get("currentHealthy")
    there, allows = status.get("expectedPods"), int(status.get("disruptionsAllowed") or 0)
    known = None not in (wants, healthy, there)
    if not known or int(status.get("observedGeneration") or 0) < int(meta.get("generation") or 0):
        return [], [f"{name} has not been counted yet: it may block {len(pods)} evictions"]
    assert wants is not None
    assert there is not None
    said = f"{name} wants {wants} of {there} pods healthy"
    if ready and wants >= there:
        which = ", ".join(_said(pod) for pod in ready[:3]) + (", ..." if len(ready) > 3 else "")
        return [f"{said}, so that none may be evicted as long as no more are there: {which}"], []
    if allows < len(ready):
        return [], [
            f"{said} and has {healthy}: it lets {allows} go now, {len(ready)} are to go; the rest "
            "waits until others are ready elsewhere"
        ]
    if len(ready) < len(pods) and allows < len(pods) and _counts_unhealthy(budget):
        return [], [f"{said} and has {healthy}: it may keep pods that are not ready"]
    return [], []


def _covers(budget: Object, pod: Object) -> bool:
    return budget["metadata"]["namespace"] == pod["metadata"]["namespace"] and selects(
        (budget.get("spec") or {}).get("selector"), pod["metadata"].get("labels") or {}
    )


def _counts_unhealthy(budget: Object) -> bool:
    return (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") != "AlwaysAllow"


def _said(pod: Object) -> str:
    return PODS.said(pod["metadata"]["name"], pod["metadata"]["namespace"])
