"""What one can do to a pod beside reading and writing it: evict, bind, read its log, run
a command.
"""

from __future__ import annotations

from typing import Any

from drillkit.sandbox.kube.budgets import allowance, covers, eviction_refusal
from drillkit.sandbox.kube.call import Call
from drillkit.sandbox.kube.deleting import DeleteOptions, options_of
from drillkit.sandbox.kube.errors import ApiError, bad_request, no_such_path
from drillkit.sandbox.kube.objects import BUDGETS, PODS, Object, is_ready, is_terminating
from drillkit.sandbox.kube.shapes import require
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.kube.wire import Exec, LogFollow, Response

_EVICTION = {"apiVersion": str, "kind": str, "metadata": {"name": str}, "deleteOptions": dict}
_TEXT = {"Content-Type": "text/plain; charset=utf-8"}


def evict(store: Store, call: Call) -> Response:
    """``POST pods/NAME/eviction``: deletes the pod unless a budget forbids it (429)."""
    body = call.body()
    require(body, _EVICTION, "Eviction")
    if body.get("kind", "Eviction") != "Eviction":
        raise bad_request("expected an Eviction of policy/v1")
    if body.get("apiVersion", "policy/v1") not in ("policy/v1", "policy/v1beta1"):
        raise bad_request(f'no kind "Eviction" is registered for version "{body["apiVersion"]}"')
    named = (body.get("metadata") or {}).get("name") or call.name
    if named != call.name:
        raise bad_request(
            f"name in URL does not match name in Eviction object: {call.name} and {named}"
        )
    pod = store.need(PODS, call.namespace, call.name)
    options = options_of(body.get("deleteOptions") or {}, call.query)
    if not _goes_anyway(pod):
        _ask_budgets(store, pod)
    delete_pod(store, call, options)
    done = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
    return Response(201, done)


def delete_pod(store: Store, call: Call, options: DeleteOptions) -> None:
    """Deletes the pod of the call as the options say."""
    store.delete(
        PODS,
        call.namespace,
        call.name,
        grace_s=options.grace_s,
        uid=options.uid,
        resource_version=options.resource_version,
        dry_run=options.dry_run or call.dry_run,
    )


def _goes_anyway(pod: Object) -> bool:
    """Whether its eviction can hurt nobody: it is ending, has ended or has not begun."""
    return is_terminating(pod) or (pod.get("status") or {}).get("phase") in (
        "Succeeded",
        "Failed",
        "Pending",
    )


def _ask_budgets(store: Store, pod: Object) -> None:
    namespace = pod["metadata"]["namespace"]
    budgets = [budget for budget in store.list(BUDGETS, namespace) if covers(budget, pod)]
    if not budgets:
        return
    if len(budgets) > 1:
        why = (
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does "
            "not support."
        )
        raise ApiError(500, "InternalError", why)
    budget = budgets[0]
    numbers = allowance(budget, store.list(PODS, namespace), store.state.lookup)
    if not is_ready(pod):
        careless = budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow"
        if careless or numbers.current_healthy >= numbers.desired_healthy > 0:
            return
    if numbers.disruptions_allowed > 0:
        return
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    details = {"causes": [eviction_refusal(budget, numbers)]}
    raise ApiError(429, "TooManyRequests", message, details)


def log(store: Store, call: Call) -> Response:
    """``GET pods/NAME/log``. Times (sinceSeconds, timestamps) are not kept, so these parameters
    change nothing.
    """
    pod = store.need(PODS, call.namespace, call.name)
    container = _container(pod, call.query.get("container", ""))
    if store.pod_log is None:
        raise no_such_path()
    if not pod["spec"].get("nodeName") or (pod.get("status") or {}).get("phase") == "Pending":
        raise bad_request(
            f'container "{container}" in pod "{call.name}" is waiting to start: ContainerCreating'
        )
    tail = call.number("tailLines")
    if call.flag("follow") and not call.flag("previous"):
        return Response(200, "", _TEXT, LogFollow(pod, container, tail))
    text = store.pod_log(pod, container, call.flag("previous"), tail)
    limit = call.number("limitBytes")
    return Response(200, text if limit is None else text.encode()[:limit], _TEXT)


def execute(store: Store, call: Call, pairs: list[tuple[str, str]]) -> Response:
    """``pods/NAME/exec``: answers the upgrade that the transport drives."""
    pod = store.need(PODS, call.namespace, call.name)
    container = _container(pod, call.query.get("container", ""))
    if store.pod_exec is None:
        raise no_such_path()
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        raise bad_request(
            "cannot exec into a container in a completed pod; current phase is "
            f"{pod['status']['phase']}"
        )
    command = tuple(value for key, value in pairs if key == "command")
    if not command:
        raise bad_request("you must specify at least 1 command for the container")
    streams = {name: call.flag(name) for name in ("stdin", "stdout", "stderr", "tty")}
    return Response(101, None, upgrade=Exec(pod, container, command, **streams))


def _container(pod: Object, asked: str) -> str:
    spec: dict[str, Any] = pod["spec"]
    names = [each["name"] for each in spec["containers"]]
    known = [*names, *(each["name"] for each in spec.get("initContainers") or [])]
    name = pod["metadata"]["name"]
    if asked:
        if asked not in known:
            raise bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    if len(names) > 1:
        raise bad_request(
            f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]"
        )
    return str(names[0])
