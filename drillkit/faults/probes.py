"""What is there: probes for steady-state hypotheses. They look at readiness, never take nothing for
a success.
"""

from __future__ import annotations

from drillkit.clients.kube.pods import is_finished, is_going, is_ready
from drillkit.clients.kube.resources import NODES, PODS
from drillkit.faults.context import here
from drillkit.faults.node_selection import is_schedulable
from drillkit.faults.workloads import is_rolled_out, read_workload, resource_of, wanted_pods
from drillkit.model.errors import Refused, StepFailed


def count_ready_pods(namespace: str, selector: str) -> int:
    """How many pods of the selector are ready (running, not being deleted, Ready condition true).

    chaosk8s.pod.probes counts pods of a phase: a container that crashes again and again is
    Running, too.
    """
    if not namespace or not selector:
        raise Refused("expected a namespace and a label selector")
    return sum(map(is_ready, here().clients.kube.list(PODS, namespace, selector=selector)))


def all_pods_ready(namespace: str, selector: str, at_least: int = 1) -> bool:
    """Whether all pods of the selector are ready, and there are `at_least` so many; those that end
    do not count.

    chaosk8s.pod.probes.all_pods_healthy looks at phases, and calls it healthy when there is no pod
    at all.
    """
    if not namespace or not selector:
        raise Refused("expected a namespace and a label selector")
    pods = here().clients.kube.list(PODS, namespace, selector=selector)
    living = [pod for pod in pods if not is_going(pod) and not is_finished(pod)]
    return len(living) >= int(at_least) and all(map(is_ready, living))


def workload_ready(namespace: str, name: str, kind: str = "Deployment") -> bool:
    """Whether every pod that a workload wants is of its newest template and ready. One that wants
    none is not ready.

    Raises StepFailed where there is no such workload.
    """
    workload = read_workload(here().clients.kube, resource_of(kind), namespace, name)
    return wanted_pods(workload) > 0 and is_rolled_out(workload)


def count_schedulable_nodes(selector: str = "") -> int:
    """How many nodes are ready and not cordoned. Raises StepFailed when the selector matches
    no node.
    """
    nodes = here().clients.kube.list(NODES, selector=selector)
    if not nodes:
        raise StepFailed(f"expected nodes{f' of {selector}' if selector else ''}, found none")
    return sum(map(is_schedulable, nodes))
