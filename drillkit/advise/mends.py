"""What mends a workload, as commands to paste; and the drill that would prove it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from drillkit.advise.cluster import Workload
from drillkit.model.yaml_text import dump_yaml


def patched(workload: Workload, spec: Mapping[str, Any]) -> str:
    """`kubectl patch` of a workload's spec."""
    words = ("kubectl", "-n", workload.namespace, "patch", workload.kind.lower(), workload.name)
    return f"{shlex.join(words)} -p {shlex.quote(json.dumps({'spec': spec}))}"


def pod_patched(workload: Workload, pod: Mapping[str, Any]) -> str:
    """The same of the pods that it makes."""
    return patched(workload, {"template": {"spec": pod}})


def containers_patched(workload: Workload, names: list[str], fields: Mapping[str, Any]) -> str:
    """The same of some of their containers."""
    return pod_patched(workload, {"containers": [{"name": name, **fields} for name in names]})


def applied(obj: Mapping[str, Any]) -> str:
    """`kubectl apply` of an object."""
    return f"kubectl apply -f - <<'EOF'\n{dump_yaml(obj).rstrip()}\nEOF"


def drill_for(name: str, workload: Workload) -> str:
    """Arguments of `drillkit run` for a drill of that workload."""
    settings = {"namespace": workload.namespace}
    if workload.label_selector:
        settings["selector"] = workload.label_selector
    return " ".join((name, *(f"--set {shlex.quote(f'{k}={v}')}" for k, v in settings.items())))
