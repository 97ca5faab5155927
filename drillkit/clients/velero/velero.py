"""Velero, over the cluster it lives in. Reads, and the mutating calls, each of which takes the
receipt of its undo.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from drillkit.clients.kube import DeleteObject, Kube
from drillkit.clients.kube.resources import CONFIGMAPS, Object, Resource
from drillkit.clients.velero import files, seal
from drillkit.clients.velero.files import FileKind
from drillkit.clients.velero.resources import (
    BACKUPS,
    DOWNLOADS,
    LOCATIONS,
    NAMESPACE,
    RESTORES,
    SCHEDULE_NAME,
    SCHEDULES,
    label_value,
)
from drillkit.clients.velero.seal import Opening
from drillkit.clients.velero.state import (
    ENDED,
    Location,
    Newest,
    State,
    location_of,
    newest,
    phase_of,
    state_of,
)
from drillkit.clients.velero.undo import (
    DeleteBackup,
    DeleteDownload,
    DeleteRestore,
    DeleteScratch,
)
from drillkit.journal.book import Planned
from drillkit.model.errors import Absent, Denied, TargetError

NAMED = 5
"""Names that a message gives of what there is."""


class Velero:
    """One installation of Velero. Reads raise CallError, changes also Refused when the fence
    is closed.
    """

    def __init__(self, kube: Kube, namespace: str = NAMESPACE) -> None:
        self.kube = kube
        self.namespace = namespace

    # Reads

    def require(self) -> None:
        """Raises TargetError when Velero is not installed there."""
        if not self.kube.serves(RESTORES) or not self.kube.list(LOCATIONS, self.namespace):
            raise TargetError(
                f"expected Velero in namespace {self.namespace}, found no storage location of it "
                "there; is it installed in another namespace? Name that one with `velero:`"
            )

    def backup(self, name: str) -> State:
        """A backup as it stands. Raises Absent naming some that exist."""
        found = self.kube.find(BACKUPS, name, self.namespace)
        if found is None:
            raise Absent(
                f"expected backup {name} in namespace {self.namespace}, found none; "
                f"{self._others(BACKUPS, 'the last ones are')}"
            )
        return state_of(found)

    def newest(self, schedule: str) -> Newest:
        """The newest good backup of a schedule."""
        return self.labelled(label_value(schedule))

    def labelled(self, schedule: str) -> Newest:
        """The newest good backup among those with that value of the schedule's label."""
        chosen = f"{SCHEDULE_NAME}={schedule}"
        return newest(self.kube.list(BACKUPS, self.namespace, selector=chosen))

    def schedule(self, name: str) -> Object:
        """A Schedule. Raises Absent naming those that exist."""
        found = self.kube.find(SCHEDULES, name, self.namespace)
        if found is None:
            raise Absent(
                f"expected schedule {name} in namespace {self.namespace}, found none; "
                f"{self._others(SCHEDULES, 'there are')}"
            )
        return found

    def _others(self, resource: Resource, words: str) -> str:
        """Which names there are, for a message: nobody needs a permission for it alone."""
        try:
            found = self.kube.list(resource, self.namespace)
        except Denied:
            return "which ones there are may not be listed"
        names = sorted(str(each["metadata"]["name"]) for each in found)
        return f"{words} {', '.join(names[-NAMED:])}" if names else "there are none at all"

    def schedules(self) -> list[Object]:
        """All Schedules."""
        return self.kube.list(SCHEDULES, self.namespace)

    def locations(self) -> list[Location]:
        """All storage locations."""
        return [location_of(each) for each in self.kube.list(LOCATIONS, self.namespace)]

    def location(self, name: str) -> Location:
        """A storage location; '' means the default one. Raises Absent."""
        all_of_them = self.locations()
        for each in all_of_them:
            if each.name == name or (not name and (each.default or each.name == "default")):
                return each
        known = ", ".join(each.name for each in all_of_them) or "none"
        raise Absent(f"expected storage location {name or 'marked as default'}; there are {known}")

    def busy(self) -> list[str]:
        """Restores that have not ended: `name (phase)`. The server has one worker, so another would
        wait, or delay somebody's emergency."""
        found = self.kube.list(RESTORES, self.namespace)
        return [
            f"{r['metadata']['name']} ({phase_of(r) or 'New'})"
            for r in found
            if phase_of(r) not in ENDED
        ]

    def restore_state(self, name: str) -> State:
        """A restore as it stands. Raises Absent."""
        return state_of(self.kube.get(RESTORES, name, self.namespace))

    # Changes

    def create_backup(self, plan: Planned[DeleteBackup], spec: Object) -> Object:
        """Ask for a backup. Raises NotOurs when another has that name."""
        return self.kube.create(plan, {"spec": spec})

    def create_restore(self, plan: Planned[DeleteRestore], spec: Object) -> Object:
        """Ask for a restore. Raises NotOurs when another has that name."""
        return self.kube.create(plan, {"spec": spec})

    def create_modifiers(self, plan: Planned[DeleteObject], data: Any) -> Object:
        """Put the ConfigMap with a restore's resource modifiers beside Velero."""
        return self.kube.create(plan, {"data": dict(data)})

    def open_scratch(self, plan: Planned[DeleteScratch], openings: Iterable[Opening]) -> Object:
        """Create a namespace to restore into, sealed. Raises NotOurs when another has that name."""
        return seal.open_scratch(self.kube, plan, openings)

    def fetch(
        self, plan: Planned[DeleteDownload], kind: FileKind, of: str, limit_s: float
    ) -> bytes | None:
        """A file of the backup or restore `of`, unpacked; None where there is none.
        Raises DeadlineOver.
        """
        return files.fetch(self.kube, plan, kind, of, limit_s)

    # Undos

    def modifiers_undo(self, name: str, run: str, expires: str = "") -> DeleteObject:
        """The undo of `create_modifiers`."""
        return DeleteObject(CONFIGMAPS, name, run, self.namespace, expires)

    def request_undo(self, name: str, run: str, expires: str = "") -> DeleteDownload:
        """The undo of `fetch`: its DownloadRequest."""
        return DeleteDownload(DOWNLOADS, name, run, self.namespace, expires)
