"""What Velero does by itself: schedules, storage locations, comparing bucket and
cluster, expiry.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from drillkit.sandbox.cluster.controllers import cron
from drillkit.sandbox.kube.objects import Object, labels_of, parse_time
from drillkit.sandbox.velero.blobs import BlobsUnavailable
from drillkit.sandbox.velero.context import ControllerContext
from drillkit.sandbox.velero.names import (
    BACKUPS,
    DELETIONS,
    DONE,
    LOCATIONS,
    METADATA,
    SCHEDULE_NAME,
    SCHEDULES,
    backup_key,
    label_value,
)

VALIDATION_EVERY = timedelta(minutes=1)
SYNC_PERIOD = timedelta(seconds=60)
"""Between two comparisons of bucket and cluster."""
EXPIRY_CHECK = timedelta(minutes=1)


class Upkeep:
    """Everything nobody asked for."""

    def __init__(self, context: ControllerContext) -> None:
        self._context = context
        self._synced: datetime | None = None

    def reconcile(self) -> None:
        for location in self._context.all(LOCATIONS):
            self._validate(location)
        for schedule in self._context.all(SCHEDULES):
            self._schedule(schedule)
        self._expire()
        self._sync()

    def _validate(self, location: Object) -> None:
        """Available or Unavailable, looked at again every minute and whenever the knob
        changes it.
        """
        context, status = self._context, location.get("status") or {}
        message = context.knobs.location_unavailable
        phase = "Unavailable" if message else "Available"
        last = status.get("lastValidationTime")
        due = last is None or context.now() >= parse_time(last) + VALIDATION_EVERY
        if due or status.get("phase") != phase or status.get("message", "") != message:
            context.status(
                LOCATIONS,
                location,
                phase=phase,
                message=message or None,
                lastValidationTime=context.stamp(),
                lastSyncedTime=context.stamp(),
            )
        context.wake(context.now() + VALIDATION_EVERY)

    def _schedule(self, schedule: Object) -> None:
        context, status, spec = self._context, schedule.get("status") or {}, schedule["spec"]
        if status.get("phase") in (None, "", "New"):
            try:
                cron.next_after(_untimed(spec["schedule"]), context.now())
            except ValueError as error:
                complaint = f"invalid schedule: {error}"
                context.status(
                    SCHEDULES, schedule, phase="FailedValidation", validationErrors=[complaint]
                )
                return
            schedule = context.status(SCHEDULES, schedule, phase="Enabled")
        elif status.get("phase") != "Enabled":
            return
        if spec.get("paused"):
            return
        last = (schedule.get("status") or {}).get("lastBackup") or schedule["metadata"][
            "creationTimestamp"
        ]
        following = cron.next_after(_untimed(spec["schedule"]), parse_time(last))
        if context.now() < following:
            context.wake(following)
            return
        self._fire(schedule)

    def _fire(self, schedule: Object) -> None:
        """One backup for however many firings were missed; none while the last one is still
        at work.
        """
        context, name = self._context, schedule["metadata"]["name"]
        mine = [
            each
            for each in context.all(BACKUPS)
            if labels_of(each).get(SCHEDULE_NAME) == label_value(name)
        ]
        if any((each.get("status") or {}).get("phase") not in DONE for each in mine):
            context.wake(context.now() + timedelta(seconds=1))
            return
        template = dict(schedule["spec"]["template"])
        metadata = template.pop("metadata", None) or {}
        labels = {
            **labels_of(schedule),
            **(metadata.get("labels") or {}),
            SCHEDULE_NAME: label_value(name),
        }
        stamp = context.now().strftime("%Y%m%d%H%M%S")
        if context.store.get(BACKUPS, context.namespace, f"{name}-{stamp}") is None:
            meta = {"name": f"{name}-{stamp}", "labels": labels}
            context.store.create(BACKUPS, {"metadata": meta, "spec": template}, context.namespace)
        context.status(SCHEDULES, schedule, lastBackup=context.stamp())

    def _expire(self) -> None:
        """Asks for the deletion of backups whose time is over."""
        context = self._context
        asked = {request["spec"]["backupName"] for request in context.all(DELETIONS)}
        for backup in context.all(BACKUPS):
            status = backup.get("status") or {}
            name = backup["metadata"]["name"]
            if status.get("phase") not in DONE or not status.get("expiration") or name in asked:
                continue
            if context.now() < parse_time(status["expiration"]):
                continue
            request = {"metadata": {"generateName": f"{name[:50]}-"}, "spec": {"backupName": name}}
            context.store.create(DELETIONS, request, context.namespace)
            context.changed = True
        context.wake(context.now() + EXPIRY_CHECK)

    def _sync(self) -> None:
        """Backups found in the bucket come into the cluster; finished ones that are gone from the
        bucket leave it.
        """
        context = self._context
        if self._synced is not None and context.now() < self._synced + SYNC_PERIOD:
            context.wake(self._synced + SYNC_PERIOD)
            return
        self._synced = context.now()
        context.wake(self._synced + SYNC_PERIOD)
        if context.knobs.location_unavailable:
            return
        try:
            kept = {
                key.split("/")[1]
                for key in context.blobs.list("backups/")
                if key.endswith("/" + METADATA)
            }
            for name in sorted(kept):
                if context.store.get(BACKUPS, context.namespace, name) is None:
                    self._adopt(name)
        except BlobsUnavailable:
            return  # next time
        for backup in context.all(BACKUPS):
            name = backup["metadata"]["name"]
            finished = (backup.get("status") or {}).get("phase") in ("Completed", "PartiallyFailed")
            if finished and name not in kept:
                context.store.delete(BACKUPS, context.namespace, name)
                context.changed = True

    def _adopt(self, name: str) -> None:
        context = self._context
        found = json.loads(context.blobs.get(backup_key(name, METADATA)) or b"{}")
        if not found:
            return
        meta = {
            key: found["metadata"][key]
            for key in ("name", "labels", "annotations")
            if key in found["metadata"]
        }
        made = context.store.create(
            BACKUPS, {"metadata": meta, "spec": found["spec"]}, context.namespace
        )
        context.status(BACKUPS, made, **found["status"])


def _untimed(schedule: str) -> str:
    """Without the time zone prefix that Velero's parser also takes."""
    return schedule.partition(" ")[2] if schedule.startswith(("CRON_TZ=", "TZ=")) else schedule
