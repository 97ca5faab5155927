"""Which pods a Chaos Mesh selector and mode mean."""

from __future__ import annotations

import math
import random as random_module

from drillkit.sandbox.cluster.values import is_active, matches, phase
from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.objects import NODES, PODS, Object, labels_of


class Unselectable(ValueError):
    """A selector or mode that Chaos Mesh would refuse."""


def select_pods(
    view: View, spec: Object, own_namespace: str, random: random_module.Random
) -> list[Object]:
    """The pods chosen by `spec.selector`, `spec.mode` and `spec.value`. Raises Unselectable."""
    selector = spec.get("selector") or {}
    spaces = selector.get("namespaces") or [own_namespace]
    named: dict[str, list[str]] = selector.get("pods") or {}
    found = [
        pod
        for pod in sorted(
            view.all(PODS), key=lambda pod: (pod["metadata"]["namespace"], pod["metadata"]["name"])
        )
        if is_active(pod)
        and pod["spec"].get("nodeName")
        and (_is_named(named, pod) if named else _fits(view, selector, spaces, pod))
    ]
    return _by_mode(found, spec.get("mode") or "all", spec.get("value"), random)


def _is_named(named: dict[str, list[str]], pod: Object) -> bool:
    return pod["metadata"]["name"] in named.get(pod["metadata"]["namespace"], [])


def _fits(view: View, selector: Object, spaces: list[str], pod: Object) -> bool:
    meta = pod["metadata"]
    if meta["namespace"] not in spaces:
        return False
    wanted = {
        "matchLabels": selector.get("labelSelectors") or {},
        "matchExpressions": selector.get("expressionSelectors") or [],
    }
    if not matches(wanted, pod):
        return False
    notes = meta.get("annotations") or {}
    if not (selector.get("annotationSelectors") or {}).items() <= notes.items():
        return False
    node_name = pod["spec"]["nodeName"]
    if selector.get("nodes") and node_name not in selector["nodes"]:
        return False
    node = view.get(NODES, "", node_name)
    if (
        not (selector.get("nodeSelectors") or {}).items()
        <= (labels_of(node) if node else {}).items()
    ):
        return False
    fields = {"metadata.name": meta["name"], "spec.nodeName": node_name, "status.phase": phase(pod)}
    if any(
        fields.get(name) != value for name, value in (selector.get("fieldSelectors") or {}).items()
    ):
        return False
    phases = selector.get("podPhaseSelectors")
    return not phases or phase(pod) in phases


def _by_mode(
    pods: list[Object], mode: str, value: str | None, random: random_module.Random
) -> list[Object]:
    if mode == "all" or not pods:
        return pods
    if mode == "one":
        return [random.choice(pods)]
    if mode not in ("fixed", "fixed-percent", "random-max-percent"):
        raise Unselectable(
            f"mode {mode!r} is none of one, all, fixed, fixed-percent, random-max-percent"
        )
    if not str(value or "").isdigit():
        raise Unselectable(f"mode {mode} needs a number in `value`, found {value!r}")
    number = int(str(value))
    if mode == "fixed":
        return random.sample(pods, min(number, len(pods)))
    if number > 100:
        raise Unselectable(f"mode {mode} needs a percentage in `value`, found {value!r}")
    share = number if mode == "fixed-percent" else random.randint(0, number)
    return random.sample(pods, math.floor(len(pods) * share / 100))
