"""A pod's status from the states of its containers; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from drillkit.sandbox.cluster.values import set_condition
from drillkit.sandbox.kube.objects import Object, rfc3339

EXEC_IMAGES = ("sandbox/exec", "busybox", "alpine", "python")
"""Images whose command runs on this machine, as drillkit's own does; every other image is the small
HTTP server.
"""
DRILLKIT = "drillkit"
"""Name of the image that holds drillkit, whatever registry it is said to come from."""


@dataclass(frozen=True)
class Waiting:
    """Not running (yet)."""

    reason: str
    message: str = ""


@dataclass(frozen=True)
class Running:
    """Running since."""

    since: datetime


@dataclass(frozen=True)
class Ended:
    """Ended with an exit code; a negative one is the signal that ended it."""

    code: int
    since: datetime
    until: datetime
    reason: str = ""
    message: str = ""


@dataclass
class Container:
    """One container as the kubelet sees it."""

    name: str
    image: str
    state: Waiting | Running | Ended
    last: Ended | None = None
    restarts: int = 0
    ready: bool = False
    identity: str = ""
    """The container's id; empty until it has been started once."""

    def status(self) -> Object:
        """The containerStatus of the API."""
        status: Object = {
            "name": self.name,
            "image": self.image,
            "imageID": f"sandbox.drillkit.dev/{self.image}" if self.identity else "",
            "restartCount": self.restarts,
            "ready": self.ready,
            "started": isinstance(self.state, Running),
            "state": _state(self.state),
            "lastState": _state(self.last) if self.last else {},
        }
        if self.identity:
            status["containerID"] = f"sandbox://{self.identity}"
        return status


def _state(state: Waiting | Running | Ended) -> Object:
    match state:
        case Waiting(reason, message):
            return {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        case Running(since):
            return {"running": {"startedAt": rfc3339(since)}}
        case Ended(code, since, until, reason, message):
            exit_code = code if code >= 0 else 128 - code
            told: dict[str, Any] = {
                "exitCode": exit_code,
                "reason": reason or ("Completed" if code == 0 else "Error"),
            }
            if code < 0:
                told["signal"] = -code
            if message:
                told["message"] = message
            return {
                "terminated": {**told, "startedAt": rfc3339(since), "finishedAt": rfc3339(until)}
            }


def restarts(policy: str, ended: Ended) -> bool:
    """Whether a container is started again after it ended, by the pod's restartPolicy."""
    return policy == "Always" or (policy == "OnFailure" and ended.code != 0)


def phase_of(policy: str, containers: Sequence[Container]) -> str:
    """The pod's phase from its main containers."""
    over = [
        c.state for c in containers if isinstance(c.state, Ended) and not restarts(policy, c.state)
    ]
    if len(over) == len(containers):
        return "Failed" if any(state.code for state in over) else "Succeeded"
    begun = any(c.identity and (c.restarts or not isinstance(c.state, Waiting)) for c in containers)
    return "Running" if begun else "Pending"


def pod_status(
    pod: Object,
    containers: Sequence[Container],
    init: Sequence[Container],
    *,
    pod_ip: str,
    host_ip: str,
    started: datetime,
    now: datetime,
) -> Object:
    """The whole status; conditions keep their transition times."""
    old = pod.get("status") or {}
    phase = phase_of(pod["spec"].get("restartPolicy", "Always"), containers)
    initialized = all(isinstance(c.state, Ended) and c.state.code == 0 for c in init)
    unready = [c.name for c in containers if not c.ready]
    reason, message = ("", "")
    if phase in ("Succeeded", "Failed"):
        reason = "PodCompleted" if phase == "Succeeded" else "PodFailed"
    elif unready:
        reason, message = (
            "ContainersNotReady",
            f"containers with unready status: [{' '.join(unready)}]",
        )
    conditions = old.get("conditions") or []
    conditions = set_condition(conditions, "PodScheduled", True, "", "", now)
    not_initialized = "" if initialized else "ContainersNotInitialized"
    conditions = set_condition(conditions, "Initialized", initialized, not_initialized, "", now)
    ready = phase == "Running" and not unready
    for kind in ("ContainersReady", "Ready"):
        conditions = set_condition(conditions, kind, ready, reason, message, now)
    status: Object = {
        "phase": phase,
        "conditions": conditions,
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "startTime": old.get("startTime") or rfc3339(started),
        "qosClass": old.get("qosClass") or "BestEffort",
        "containerStatuses": [c.status() for c in containers],
    }
    if pod_ip:
        status |= {"podIP": pod_ip, "podIPs": [{"ip": pod_ip}]}
    if init:
        status["initContainerStatuses"] = [c.status() for c in init]
    return status


def is_unknown(image: str) -> bool:
    """Whether an image cannot be pulled: one of the words of its name is `unknown`."""
    return "unknown" in re.split(r"[/:@]", image)


def runs_command(image: str) -> bool:
    """Whether the image's command runs on this machine."""
    name = _without_version(image)
    return name in EXEC_IMAGES or holds_drillkit(image)


def holds_drillkit(image: str) -> bool:
    """Whether it is an image of drillkit."""
    return _without_version(image).rpartition("/")[2] == DRILLKIT


def _without_version(image: str) -> str:
    name = image.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    name = f"{folder}{slash}{last.partition(':')[0]}"
    return name.removeprefix("docker.io/").removeprefix("library/")


def host_ip(node: Object | None) -> str:
    """A node's internal address."""
    for address in ((node or {}).get("status") or {}).get("addresses") or []:
        if address["type"] == "InternalIP":
            return str(address["address"])
    return "127.0.0.1"
