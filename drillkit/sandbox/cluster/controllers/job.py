"""Jobs: run pods to completion, within limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from drillkit.sandbox.cluster.values import is_active, phase, set_condition, without_none
from drillkit.sandbox.cluster.view import View, pods_of_template
from drillkit.sandbox.kube.objects import (
    JOBS,
    PODS,
    Gvr,
    Object,
    clone,
    condition,
    is_ready,
    is_terminating,
    parse_time,
    rfc3339,
)

BACKOFF_S = 1.0
BACKOFF_LIMIT_S = 60.0
COMPONENT = "job-controller"


@dataclass(frozen=True)
class Jobs:
    """completions, parallelism, backoffLimit, activeDeadlineSeconds, suspend and
    ttlSecondsAfterFinished.
    """

    name: str = "job"
    gvr: Gvr = JOBS
    watches: frozenset[Gvr] = frozenset({JOBS, PODS})

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        if is_terminating(obj):
            return None
        if finished_at(obj) is not None:
            return self._expire(view, obj)
        obj = self._with_selector(view, obj)
        pods = view.owned(PODS, obj)
        if obj["spec"].get("suspend"):
            for pod in filter(is_active, pods):
                view.delete(PODS, pod)
            self._write(view, obj, pods, ("Suspended", "JobSuspended", "Job suspended"))
            return None
        verdict, due = self._judge(view, obj, pods)
        if verdict is None:
            self._start_pods(view, obj, pods)
        elif verdict[0] == "Failed":
            for pod in filter(is_active, pods):
                view.delete(PODS, pod)
        current = view.get(JOBS, obj["metadata"]["namespace"], obj["metadata"]["name"])
        if current is not None:
            self._write(view, current, view.owned(PODS, current), verdict)
        return due

    def _judge(
        self, view: View, obj: Object, pods: list[Object]
    ) -> tuple[tuple[str, str, str] | None, datetime | None]:
        """The verdict, if there is one already, else when to look again."""
        spec, now = obj["spec"], view.now()
        succeeded = sum(phase(pod) == "Succeeded" for pod in pods)
        failed = [pod for pod in pods if phase(pod) == "Failed"]
        restarts = sum(restart_count(pod) for pod in pods)
        wanted = spec.get("completions") or (None if "parallelism" in spec else 1)
        due: list[datetime] = []
        if wanted is not None and succeeded >= wanted:
            return (
                "Complete",
                "CompletionsReached",
                "Reached expected number of succeeded pods",
            ), None
        if wanted is None and succeeded and not any(map(is_active, pods)):
            return (
                "Complete",
                "CompletionsReached",
                "Reached expected number of succeeded pods",
            ), None
        if spec.get("activeDeadlineSeconds") is not None:
            started = parse_time((obj.get("status") or {}).get("startTime") or rfc3339(now))
            deadline = started + timedelta(seconds=spec["activeDeadlineSeconds"])
            if now >= deadline:
                return (
                    "Failed",
                    "DeadlineExceeded",
                    "Job was active longer than specified deadline",
                ), None
            due.append(deadline)
        if len(failed) + restarts > spec.get("backoffLimit", 6):
            return (
                "Failed",
                "BackoffLimitExceeded",
                "Job has reached the specified backoff limit",
            ), None
        if failed:
            last = max(ended_at(pod, now) for pod in failed)
            retry = last + timedelta(
                seconds=min(BACKOFF_S * 2 ** (len(failed) - 1), BACKOFF_LIMIT_S)
            )
            due += [retry] if retry > now else []
        return None, min(due, default=None)

    def _start_pods(self, view: View, obj: Object, pods: list[Object]) -> None:
        spec, now = obj["spec"], view.now()
        active = sum(map(is_active, pods))
        succeeded = sum(phase(pod) == "Succeeded" for pod in pods)
        failed = [pod for pod in pods if phase(pod) == "Failed"]
        if failed:
            wait_s = min(BACKOFF_S * 2 ** (len(failed) - 1), BACKOFF_LIMIT_S)
            if now < max(ended_at(pod, now) for pod in failed) + timedelta(seconds=wait_s):
                return
        parallelism = spec.get("parallelism", 1)
        left = (
            spec["completions"] - succeeded
            if spec.get("completions")
            else parallelism
            if not succeeded
            else active
        )
        for _ in range(min(parallelism, left) - active):
            pod = pods_of_template(obj, clone(spec["template"]), job_labels(obj))
            pod["metadata"]["generateName"] = f"{obj['metadata']['name']}-"
            if pod["spec"].get("restartPolicy", "Always") == "Always":
                pod["spec"]["restartPolicy"] = "Never"
            made = view.create(PODS, pod, obj["metadata"]["namespace"])
            view.event(
                obj,
                "SuccessfulCreate",
                f"Created pod: {made['metadata']['name']}",
                component=COMPONENT,
            )

    def _with_selector(self, view: View, obj: Object) -> Object:
        if obj["spec"].get("selector"):
            return obj
        selector = {"matchLabels": {"batch.kubernetes.io/controller-uid": obj["metadata"]["uid"]}}
        return view.patch(JOBS, obj, {"spec": {"selector": selector}})

    def _write(
        self, view: View, obj: Object, pods: list[Object], verdict: tuple[str, str, str] | None
    ) -> None:
        old, now = obj.get("status") or {}, view.now()
        conditions = [c for c in old.get("conditions") or [] if c["type"] != "Suspended"]
        if verdict is not None:
            conditions = set_condition(conditions, verdict[0], True, verdict[1], verdict[2], now)
            conditions = [{**c, "lastProbeTime": c["lastTransitionTime"]} for c in conditions]
        active = [pod for pod in pods if is_active(pod)] if verdict is None else []
        status = without_none(
            {
                "startTime": old.get("startTime")
                or (None if verdict and verdict[0] == "Suspended" else rfc3339(now)),
                "active": len(active) or None,
                "ready": sum(map(is_ready, active)),
                "succeeded": sum(phase(pod) == "Succeeded" for pod in pods) or None,
                "failed": sum(phase(pod) == "Failed" for pod in pods) or None,
                "completionTime": rfc3339(now) if verdict and verdict[0] == "Complete" else None,
                "conditions": conditions or None,
            }
        )
        view.write_status(JOBS, obj, status)
        if verdict is not None and verdict[0] in ("Complete", "Failed"):
            view.event(
                obj,
                "Completed" if verdict[0] == "Complete" else verdict[1],
                verdict[2],
                component=COMPONENT,
            )

    def _expire(self, view: View, obj: Object) -> datetime | None:
        ttl = obj["spec"].get("ttlSecondsAfterFinished")
        ended = finished_at(obj)
        if ttl is None or ended is None:
            return None
        at = ended + timedelta(seconds=ttl)
        if at > view.now():
            return at
        view.delete(JOBS, obj)
        return None


def finished_at(obj: Object) -> datetime | None:
    """When a Job completed or failed; None while it runs."""
    for kind in ("Complete", "Failed"):
        found = condition(obj, kind)
        if found is not None and found["status"] == "True":
            return parse_time(found["lastTransitionTime"])
    return None


def job_labels(obj: Object) -> dict[str, str]:
    """The labels by which a Job's pods are found."""
    name, uid = obj["metadata"]["name"], obj["metadata"]["uid"]
    return {
        "batch.kubernetes.io/job-name": name,
        "job-name": name,
        "batch.kubernetes.io/controller-uid": uid,
        "controller-uid": uid,
    }


def restart_count(pod: Object) -> int:
    """How often the pod's containers were restarted."""
    return sum(
        c.get("restartCount", 0) for c in (pod.get("status") or {}).get("containerStatuses") or []
    )


def ended_at(pod: Object, default: datetime) -> datetime:
    """When the pod's last container ended."""
    states = [
        (c.get("state") or {}).get("terminated")
        for c in (pod.get("status") or {}).get("containerStatuses") or []
    ]
    return max(
        (parse_time(s["finishedAt"]) for s in states if s and s.get("finishedAt")), default=default
    )
