"""The undos of a Backup, a Restore and the namespace that it restored into, in the order in which
they must go.

The Restore goes first, once it has ended: one that is deleted while it runs keeps the server's only
worker for ever. Then the namespace with what was restored, and its volumes. The Backup, which they
came from, last.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from drillkit.clients.kube.client import KubeClient
from drillkit.clients.kube.leftovers import made
from drillkit.clients.kube.objects import (
    DeleteObject,
    delete_object,
    deletion_by_hand,
    remove_object,
)
from drillkit.clients.kube.ownership import is_ours, labels
from drillkit.clients.kube.resources import (
    CONFIGMAPS,
    NAMESPACES,
    NETWORK_POLICIES,
    Object,
    Resource,
)
from drillkit.clients.undo import Lookup, UndoAction, UndoContext
from drillkit.clients.velero.resources import (
    BACKUPS,
    DELETIONS,
    DOWNLOADS,
    RESTORE_NAME,
    RESTORES,
    SEAL_POLICY,
    label_value,
)
from drillkit.clients.velero.state import ENDED, UNBEGUN, phase_of
from drillkit.clients.velero.volumes import disks_of_others, give_up, of_namespace, wait_until_gone
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Undone
from drillkit.model.errors import Absent, Conflict, Unavailable

if TYPE_CHECKING:
    from drillkit.clients import Clients


@dataclass(frozen=True)
class DeleteRestore(DeleteObject):
    """Deletes a Restore of the run, never while it runs."""

    kind: ClassVar[str] = "velero.delete-restore"
    rank: ClassVar[int] = 10
    swept = (RESTORES,)

    def holds_back(self, other: UndoAction) -> bool:
        """A Restore that has not ended makes a deleted namespace anew, without its seal, and reads
        its modifiers.
        """
        return isinstance(other, DeleteScratch) or (
            isinstance(other, DeleteObject) and other.of == CONFIGMAPS
        )

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        """Raises CallError, DeadlineOver saying what it waits for."""
        kube = clients.kube

        def ask(restore: Object) -> str:
            if phase_of(restore) in UNBEGUN:
                # Not begun: withdrawn, unless the server takes it up at this very moment.
                delete_object(kube, self, restore, version=True)
            elif phase_of(restore) in ENDED:
                delete_object(kube, self, restore)
                return (
                    "its finalizer erases its results; is Velero up and its storage "
                    "location available?"
                )
            return (
                f"it is {phase_of(restore)}; a Restore that is deleted while it runs blocks all "
                "later ones. Wait until it ends, or look at Velero's log, then "
                "run `drillkit recover`"
            )

        return remove_object(kube, self, context, ask=ask)


@dataclass(frozen=True)
class DeleteBackup(DeleteObject):
    """Deletes a Backup of the run with all its data, by a DeleteBackupRequest."""

    kind: ClassVar[str] = "velero.delete-backup"
    rank: ClassVar[int] = 30
    swept = (BACKUPS,)

    @property
    def by_hand(self) -> tuple[str, ...]:
        return (f"velero backup delete {self.name} --namespace {self.namespace} --confirm",)

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        """Raises CallError, DeadlineOver saying what it waits for."""
        kube = clients.kube

        def ask(backup: Object) -> str:
            if phase_of(backup) in ENDED or phase_of(backup) == "Deleting":
                self._request(kube)
                return "Velero was asked to delete it and has not yet"
            return (
                f"it is {phase_of(backup) or 'not begun'}, and Velero deletes no backup that is "
                "at work"
            )

        ended = remove_object(kube, self, context, ask=ask)
        self._forget_request(kube)
        return ended

    def _request(self, kube: KubeClient) -> None:
        """Ask Velero to delete it, once. Raises Unavailable with Velero's own words when it
        has refused.
        """
        there = kube.find(DELETIONS, self.name, self.namespace)
        if there is None:
            body = {
                "apiVersion": DELETIONS.api_version,
                "kind": DELETIONS.kind,
                "metadata": {
                    "name": self.name,
                    "namespace": self.namespace,
                    "labels": labels(self.run, self.name),
                },
                "spec": {"backupName": self.name},
            }
            with contextlib.suppress(Conflict):  # an attempt that was not answered has landed
                kube._send(
                    "POST",
                    DELETIONS.path(namespace=self.namespace),
                    f"delete {self.resource}",
                    body=body,
                )
            return
        if phase_of(there) == "Processed":
            # It was about a backup before this one, or it failed: the next look asks anew.
            self._forget_request(kube)
            if said := (there.get("status") or {}).get("errors"):
                raise Unavailable(
                    f"Velero does not delete {self.resource}: {'; '.join(map(str, said))}"
                )

    def _forget_request(self, kube: KubeClient) -> None:
        there = kube.find(DELETIONS, self.name, self.namespace)
        if there is not None and is_ours(there, self.run, self.name):
            with contextlib.suppress(Absent):
                kube._send(
                    "DELETE",
                    DELETIONS.path(self.name, self.namespace),
                    f"delete the request for {self.name}",
                )


@dataclass(frozen=True)
class DeleteScratch(DeleteObject):
    """Deletes the namespace that a restore went into, with its volumes and their disks."""

    kind: ClassVar[str] = "velero.delete-scratch"
    rank: ClassVar[int] = 20
    swept = (NAMESPACES,)

    handles: tuple[str, ...] = ()
    """Disks of the original: a volume that names one of these is let go, its disk is
    never deleted.
    """
    restores: tuple[str, ...] = ()
    """Names of the Restores that go into it: Velero makes a namespace that somebody deletes
    meanwhile anew, without the run's marks and without its seal.
    """

    @property
    def by_hand(self) -> tuple[str, ...]:
        delete = deletion_by_hand(self.of, self.name)
        if not self.handles:
            return (delete,)
        keep = '{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}'
        return (
            f"# These disks are the original's: {', '.join(self.handles)}. A volume of namespace "
            f"{self.name} that names one must keep it first:",
            f"# kubectl patch persistentvolumes NAME --patch '{keep}'",
            "kubectl get persistentvolumes --output wide",
            delete,
        )

    def remade(self, obj: Object) -> bool:
        """Whether Velero made this namespace for one of the run's Restores."""
        found = (obj["metadata"].get("labels") or {}).get(RESTORE_NAME)
        return found in {label_value(name) for name in self.restores}

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        """Raises CallError, DeadlineOver saying what blocks."""
        kube, uid = clients.kube, context.identity.get("uid", "")
        there = kube.find(NAMESPACES, self.name)
        was_ours = (
            bool(uid)
            or (there is not None and (is_ours(there, self.run, self.name) or self.remade(there)))
            or self._left(kube)
        )
        known: list[Object] = []
        if there is not None and (is_ours(there, self.run, self.name, uid) or self.remade(there)):
            # While the namespace stands: once it is gone, nothing tells any more whose its
            # volumes were.
            known = give_up(kube, self)
        ended = remove_object(kube, self, context, propagation="Foreground", ours=self.remade)
        if ended.outcome == "not-ours" or not (was_ours or ended.outcome == "undone"):
            return ended
        volumes = wait_until_gone(kube, self, context, known)
        if not volumes:
            return ended
        return Undone("undone", f"{ended.detail}; gone with it: {', '.join(volumes)}")

    @classmethod
    def lookups(cls, clients: Clients) -> Iterable[Lookup]:
        """Namespaces that bear a run's marks."""

        def undo(of: Resource, name: str, run: str, namespace: str) -> DeleteScratch:
            return cls(of, name, run, handles=disks_of_others(clients.kube, name))

        return made(clients, cls.swept, undo)

    def hand_over(self, clients: Clients, uid: str) -> str:
        """Take the run's marks off. Raises Absent, NotOurs, CallError."""
        told = super().hand_over(clients, uid)
        if clients.kube.find(NETWORK_POLICIES, SEAL_POLICY, self.name) is None:
            return told
        return (
            f"{told}; it is still sealed: kubectl delete networkpolicy {SEAL_POLICY} -n {self.name}"
        )

    def _left(self, kube: KubeClient) -> bool:
        """Whether an attempt before this one has given up volumes: then the namespace was ours."""
        return any(is_ours(volume, self.run, self.name) for volume in of_namespace(kube, self.name))


@dataclass(frozen=True)
class DeleteDownload(DeleteObject):
    """Deletes a DownloadRequest of the run."""

    kind: ClassVar[str] = "velero.delete-download"
    swept = (DOWNLOADS,)


def backup_undo(name: str, namespace: str, run: str, expires: str = "") -> DeleteBackup:
    """The undo of creating a Backup."""
    return DeleteBackup(BACKUPS, name, run, namespace, expires)


def restore_undo(name: str, namespace: str, run: str, expires: str = "") -> DeleteRestore:
    """The undo of creating a Restore."""
    return DeleteRestore(RESTORES, name, run, namespace, expires)


def scratch_undo(
    name: str,
    run: str,
    handles: tuple[str, ...] = (),
    expires: str = "",
    restores: tuple[str, ...] = (),
) -> DeleteScratch:
    """The undo of creating a namespace to restore into, by Restores of these names."""
    return DeleteScratch(NAMESPACES, name, run, expires=expires, handles=handles, restores=restores)
