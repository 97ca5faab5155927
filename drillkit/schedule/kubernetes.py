"""A CronJob, with what it needs: its account, its files, a volume or a bucket for its journals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from drillkit.schedule.job import ScheduledDrill, commented

if TYPE_CHECKING:
    import yaml

_RUNS = "/var/lib/drillkit"
"""Where the volume is: journals, reports and drillkit's state outlive the pod, here or in a bucket.
"""
_PROJECT = "/etc/drillkit"
_NOBODY = 65532
_LATE_S = 3600
_FILES_MOST_BYTES = 900_000
"""A ConfigMap holds 1 MiB."""


def manifests(
    job: ScheduledDrill,
    now: datetime,
    *,
    image: str,
    namespace: str,
    files: Mapping[str, str],
    roles: str = "",
) -> str:
    """For `kubectl apply -f`. `files` are those of the project that the drill needs, by their path
    in it; `roles` what its account is allowed, as YAML. Raises ValueError when the files are too
    many for a ConfigMap.
    """
    import yaml

    size = sum(len(text.encode()) for text in files.values())
    if size > _FILES_MOST_BYTES:
        raise ValueError(
            f"the project's files are {size} bytes and a ConfigMap holds {_FILES_MOST_BYTES}: "
            "build them into an image of your own"
        )
    said = [
        f"{job.drill} on {job.target}, {job.times.cadence}, by the clocks of {job.times.zone.key}.",
        *_credentials(job),
        *job.next_times(now),
    ]
    objects = _objects(job, image, namespace, files)
    made = yaml.dump_all(objects, Dumper=_dumper(), sort_keys=False, width=100)
    return commented(said) + made + (f"---\n{roles}" if roles else "")


def _credentials(job: ScheduledDrill) -> list[str]:
    if not job.bucket:
        return []
    return [
        f"Its runs live in {job.bucket}: give its account credentials for that (IRSA, EKS Pod",
        "Identity, or AWS_... from a Secret): s3:ListBucket, and below the prefix GetObject,",
        "PutObject and DeleteObject.",
    ]


def _dumper() -> type[yaml.SafeDumper]:
    """YAML in which a file reads as it was written."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def as_block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        style = "|" if "\n" in text else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, as_block)
    return Dumper


def _objects(
    job: ScheduledDrill, image: str, namespace: str, files: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    def made(version: str, kind: str, **rest: Any) -> dict[str, Any]:
        labels = {"app.kubernetes.io/name": "drillkit", "drillkit/drill": job.label}
        meta = {"name": job.name, "namespace": namespace, "labels": labels}
        return {"apiVersion": version, "kind": kind, "metadata": meta, **rest}

    yield made("v1", "ServiceAccount", automountServiceAccountToken=False)
    # A key of a ConfigMap holds no slash.
    yield made("v1", "ConfigMap", data={_key(path): text for path, text in files.items()})
    if not job.bucket:
        yield made(
            "v1",
            "PersistentVolumeClaim",
            spec={
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "5Gi"}},
            },
        )
    yield made("batch/v1", "CronJob", spec=_cron_job(job, _pod(job, image, files)))


def _cron_job(job: ScheduledDrill, pod: dict[str, Any]) -> dict[str, Any]:
    return {
        "schedule": job.times.expression,
        "timeZone": job.times.zone.key,
        # Replace would kill a run in the middle of a fault.
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": _LATE_S,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 3,
        "jobTemplate": {
            "spec": {
                # A drill is never repeated by whoever does not know why it ended.
                "backoffLimit": 0,
                # The controller kills at this moment: later than any clean-up ends.
                "activeDeadlineSeconds": job.longest_s,
                "ttlSecondsAfterFinished": 7 * 86_400,
                "podReplacementPolicy": "Failed",
                "template": {"spec": pod},
            }
        },
    }


def _pod(job: ScheduledDrill, image: str, files: Mapping[str, str]) -> dict[str, Any]:
    environment = {
        "HOME": "/tmp",
        "DRILLKIT_HOME": f"{_RUNS}/state",
    }
    mounts = (("runs", _RUNS), ("project", _PROJECT), ("tmp", "/tmp"))
    items = [{"key": _key(path), "path": path} for path in files]
    # Where the journals are in a bucket, what is here is a copy that may end with the pod.
    runs = {"emptyDir": {}} if job.bucket else {"persistentVolumeClaim": {"claimName": job.name}}
    place = () if job.bucket else ("--out", f"{_RUNS}/reports")
    return {
        "serviceAccountName": job.name,
        "automountServiceAccountToken": True,
        "restartPolicy": "Never",
        # SIGTERM is a first Ctrl-C: everything is undone before the pod may be killed.
        "terminationGracePeriodSeconds": job.stop_s,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _NOBODY,
            "runAsGroup": _NOBODY,
            "fsGroup": _NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "drillkit",
                "image": image,
                "workingDir": _PROJECT,
                "command": ["drillkit"],
                "args": [*job.words, *place],
                "env": [{"name": name, "value": value} for name, value in environment.items()],
                "resources": {
                    "requests": {"cpu": "200m", "memory": "256Mi"},
                    "limits": {"memory": "512Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [{"name": name, "mountPath": path} for name, path in mounts],
            }
        ],
        "volumes": [
            {"name": "runs", **runs},
            {"name": "project", "configMap": {"name": job.name, "items": items}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }


def _key(path: str) -> str:
    return path.replace("/", ".")
