"""What a pod's commands may reach: NetworkPolicies for egress, as far as one machine can keep them.

A command that may reach nothing runs in a network namespace of its own, where the machine has such.
One that may reach some addresses shares the machine's network, and only the `nc` of the sandbox
keeps to them.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from drillkit.sandbox.kube.objects import CONFIGMAPS, Gvr, Object, labels_of
from drillkit.sandbox.kube.selectors import selects

if TYPE_CHECKING:
    from drillkit.sandbox.kube.store import Store

POLICIES: Gvr = ("networking.k8s.io", "networkpolicies")
KNOBS = ("kube-system", "sandbox-cluster-knobs")
"""A ConfigMap; its key `network-policies` set to `ignored` makes a cluster whose network knows
no policies.
"""
VARIABLE = "SANDBOX_EGRESS"
ANYWHERE = ("0.0.0.0/0", 0)
TRIAL_S = 5.0


def openings(store: Store, pod: Object) -> list[tuple[str, int]] | None:
    """(CIDR, port) that a pod may reach, port 0 for all; None where no policy is about
    its egress.
    """
    knobs = store.get(CONFIGMAPS, *KNOBS)
    if ((knobs or {}).get("data") or {}).get("network-policies") == "ignored":
        return None
    specs = [each.get("spec") or {} for each in store.list(POLICIES, pod["metadata"]["namespace"])]
    binding = [
        s for s in specs if _is_egress(s) and selects(s.get("podSelector") or {}, labels_of(pod))
    ]
    if not binding:
        return None
    return [
        found for spec in binding for rule in spec.get("egress") or () for found in _of_rule(rule)
    ]


def _is_egress(spec: Object) -> bool:
    return "Egress" in (spec.get("policyTypes") or ()) or "egress" in spec


def _of_rule(rule: Object) -> list[tuple[str, int]]:
    ports = [
        int(port["port"]) for port in rule.get("ports") or () if str(port.get("port", "")).isdigit()
    ] or [0]
    blocks = [to["ipBlock"]["cidr"] for to in rule.get("to") or () if "ipBlock" in to]
    if not rule.get("to"):
        blocks = [ANYWHERE[0]]
    return [(block, port) for block in blocks for port in ports]


def confined(
    argv: list[str], env: dict[str, str], found: list[tuple[str, int]] | None
) -> list[str]:
    """The command as it keeps to what was found; `env` is told of it."""
    if found is None:
        return argv
    env[VARIABLE] = json.dumps(found)
    return argv if found else [*_isolation(), *argv]


@functools.cache
def _isolation() -> tuple[str, ...]:
    """The words before a command that take its network away; none where the machine cannot."""
    if shutil.which("unshare") is None:
        return ()
    words = ("unshare", "--net") if os.geteuid() == 0 else ("unshare", "--map-root-user", "--net")
    quiet: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    try:
        tried = subprocess.run([*words, "true"], timeout=TRIAL_S, check=False, **quiet)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return words if tried.returncode == 0 else ()
