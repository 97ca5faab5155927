"""The environment of a worker: how Chaos Toolkit's Kubernetes extension is led to the
drill's target.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from drillkit.model.drill import Target

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def environment(target: Target, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Ours, with the target's kubeconfig and context, and no proxy in front of loopback."""
    env = dict(base)
    cluster = target.kubernetes
    if cluster is not None:
        if cluster.kubeconfig:
            env["KUBECONFIG"] = str(Path(cluster.kubeconfig).expanduser())
        if cluster.context:
            env["KUBERNETES_CONTEXT"] = cluster.context
        if in_pod(env):
            env["CHAOSTOOLKIT_IN_POD"] = "true"
    for name in ("NO_PROXY", "no_proxy"):
        # The extension honours a proxy even for 127.0.0.1, unless told otherwise.
        known = [host for host in env.get(name, env.get("NO_PROXY", "")).split(",") if host]
        env[name] = ",".join(dict.fromkeys([*known, *LOOPBACK]))
    return env


def in_pod(env: Mapping[str, str]) -> bool:
    """Whether there is no kubeconfig, but a pod's own service account."""
    default = Path("~/.kube/config").expanduser()
    return (
        not env.get("KUBECONFIG")
        and not default.exists()
        and bool(env.get("KUBERNETES_SERVICE_HOST"))
    )
