"""CronJobs: a Job at each due time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from drillkit.sandbox.cluster.controllers import cron
from drillkit.sandbox.cluster.controllers.job import finished_at
from drillkit.sandbox.cluster.values import without_none
from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.objects import (
    JOBS,
    Gvr,
    Object,
    clone,
    condition,
    is_terminating,
    owner_reference,
    parse_time,
    rfc3339,
)

CRONJOBS: Gvr = ("batch", "cronjobs")
COMPONENT = "cronjob-controller"


@dataclass(frozen=True)
class CronJobs:
    """schedule, timeZone, suspend, concurrencyPolicy, startingDeadlineSeconds and the
    history limits.
    """

    name: str = "cronjob"
    gvr: Gvr = CRONJOBS
    watches: frozenset[Gvr] = frozenset({CRONJOBS, JOBS})

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        if is_terminating(obj):
            return None
        jobs = sorted(
            view.owned(JOBS, obj), key=lambda job: str(job["metadata"]["creationTimestamp"])
        )
        self._trim(view, obj, jobs)
        due = None
        scheduled: datetime | None = None
        if not obj["spec"].get("suspend"):
            scheduled, due = self._fire(
                view, obj, [job for job in jobs if finished_at(job) is None]
            )
        self._status(view, obj, scheduled)
        return due

    def _fire(
        self, view: View, obj: Object, running: list[Object]
    ) -> tuple[datetime | None, datetime | None]:
        """Start the Job of the latest missed time; answers that time, if one was started, and the
        next one.
        """
        spec, now = obj["spec"], view.now()
        zone = ZoneInfo(spec.get("timeZone") or "UTC")
        schedule = spec["schedule"]
        last = (obj.get("status") or {}).get("lastScheduleTime") or obj["metadata"][
            "creationTimestamp"
        ]
        since = parse_time(last)
        if spec.get("startingDeadlineSeconds") is not None:
            since = max(since, now - timedelta(seconds=spec["startingDeadlineSeconds"]))
        following = cron.next_after(schedule, now.astimezone(zone))
        missed = cron.next_after(schedule, since.astimezone(zone))
        if missed > now:
            return None, following
        while (later := cron.next_after(schedule, missed)) <= now:
            missed = later
        policy = spec.get("concurrencyPolicy", "Allow")
        if running and policy == "Forbid":
            view.event(
                obj,
                "JobAlreadyActive",
                "Not starting job because prior execution is running",
                component=COMPONENT,
            )
            return None, following
        for job in running if policy == "Replace" else []:
            view.delete(JOBS, job)
        self._start(view, obj, missed)
        return missed, following

    def _start(self, view: View, obj: Object, at: datetime) -> None:
        template = clone(obj["spec"]["jobTemplate"])
        meta = template.get("metadata") or {}
        name = f"{obj['metadata']['name']}-{int(at.timestamp()) // 60}"
        body = {
            "metadata": {**meta, "name": name, "ownerReferences": [owner_reference(obj)]},
            "spec": template["spec"],
        }
        if view.get(JOBS, obj["metadata"]["namespace"], name) is None:
            view.create(JOBS, body, obj["metadata"]["namespace"])
            view.event(obj, "SuccessfulCreate", f"Created job {name}", component=COMPONENT)

    def _trim(self, view: View, obj: Object, jobs: list[Object]) -> None:
        for kind, keep in (
            ("Complete", obj["spec"].get("successfulJobsHistoryLimit", 3)),
            ("Failed", obj["spec"].get("failedJobsHistoryLimit", 1)),
        ):
            ended = [
                job for job in jobs if condition(job, kind) is not None and not is_terminating(job)
            ]
            for job in ended[: max(0, len(ended) - keep)]:
                view.delete(JOBS, job)

    def _status(self, view: View, obj: Object, scheduled: datetime | None) -> None:
        current = view.get(CRONJOBS, obj["metadata"]["namespace"], obj["metadata"]["name"])
        if current is None:
            return
        jobs = view.owned(JOBS, current)
        done = [
            job["status"]["completionTime"]
            for job in jobs
            if (job.get("status") or {}).get("completionTime")
        ]
        old = current.get("status") or {}
        active = [
            {
                "kind": "Job",
                "apiVersion": "batch/v1",
                **{key: job["metadata"][key] for key in ("namespace", "name", "uid")},
            }
            for job in jobs
            if finished_at(job) is None
        ]
        status = without_none(
            {
                "active": active or None,
                "lastScheduleTime": rfc3339(scheduled)
                if scheduled
                else old.get("lastScheduleTime"),
                "lastSuccessfulTime": max(
                    [*done, *([old["lastSuccessfulTime"]] if "lastSuccessfulTime" in old else [])],
                    default=None,
                ),
            }
        )
        view.write_status(CRONJOBS, current, status)
