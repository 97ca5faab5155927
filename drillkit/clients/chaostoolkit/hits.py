"""What an action's result tells beyond "it returned": how many targets it touched, and whether it
really worked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from drillkit.clients.chaostoolkit.protocol import is_own
from drillkit.clients.chaostoolkit.session import Notes

Found = tuple[int | None, tuple[str, ...]]
TARGETS_KEPT = 200


def hit_of(
    activity: Mapping[str, Any], arguments: Mapping[str, Any], output: Any, notes: Notes
) -> Found:
    """(number of targets, or None when the action cannot say; their names).

    `arguments`: those of the provider, resolved. `output` None: it failed. An action of ours notes
    each target as it touches it, so it is known of a failed one too.
    """
    if is_own(activity):
        if notes.counted or notes.touched:
            return len(notes.touched), tuple(notes.touched[:TARGETS_KEPT])
        return None, ()
    provider = activity.get("provider") or {}
    reader = _READERS.get(f"{provider.get('module')}.{provider.get('func')}")
    return reader(arguments, output) if reader and isinstance(output, list | tuple) else (None, ())


def failure_of(activity: Mapping[str, Any], output: Any) -> str:
    """Why an action that returned did not work all the same, or ''.

    Chaos Toolkit takes an action for done whatever its command ended with or its server answered. A
    probe's result is left to its tolerance.
    """
    if activity["type"] != "action":
        return ""
    provider = activity.get("provider") or {}
    if isinstance(output, Mapping) and provider.get("type") == "process" and output.get("status"):
        said = str(output.get("stderr") or output.get("stdout") or "").strip()
        return f"the command ended with {output['status']}: {said}"
    if (
        isinstance(output, Mapping)
        and provider.get("type") == "http"
        and _number(output.get("status")) >= 400
    ):
        return f"the server answered {output['status']}"
    if provider.get("func") == "exec_in_pods" and isinstance(output, list):
        for result in output:
            if isinstance(result, Mapping) and result.get("exit_code"):
                return f"the command in pod {result.get('pod_name')} failed: {result.get('stderr')}"
    return ""


def _number(status: Any) -> int:
    return status if isinstance(status, int) else 0


def _names(stem: Callable[[Mapping[str, Any]], str]) -> Callable[[Mapping[str, Any], Any], Found]:
    return lambda arguments, output: (
        len(output),
        tuple(stem(arguments) + str(name) for name in output[:TARGETS_KEPT]),
    )


def _pods(arguments: Mapping[str, Any]) -> str:
    return f"pod/{arguments.get('ns') or 'default'}/"


def _executed(arguments: Mapping[str, Any], output: Any) -> Found:
    names = [str(result.get("pod_name")) for result in output if isinstance(result, Mapping)]
    return len(output), tuple(_pods(arguments) + name for name in names[:TARGETS_KEPT])


_READERS: Mapping[str, Callable[[Mapping[str, Any], Any], Found]] = {
    # Results as of chaostoolkit-kubernetes 0.39: lists of names, but for exec_in_pods.
    "chaosk8s.pod.actions.terminate_pods": _names(_pods),
    "chaosk8s.pod.actions.exec_in_pods": _executed,
    "chaosk8s.node.actions.drain_nodes": _names(lambda _: "node/"),
    "chaosk8s.node.actions.cordon_node": _names(lambda _: "node/"),
    "chaosk8s.node.actions.delete_nodes": _names(lambda _: "node/"),
}
