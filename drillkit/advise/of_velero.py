"""Rules about Velero: schedules, storage locations, and what is in no backup."""

from __future__ import annotations

import fnmatch
import itertools
import shlex
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from drillkit.advise.loose_json import moment, sub, text
from drillkit.advise.rule import Found, Table
from drillkit.clients.kube.resources import Object
from drillkit.clients.velero.resources import LOCATIONS, NAMESPACE, SCHEDULES
from drillkit.clients.velero.state import Newest
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError
from drillkit.model.units import format_duration, parse_duration

if TYPE_CHECKING:
    from drillkit.clients.kube import Kube

LATE = timedelta(hours=2)
"""A backup may take so long before its schedule counts as missed."""
_WORDS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *"}
_WORDS |= {"@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *"}


@dataclass(slots=True)
class Backups:
    """What was read of an installation of Velero."""

    now: datetime
    installed: bool = False
    schedules: list[Object] = field(default_factory=list)
    newest: dict[str, Newest] = field(default_factory=dict)
    """By schedule."""
    locations: list[Object] = field(default_factory=list)
    locked: Mapping[str, bool] = field(default_factory=dict)
    """Whether a bucket locks its objects; those nobody could ask are missing."""
    claims: Mapping[str, bool] = field(default_factory=dict)
    """Whether a namespace with workloads has volumes."""
    unread: dict[str, str] = field(default_factory=dict)

    def knows(self, need: str) -> bool:
        """Whether that was read."""
        return need not in self.unread and "velero" not in self.unread


def read_backups(
    kube: Kube,
    backups: Backups,
    locks: Callable[[str], bool | None],
    namespace: str = NAMESPACE,
) -> None:
    """Look at Velero. `locks` tells whether a bucket locks its objects, None where nobody knows."""
    from drillkit.clients.velero import Velero

    try:
        backups.installed = kube.serves(SCHEDULES)
        if not backups.installed:
            return
        backups.locations = kube.list(LOCATIONS, namespace)
        backups.schedules = kube.list(SCHEDULES, namespace)
        velero = Velero(kube, namespace)
        for each in backups.schedules:
            name = text(sub(each, "metadata").get("name"))
            backups.newest[name] = velero.newest(name)
    except CallError as error:
        backups.unread["velero"] = str(error)
        return
    buckets = {bucket for each in backups.locations if (bucket := bucket_of(each))}
    known = {bucket: locks(bucket) for bucket in sorted(buckets)}
    backups.locked = {bucket: locked for bucket, locked in known.items() if locked is not None}


def bucket_of(location: Object) -> str:
    """Name of the bucket of a location on S3, or ''."""
    if sub(location, "spec").get("provider") not in ("aws", "velero.io/aws"):
        return ""
    return text(sub(location, "spec", "objectStorage").get("bucket"))


INSTALL: Table[None, Backups] = Table("velero")
EACH_SCHEDULE: Table[Object, Backups] = Table("schedule")
EACH_LOCATION: Table[Object, Backups] = Table("backupstoragelocation")
EACH_NAMESPACE: Table[str, Backups] = Table("namespace")


@INSTALL.rule(
    "no-velero",
    "medium",
    why="What is not in Git (volumes, secrets, what people changed) cannot be brought back.",
    needs=("velero",),
)
def no_velero(_: None, facts: Backups) -> Found | None:
    """A cluster without Velero."""
    if facts.installed:
        return None
    mend = "install Velero with a storage location and a schedule, or say where else backups are"
    return Found("the cluster has no Velero (no resource velero.io/v1 schedules)", mend)


@INSTALL.rule(
    "no-schedule",
    "high",
    why="Backups that somebody must remember to make are not made.",
    needs=("velero",),
)
def no_schedule(_: None, facts: Backups) -> Found | None:
    """Velero without a schedule."""
    if not facts.installed or facts.schedules:
        return None
    mend = "velero schedule create daily --schedule='0 3 * * *' --ttl 720h"
    return Found("Velero has no schedule", mend, "backup-freshness")


@INSTALL.rule(
    "one-region",
    "medium",
    why="When the region is lost, cluster and backups are lost together.",
    needs=("velero",),
)
def one_region(_: None, facts: Backups) -> Found | None:
    """All storage locations in one region."""
    regions = {text(sub(each, "spec", "config").get("region")) for each in facts.locations}
    if not facts.locations or "" in regions or len(regions) > 1:
        return None
    return Found(
        f"all backups are in region {next(iter(regions))}",
        "replicate the bucket to another region (S3 replication), or add a storage location there",
    )


def _name(obj: Object) -> str:
    return text(sub(obj, "metadata").get("name"))


@EACH_SCHEDULE.rule("schedule-paused", "high", why="A paused schedule makes no backups.")
def schedule_paused(schedule: Object, facts: Backups) -> Found | None:
    """A schedule that is paused."""
    if sub(schedule, "spec").get("paused") is not True:
        return None
    mend = shlex.join(("velero", "schedule", "unpause", _name(schedule)))
    return Found("it is paused", mend, "backup-freshness")


@EACH_SCHEDULE.rule(
    "schedule-failing",
    "high",
    why="A restore takes the last good backup, which gets older each day.",
)
def schedule_failing(schedule: Object, facts: Backups) -> Found | None:
    """The newest backup of a schedule did not succeed."""
    newest = facts.newest.get(_name(schedule))
    if newest is None or not newest.passed_over:
        return None
    last = newest.passed_over[-1]
    mend = f"velero backup describe {shlex.quote(last.name)} --details"
    return Found(f"its newest backup {last.name} ended as {last}", mend, "backup-freshness")


@EACH_SCHEDULE.rule("schedule-late", "high", why="More would be lost than the schedule promises.")
def schedule_late(schedule: Object, facts: Backups) -> Found | None:
    """No good backup for two of a schedule's intervals."""
    newest = facts.newest.get(_name(schedule))
    every = interval(text(sub(schedule, "spec").get("schedule")), facts.now)
    if newest is None or every is None or sub(schedule, "spec").get("paused") is True:
        return None
    good = newest.good
    since = good.started if good else moment(sub(schedule, "metadata").get("creationTimestamp"))
    if since is None or facts.now - since <= 2 * every + LATE:
        return None
    had = f"its last good backup is {format_duration(facts.now - since)} old"
    what = had if good else "it has never made a good backup"
    mend = f"velero schedule describe {shlex.quote(_name(schedule))}"
    return Found(f"{what} (it runs every {format_duration(every)})", mend, "backup-freshness")


def interval(cron: str, now: datetime) -> timedelta | None:
    """How far apart a schedule's backups are, or None where nobody can tell."""
    from cronsim import CronSim, CronSimError

    if cron.startswith("@every "):
        try:
            return parse_duration(cron.removeprefix("@every ").strip())
        except ValueError:
            return None
    cron = cron.removeprefix("CRON_TZ=").partition(" ")[2] if cron.startswith("CRON_TZ=") else cron
    try:
        fires = CronSim(_WORDS.get(cron, cron), now)
        return max(second - first for first, second in _pairs(fires))
    except (CronSimError, StopIteration, ValueError):
        return None


def _pairs(fires: object) -> list[tuple[datetime, datetime]]:
    moments = [next(fires) for _ in range(8)]  # type: ignore[call-overload]
    return list(itertools.pairwise(moments))


@EACH_SCHEDULE.rule(
    "volumes-not-in-backup",
    "high",
    why="Manifests come back and their data do not: an empty database that looks healthy.",
    proves="monthly-dr",
)
def volumes_not_in_backup(schedule: Object, facts: Backups) -> Found | None:
    """A schedule that leaves the volumes of its namespaces out."""
    template = sub(schedule, "spec", "template")
    if template.get("snapshotVolumes") is not False or template.get("defaultVolumesToFsBackup"):
        return None
    left = [space for space, has in facts.claims.items() if has and covers(schedule, space)]
    if not left:
        return None
    words = ("kubectl", "-n", NAMESPACE, "patch", "schedule.velero.io", _name(schedule))
    patch = '{"spec":{"template":{"snapshotVolumes":true}}}'
    return Found(
        f"it takes no snapshots of volumes, and {', '.join(sorted(left))} have some",
        f"{shlex.join(words)} --type merge -p '{patch}'",
    )


def covers(schedule: Object, namespace: str) -> bool:
    """Whether a schedule backs a namespace up."""
    template = sub(schedule, "spec", "template")
    wanted, left_out = template.get("includedNamespaces"), template.get("excludedNamespaces")
    if _listed(left_out, namespace):
        return False
    return not wanted or _listed(wanted, namespace)


def _listed(names: object, namespace: str) -> bool:
    found = names if isinstance(names, list) else []
    return any(fnmatch.fnmatchcase(namespace, each) for each in found if isinstance(each, str))


@EACH_NAMESPACE.rule(
    "namespace-not-in-backup",
    "medium",
    why="No restore can bring it back.",
    proves="full-recovery",
    needs=("velero",),
)
def namespace_not_in_backup(namespace: str, facts: Backups) -> Found | None:
    """A namespace with workloads that no schedule covers."""
    if not facts.schedules or any(covers(each, namespace) for each in facts.schedules):
        return None
    name = shlex.quote(f"{namespace}-daily")
    mend = f"velero schedule create {name} --schedule='0 3 * * *' --include-namespaces " + (
        shlex.quote(namespace)
    )
    if facts.claims.get(namespace):
        return Found("no schedule backs it up, and it has volumes", mend, severity="high")
    return Found("no schedule backs it up", mend)


@EACH_LOCATION.rule(
    "location-unavailable", "critical", why="Backups cannot be made, nor read when they are needed."
)
def location_unavailable(location: Object, facts: Backups) -> Found | None:
    """A storage location that Velero cannot use."""
    status = sub(location, "status")
    if status.get("phase") != "Unavailable":
        return None
    why = text(status.get("message")) or "it says no more"
    mend = f"velero backup-location get {shlex.quote(_name(location))}, and its credentials"
    return Found(f"it is unavailable: {why}", mend, "backup-freshness")


@EACH_LOCATION.rule(
    "no-object-lock",
    "medium",
    why="Who gets Velero's credentials can delete every backup: ransomware does that first.",
)
def no_object_lock(location: Object, facts: Backups) -> Found | None:
    """A bucket of backups whose objects can be deleted."""
    bucket = bucket_of(location)
    if facts.locked.get(bucket) is not False:
        return None
    words = ("aws", "s3api", "put-object-lock-configuration", "--bucket", bucket)
    rule = (
        '{"ObjectLockEnabled":"Enabled",'
        '"Rule":{"DefaultRetention":{"Mode":"COMPLIANCE","Days":30}}}'
    )
    mend = f"{shlex.join(words)} --object-lock-configuration '{rule}'"
    return Found(f"bucket {bucket} has no object lock", mend)


def claims_of(workloads: list[tuple[str, bool]]) -> dict[str, bool]:
    """Whether a namespace has volumes, by its name."""
    found: dict[str, bool] = {}
    for namespace, claims in workloads:
        found[namespace] = found.get(namespace, False) or claims
    return found
