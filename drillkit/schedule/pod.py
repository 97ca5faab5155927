"""The pod that a drill runs in, whoever starts it: a CronJob, or a fleet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from drillkit.lazy_dataclass import dataclass
from drillkit.model.codec import to_data
from drillkit.model.target import FleetJob, Target
from drillkit.model.yaml_text import dump_yaml

RUNS = "/var/lib/drillkit"
"""Where journals, reports and drillkit's state are."""
PROJECT = "/etc/drillkit"
ACCESS = "/etc/drillkit-target"
"""Where a kubeconfig is that leads to the target."""
KUBECONFIG_KEY = "kubeconfig"
"""Of the Secret that it is in."""
NOBODY = 65532
NAME_MOST = 52
"""A Job's name is its CronJob's with eleven characters more, and has 63 at most."""
FILES_MOST_BYTES = 900_000
"""A ConfigMap holds 1 MiB."""
KEPT_S = 7 * 86_400
"""So long an ended Job, with its log, can be looked at."""


def object_name(drill: str, target: str) -> str:
    """Of what belongs to a drill on a target: lower-case letters, digits and dashes, no longer than
    a CronJob's may be.
    """
    said = f"drillkit-{drill}-{target}".lower()
    return re.sub(r"[^a-z0-9]+", "-", said)[:NAME_MOST].strip("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillPod:
    """What differs from one pod to the next."""

    account: str
    """ServiceAccount."""
    image: str
    args: tuple[str, ...]
    files: tuple[str, ...]
    """Paths in the project."""
    config_map: str
    """That they are in."""
    runs: Mapping[str, Any]
    """The volume for what a run writes."""
    stop_s: int
    """What a run that is told to stop may need until nothing is left."""
    env: Mapping[str, str] = field(default_factory=dict)
    env_secret: str | None = None
    """A Secret whose keys become its environment."""
    kubeconfig_secret: str | None = None
    """A Secret with what leads to the target. Default: the account's own token."""


def pod_spec(pod: DrillPod) -> dict[str, Any]:
    """Its `spec`."""
    environment = {"HOME": "/tmp", "DRILLKIT_HOME": f"{RUNS}/state", **pod.env}
    mounts = {"runs": RUNS, "project": PROJECT, "tmp": "/tmp"}
    items = [{"key": file_key(path), "path": path} for path in pod.files]
    volumes: dict[str, Mapping[str, Any]] = {
        "runs": pod.runs,
        "project": {"configMap": {"name": pod.config_map, "items": items}},
        "tmp": {"emptyDir": {}},
    }
    if pod.kubeconfig_secret is not None:
        environment["KUBECONFIG"] = f"{ACCESS}/{KUBECONFIG_KEY}"
        mounts["access"] = ACCESS
        volumes["access"] = {"secret": {"secretName": pod.kubeconfig_secret}}
    given = {"envFrom": [{"secretRef": {"name": pod.env_secret}}]} if pod.env_secret else {}
    return {
        "serviceAccountName": pod.account,
        "automountServiceAccountToken": True,
        "restartPolicy": "Never",
        # SIGTERM is a first Ctrl-C: everything is undone before the pod may be killed.
        "terminationGracePeriodSeconds": pod.stop_s,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": NOBODY,
            "runAsGroup": NOBODY,
            "fsGroup": NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "drillkit",
                "image": pod.image,
                "workingDir": PROJECT,
                "command": ["drillkit"],
                "args": list(pod.args),
                "env": [{"name": name, "value": value} for name, value in environment.items()],
                **given,
                # What it said last is known even where nobody can read its log.
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "resources": {
                    "requests": {"cpu": "200m", "memory": "256Mi"},
                    "limits": {"memory": "512Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [
                    {"name": name, "mountPath": path} for name, path in mounts.items()
                ],
            }
        ],
        "volumes": [{"name": name, **volume} for name, volume in volumes.items()],
    }


def job_spec(pod: dict[str, Any], longest_s: int, labels: Mapping[str, str]) -> dict[str, Any]:
    """Of a Job that runs a drill once. `longest_s`: seconds after which even a run that is cleaned
    up to its limit has ended.
    """
    return {
        # A drill is never repeated by whoever does not know why it ended.
        "backoffLimit": 0,
        # The controller kills at this moment: later than any clean-up ends.
        "activeDeadlineSeconds": longest_s,
        "ttlSecondsAfterFinished": KEPT_S,
        "podReplacementPolicy": "Failed",
        "template": {"metadata": {"labels": dict(labels)}, "spec": pod},
    }


def file_key(path: str) -> str:
    """The key of a project's file in its ConfigMap; one holds no slash."""
    return path.replace("/", ".")


def files_fit(files: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The data of the ConfigMap with a project's files, (path, content). Raises ValueError when it
    does not hold them.
    """
    found: dict[str, str] = {}
    for path, text in files:
        if file_key(path) in found:
            raise ValueError(
                f"two files of the project are `{file_key(path)}` in a ConfigMap: rename one"
            )
        found[file_key(path)] = text
    size = sum(len(text.encode()) for text in found.values())
    if size > FILES_MOST_BYTES:
        raise ValueError(
            f"the project's files are {size} bytes and a ConfigMap holds {FILES_MOST_BYTES}: build "
            "them into an image of your own"
        )
    return found


def in_pod(target: Target, *, own_token: bool) -> Target:
    """The target as a pod sees it: there is no kubeconfig of this machine. `own_token`: it is the
    cluster that the pod runs in, which its account leads to; else KUBECONFIG does.
    """
    kubernetes = target.kubernetes
    if kubernetes is not None:
        context = None if own_token else kubernetes.context
        kubernetes = replace(kubernetes, kubeconfig=None, context=context)
    return replace(target, kubernetes=kubernetes, fleet=FleetJob())


def targets_yaml(target: Target) -> str:
    """A `targets.yaml` of this one target."""
    return dump_yaml({target.name: to_data(replace(target, name=""))})


def drill_label(drill: str) -> str:
    """A drill, without the folder of its file."""
    return Path(drill).stem if "/" in drill else drill
