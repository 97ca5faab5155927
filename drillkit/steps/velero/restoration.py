"""One restore with Velero, from its namespaces to its last check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any

from drillkit.checks import Copy, verify
from drillkit.clients.canary.beat import EPOCH
from drillkit.clients.polling import poll
from drillkit.clients.velero import Velero, restore_undo
from drillkit.clients.velero.specs import restore_spec, safe_modifiers
from drillkit.clients.velero.state import UNBEGUN, Location, State
from drillkit.clock import DeadlineOver
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, StepFailed
from drillkit.model.evidence import Comparison, Measure, Note, RecoveryPoint
from drillkit.model.units import format_duration
from drillkit.steps.base import Act
from drillkit.steps.disruption import begin
from drillkit.steps.expiry import expires
from drillkit.steps.velero.arguments import VeleroRestoreArguments
from drillkit.steps.velero.backup_evidence import backup_evidence
from drillkit.steps.velero.backup_selection import Chosen
from drillkit.steps.velero.checks import looks
from drillkit.steps.velero.contents import disk_handles, listed_objects, restorable_volumes
from drillkit.steps.velero.inventory import compare
from drillkit.steps.velero.isolation import Sealing, make, still_sealed
from drillkit.steps.velero.names import named
from drillkit.steps.velero.readiness import waiting_for
from drillkit.steps.velero.results import RESTORE_FILES, Words, gather

POLL_CAP_S = 3.0
ATTEMPTS = 2
"""A restore that a restart of Velero's server interrupted is tried once more."""


@dataclass(slots=True)
class Restoration:
    """One restore, from its namespaces to its last check."""

    arguments: VeleroRestoreArguments
    act: Act
    velero: Velero
    chosen: Chosen
    how: Sealing
    location: Location
    disrupted: datetime = EPOCH
    listed: Mapping[str, list[str]] = field(default_factory=dict)
    """What the backup lists: `apps/v1/Deployment` to `shop/web`."""

    @property
    def scratches(self) -> list[str]:
        return list(self.arguments.namespaces.values())

    def go(self) -> None:
        act, backup = self.act, self.chosen.backup
        self.listed = listed_objects(act, self.velero, backup.name, self.arguments)
        volumes: list[dict[str, Any]] = []
        if self.arguments.volumes:
            volumes = restorable_volumes(act, self.velero, backup.name, self.arguments)
        act.observe(backup_evidence(act, self.chosen, self.location, volumes))
        handles = disk_handles(volumes)
        restores = tuple(self._name(attempt) for attempt in range(1, ATTEMPTS + 1))
        make(act, self.velero, self.scratches, self.how, handles, restores)
        self._declare()
        restore = self._restore()
        try:
            self._get_ready()
            act.mark("ready")
            act.outputs.update(backup=backup.name, namespace=self.scratches[0])
            seen = looks(act.clients.kube, self.arguments.namespaces)
            verify(act, Copy(f"namespace/{', '.join(self.scratches)}", self.disrupted, looks=seen))
        finally:
            # Nobody waits for these in a real disaster, so they come last; but before anything
            # is deleted.
            self._keep(restore)
            still_sealed(act, self.velero, self.scratches)

    def _declare(self) -> None:
        """The disaster begins now; the backup is chosen, since that is all there is to decide."""
        act, backup = self.act, self.chosen.backup
        self.disrupted = begin(act, self.arguments.disrupted)
        act.say(self.chosen.said(self.disrupted.timestamp()))
        if at := backup.started or backup.created:
            act.observe(RecoveryPoint(at, "backup", self.disrupted))
        if passed := self.chosen.passed_over:
            text = ", ".join(f"{s.name} ({s.phase})" for s in passed)
            act.observe(Note("drillkit", f"newer backups were passed over: {text}", "observation"))
        act.mark("decided")

    def _restore(self) -> State:
        """Restore, with a second try after a restart of the server. Raises StepFailed with Velero's
        own errors.
        """
        for attempt in range(1, ATTEMPTS + 1):
            ended = self._attempt(attempt)
            if ended.good:
                self.act.mark("restored")
                return ended
            words = self._words(ended)
            if not ended.interrupted:
                break
            self.act.say(f"restore {ended.name} was interrupted by a restart of Velero")
        errors = words.errors("RestoreResults")
        raise StepFailed(
            f"restore of {self.chosen.backup.name} ended {ended}{f': {errors}' if errors else ''}"
        )

    def _name(self, attempt: int, *what: str) -> str:
        return named(self.act, *what, *([str(attempt)] if attempt > 1 else []))

    def _words(self, restore: State) -> Words:
        """Velero's own words on one attempt; each has requests of its own, for what Velero says of
        the first is not said of the second.
        """
        attempt = next(n for n in range(1, ATTEMPTS + 1) if self._name(n) == restore.name)
        suffix = str(attempt) if attempt > 1 else ""
        return gather(self.act, self.velero, restore.name, RESTORE_FILES, suffix)

    def _attempt(self, attempt: int) -> State:
        act, name = self.act, self._name(attempt)
        beside = self._name(attempt, "modifiers")
        modifiers = self.velero.modifiers_undo(beside, act.run.id, expires(act))
        self.velero.create_modifiers(act.book.plan(modifiers), safe_modifiers())
        spec = restore_spec(
            self.chosen.backup.name,
            self.arguments.namespaces,
            more_kinds=self.arguments.kinds,
            modifiers=modifiers.name,
            volumes=self.arguments.volumes,
            operations=timedelta(seconds=max(60.0, act.deadline.left())),
        )
        plan = act.book.plan(restore_undo(name, self.velero.namespace, act.run.id, expires(act)))
        self.velero.create_restore(plan, spec)
        act.mark("queued")
        act.say(f"restore {name}: asked for")
        begun = False

        def look(_: float) -> State | None:
            nonlocal begun
            state = self.velero.restore_state(name)
            if not begun and state.phase not in UNBEGUN:
                begun = True
                act.mark("started")
            return state if state.ended else None

        return poll(
            act,
            look,
            what=f"restore {name} to end",
            cap_s=POLL_CAP_S,
        )

    def _get_ready(self) -> None:
        left: list[str] = []

        def look(_: float) -> bool | None:
            nonlocal left
            left = waiting_for(self.velero.kube, self.scratches, self.arguments.ready)
            return None if left else True

        within = self.arguments.within
        try:
            poll(
                self.act,
                look,
                what="restored workloads to be ready",
                deadline=self.act.deadline.sooner(within.total_seconds()),
                cap_s=POLL_CAP_S,
            )
        except DeadlineOver as late:
            raise StepFailed(
                "restored workloads were not ready within "
                f"{format_duration(within)}: {'; '.join(left[:5])}"
            ) from late

    def _keep(self, restore: State) -> None:
        """Keep Velero's words with the run, and compare what is there with what was backed up."""
        act, backup = self.act, self.chosen.backup.name
        words = self._words(restore)
        if warned := words.warnings("RestoreResults"):
            act.observe(Note("velero", f"warnings of the restore: {warned}", "observation"))
        try:
            restored: Mapping[str, list[str]] = words.data("RestoreResourceList") or {}
            found = compare(
                self.velero.kube,
                backup,
                self.listed,
                restored,
                self.arguments.namespaces,
                self.arguments.differs,
            )
        except CallError as error:
            act.observe(
                Note("drillkit", f"the inventory could not be compared: {error}", "observation")
            )
            found, restored = Comparison("objects", f"backup {backup}", 0, ()), {}
        act.observe(found)
        created = sum("(created)" in text for texts in restored.values() for text in texts)
        act.observe(Measure("restored objects", float(created), "objects"))
