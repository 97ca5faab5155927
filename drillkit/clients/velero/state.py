"""What Velero says of a Backup, a Restore, a location. Pure questions to their JSON."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from drillkit.clients.kube.ownership import RUN
from drillkit.clients.kube.resources import Object
from drillkit.clients.velero.resources import SCHEDULE_NAME
from drillkit.lazy_dataclass import dataclass

ENDED = frozenset({"Completed", "PartiallyFailed", "Failed", "FailedValidation"})
"""Phases of a Backup or a Restore that it does not leave by itself."""
UNBEGUN = frozenset({"", "New", "Queued", "ReadyToStart"})
"""Phases before the server's worker has taken it."""
RESTARTED = "during the server starting"
"""In the reason of what was running when the server was started anew."""
_CREATED = "creationTimestamp"


@dataclass(frozen=True, slots=True)
class State:
    """A Backup or a Restore as it stands."""

    name: str
    phase: str
    """'' before the server has seen it."""
    errors: int
    warnings: int
    why: str
    """What it says against itself, or ''."""
    created: datetime | None
    started: datetime | None
    completed: datetime | None
    location: str = ""
    """Storage location of a Backup."""
    uid: str = ""
    schedule: str = ""
    """Value of the label with the Schedule that made a Backup."""
    run: str = ""
    """Run of a drill that made it, or ''."""

    @property
    def ended(self) -> bool:
        return self.phase in ENDED

    @property
    def good(self) -> bool:
        """Completed without an error."""
        return self.phase == "Completed"

    @property
    def interrupted(self) -> bool:
        """It failed only because the server was started anew meanwhile: worth another try."""
        return self.phase == "Failed" and RESTARTED in self.why

    def __str__(self) -> str:
        counts = ", ".join(
            f"{n} {what}" for n, what in ((self.errors, "errors"), (self.warnings, "warnings")) if n
        )
        return "; ".join(
            part for part in (f"{self.phase or 'not begun'}", counts, self.why) if part
        )


def state_of(obj: Object) -> State:
    """What a Backup or a Restore says of itself."""
    meta, status = obj["metadata"], obj.get("status") or {}
    labels = meta.get("labels") or {}
    return State(
        name=meta["name"],
        phase=phase_of(obj),
        errors=int(status.get("errors") or 0),
        warnings=int(status.get("warnings") or 0),
        why="; ".join(_complaints(status)),
        created=when(meta.get(_CREATED)),
        started=when(status.get("startTimestamp")),
        completed=when(status.get("completionTimestamp")),
        location=str((obj.get("spec") or {}).get("storageLocation") or ""),
        uid=str(meta.get("uid") or ""),
        schedule=str(labels.get(SCHEDULE_NAME) or ""),
        run=str(labels.get(RUN) or ""),
    )


def phase_of(obj: Object) -> str:
    """The phase of any of Velero's objects; '' before the server has seen it."""
    return str((obj.get("status") or {}).get("phase") or "")


def _complaints(status: dict[str, Any]) -> Iterable[str]:
    yield from map(str, status.get("validationErrors") or ())
    if reason := status.get("failureReason"):
        yield str(reason)
    if failed := int((status.get("hookStatus") or {}).get("hooksFailed") or 0):
        yield f"{failed} hooks failed"
    if failed := int(
        status.get("restoreItemOperationsFailed") or status.get("backupItemOperationsFailed") or 0
    ):
        yield f"{failed} item operations failed"


def when(text: str | None) -> datetime | None:
    """A date of the API, or None where there is none."""
    return datetime.fromisoformat(text) if text else None


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest good backup of a schedule, and what is newer and not good."""

    good: State | None
    passed_over: tuple[State, ...] = ()
    """Newer ones that ended otherwise: a restore by schedule passes them over without a word."""
    running: tuple[State, ...] = ()
    all_good: tuple[State, ...] = ()
    """Every one that could be restored, the oldest first."""


def newest(backups: Iterable[Object]) -> Newest:
    """Choose as Velero itself does: by start, Completed only."""
    states = [state_of(each) for each in backups]
    usable = sorted((s for s in states if s.good and s.started), key=lambda s: (_start(s), s.name))
    good = usable[-1] if usable else None
    # Velero's stamps are whole seconds: one of the same second may be the newer one.
    newer = [
        s for s in states if s.ended and not s.good and (good is None or _start(s) >= _start(good))
    ]
    return Newest(
        good,
        tuple(sorted(newer, key=_start)),
        tuple(s for s in states if not s.ended),
        tuple(usable),
    )


def _start(state: State) -> float:
    at = state.started or state.created
    return at.timestamp() if at else 0.0


@dataclass(frozen=True, slots=True)
class Location:
    """A BackupStorageLocation."""

    name: str
    available: bool
    why: str
    validated: datetime | None
    """When the server last looked at it."""
    default: bool
    provider: str = ""
    """`aws`; a part of the name that a plug-in goes by."""
    bucket: str = ""
    prefix: str = ""
    region: str = ""
    url: str = ""
    """Where its storage is, when that is none of the provider's own."""

    def key_of(self, backup: str) -> str:
        """Where a backup's archive lies in the bucket."""
        folder = f"{self.prefix.strip('/')}/" if self.prefix.strip("/") else ""
        return f"{folder}backups/{backup}/{backup}.tar.gz"


def location_of(obj: Object) -> Location:
    """What a location says of itself."""
    status, phase = obj.get("status") or {}, phase_of(obj)
    why = (
        ""
        if phase == "Available"
        else f"{phase or 'never validated'}: {status.get('message') or 'it says no more'}"
    )
    validated = when(status.get("lastValidationTime"))
    spec = obj.get("spec") or {}
    stored, config = spec.get("objectStorage") or {}, spec.get("config") or {}
    return Location(
        obj["metadata"]["name"],
        phase == "Available",
        why,
        validated,
        bool(spec.get("default")),
        str(spec.get("provider") or ""),
        str(stored.get("bucket") or ""),
        str(stored.get("prefix") or ""),
        str(config.get("region") or ""),
        str(config.get("s3Url") or ""),
    )
