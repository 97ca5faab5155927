"""What of a plan somebody approves: everything that decides what a run may do, and nothing that
changes by itself. Names of pods change with each rollout, so that workloads stand in their place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from drillkit.clients.kube.pods import controller
from drillkit.clients.kube.resources import PODS, Object
from drillkit.model.codec import to_data
from drillkit.model.drill import Drill
from drillkit.model.permissions import AwsAction, Permission
from drillkit.model.target import Target
from drillkit.plan import Plan, StepPlan
from drillkit.secrets import KNOWN
from drillkit.spec.writing import as_written

if TYPE_CHECKING:
    from drillkit.clients.kube import Kube

Contents = Mapping[str, Any]
RUN_ID = "RUN"
"""Stands for the id of the run, which each run has its own of."""
_PASSING = frozenset({"pods", "nodes"})
"""Resources whose objects come and go under new names."""
SHOWN = 60
"""Lines of a difference."""


def contents_of(
    plan: Plan,
    drill: Drill,
    run_id: str,
    *,
    digests: Mapping[str, str],
    versions: Mapping[str, str],
    kube: Kube | None,
) -> Contents:
    """What is approved of a plan. `drill`: the same drill, resolved for a run called RUN_ID.
    `digests`: SHA-256 of all files that take part. Raises CallError.
    """
    found = {
        "drill": as_written(drill),
        "target": _target(plan.target),
        "cluster": kube.cluster_uid() if kube is not None else "",
        "steps": [_step(each, kube) for each in plan.steps],
        "files": dict(sorted(digests.items())),
        "versions": dict(sorted(versions.items())),
    }
    as_text = json.dumps(KNOWN.data(found), sort_keys=True).replace(run_id, RUN_ID)
    contents: Contents = json.loads(as_text)
    return contents


def digest_of(contents: Contents) -> str:
    """SHA-256 of the contents, written in one way only."""
    text = json.dumps(contents, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def difference(approved: Contents, now: Contents) -> str:
    """What changed, as a unified diff; '' where nothing did."""
    import difflib

    before, after = (
        json.dumps(each, indent=1, sort_keys=True).splitlines() for each in (approved, now)
    )
    lines = list(difflib.unified_diff(before, after, "approved", "now", n=2, lineterm=""))
    more = [f"... {len(lines) - SHOWN} more lines"] if len(lines) > SHOWN else []
    return "\n".join(lines[:SHOWN] + more)


def _target(target: Target) -> Any:
    data = to_data(target)
    # What is emulated is found out by looking, and decides nothing.
    return {key: value for key, value in data.items() if key != "emulated"}


def _step(step: StepPlan, kube: Kube | None) -> Any:
    return {
        "step": step.step.name,
        "uses": step.step.uses,
        "touches": sorted(_scope(step.prospect.targets, kube)),
        "may": sorted({_allowed(each) for each in step.prospect.permissions}),
    }


def _allowed(permission: Permission | AwsAction) -> str:
    if isinstance(permission, Permission) and permission.resource in _PASSING:
        return str(Permission(**{**to_data(permission), "name": ""}))
    return str(permission)


def _scope(targets: Iterable[str], kube: Kube | None) -> set[str]:
    """What is touched: workloads in place of pods, and nodes without their names."""
    found: set[str] = set()
    pods: dict[str, set[str]] = {}
    for target in targets:
        kind, _, rest = target.partition("/")
        namespace, _, name = rest.partition("/")
        if kind == "pod" and name:
            pods.setdefault(namespace, set()).add(name)
        elif kind == "node":
            found.add("nodes that the drill chooses")
        else:
            found.add(target)
    for namespace, names in pods.items():
        found |= _workloads(namespace, names, kube)
    return found


def _workloads(namespace: str, names: set[str], kube: Kube | None) -> set[str]:
    if kube is None:
        return {f"pod/{namespace}/{name}" for name in names}

    def take(found: set[str], pod: Object) -> None:
        if pod["metadata"]["name"] not in names:
            return
        owner = controller(pod) or {"kind": "Pod", "name": pod["metadata"]["name"]}
        kind, name = str(owner["kind"]), str(owner["name"])
        made = (pod["metadata"].get("labels") or {}).get("pod-template-hash")
        if kind == "ReplicaSet" and made:
            kind, name = "Deployment", name.removesuffix(f"-{made}")
        found.add(f"{kind.lower()}/{namespace}/{name}")

    return kube.reduce(PODS, namespace, into=set[str], add=take)
