"""What a PodDisruptionBudget allows right now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from drillkit.sandbox.kube.objects import Object, is_ready, is_terminating, labels_of, owners_of
from drillkit.sandbox.kube.selectors import selects


@dataclass(frozen=True)
class Allowance:
    """The four numbers of a budget's status."""

    expected_pods: int
    desired_healthy: int
    current_healthy: int
    disruptions_allowed: int

    def status(self, generation: int) -> Object:
        """As the budget's status shows it."""
        sufficient = self.disruptions_allowed > 0
        return {
            "observedGeneration": generation,
            "expectedPods": self.expected_pods,
            "desiredHealthy": self.desired_healthy,
            "currentHealthy": self.current_healthy,
            "disruptionsAllowed": self.disruptions_allowed,
            "conditions": [
                {
                    "type": "DisruptionAllowed",
                    "status": "True" if sufficient else "False",
                    "reason": "SufficientPods" if sufficient else "InsufficientPods",
                    "message": "",
                    "observedGeneration": generation,
                }
            ],
        }


def covers(budget: Object, pod: Object) -> bool:
    """Whether the budget protects that pod."""
    if budget["metadata"].get("namespace") != pod["metadata"].get("namespace"):
        return False
    return selects((budget.get("spec") or {}).get("selector"), labels_of(pod))


def allowance(
    budget: Object, pods: Iterable[Object], lookup: Callable[[str], Object | None]
) -> Allowance:
    """What ``budget`` allows given its namespace's pods.

    A percentage and ``maxUnavailable`` count from the replicas their controllers want (``lookup``
    finds a controller by UID), a plain ``minAvailable`` from the pods there are, as Kubernetes'
    disruption controller does.
    """
    spec = budget.get("spec") or {}
    covered = [pod for pod in pods if covers(budget, pod) and not _is_over(pod)]
    healthy = sum(1 for pod in covered if is_ready(pod) and not is_terminating(pod))
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if most is None and not isinstance(least, str):
        expected, desired = len(covered), int(least or 0)
    else:
        expected = _wanted(covered, lookup)
        desired = (
            _share(least, expected) if most is None else max(0, expected - _share(most, expected))
        )
    allowed = max(0, healthy - desired) if expected else 0
    return Allowance(expected, desired, healthy, allowed)


def _is_over(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _share(value: int | str | None, total: int) -> int:
    """A number, or a percentage of ``total`` rounded up."""
    if isinstance(value, str):
        return -(-int(value.rstrip("%")) * total // 100)
    return int(value or 0)


def _wanted(pods: list[Object], lookup: Callable[[str], Object | None]) -> int:
    """The replicas that the pods' controllers are meant to have; a ReplicaSet's Deployment counts
    in its stead.
    """
    scales: dict[str, int] = {}
    for pod in pods:
        owner = _controller(pod, lookup)
        if owner is None:
            continue
        if owner["kind"] == "ReplicaSet":
            owner = _controller(owner, lookup) or owner
        scales[owner["metadata"]["uid"]] = int((owner.get("spec") or {}).get("replicas") or 0)
    return sum(scales.values())


def _controller(obj: Object, lookup: Callable[[str], Object | None]) -> Object | None:
    reference = next((owner for owner in owners_of(obj) if owner.get("controller")), None)
    return None if reference is None else lookup(reference["uid"])


def eviction_refusal(budget: Object, numbers: Allowance) -> Object:
    """The cause a refused eviction names."""
    name = budget["metadata"]["name"]
    return {
        "reason": "DisruptionBudget",
        "message": f"The disruption budget {name} needs {numbers.desired_healthy} healthy pods "
        f"and has {numbers.current_healthy} currently",
    }
