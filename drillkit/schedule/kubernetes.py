"""A CronJob, with what it needs: its account, its files, a volume or a bucket for its journals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from drillkit.schedule.job import ScheduledDrill, commented
from drillkit.schedule.pod import RUNS, DrillPod, files_fit, job_spec, pod_spec

if TYPE_CHECKING:
    import yaml

_LATE_S = 3600


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
        meta = {"name": job.name, "namespace": namespace, "labels": _labels(job)}
        return {"apiVersion": version, "kind": kind, "metadata": meta, **rest}

    yield made("v1", "ServiceAccount", automountServiceAccountToken=False)
    yield made("v1", "ConfigMap", data=files_fit(files.items()))
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
        "jobTemplate": {"spec": job_spec(pod, job.longest_s, _labels(job))},
    }


def _labels(job: ScheduledDrill) -> dict[str, str]:
    return {"app.kubernetes.io/name": "drillkit", "drillkit/drill": job.label}


def _pod(job: ScheduledDrill, image: str, files: Mapping[str, str]) -> dict[str, Any]:
    # Where the journals are in a bucket, what is here is a copy that may end with the pod.
    runs = {"emptyDir": {}} if job.bucket else {"persistentVolumeClaim": {"claimName": job.name}}
    place = () if job.bucket else ("--out", f"{RUNS}/reports")
    return pod_spec(
        DrillPod(
            account=job.name,
            image=image,
            args=(*job.words, *place),
            files=tuple(files),
            config_map=job.name,
            runs=runs,
            stop_s=job.stop_s,
        )
    )
