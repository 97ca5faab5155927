"""`velero.backup`: a backup taken now, so that a later step can restore what stands at
this moment.
"""

from __future__ import annotations

from datetime import timedelta

from drillkit.clients.kube.permissions import needs
from drillkit.clients.kube.resources import NAMESPACES
from drillkit.clients.polling import poll
from drillkit.clients.velero import Velero, backup_undo
from drillkit.clients.velero.resources import BACKUPS, DELETIONS, DOWNLOADS, LOCATIONS, NAMESPACE
from drillkit.clients.velero.specs import backup_spec
from drillkit.clients.velero.state import State
from drillkit.clock import utc
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Absent, StepFailed
from drillkit.model.evidence import Check, Measure
from drillkit.model.prospect import Prospect
from drillkit.model.rehearsal import Rehearsal
from drillkit.steps.base import Act, Kind
from drillkit.steps.velero.names import named
from drillkit.steps.velero.results import BACKUP_FILES, gather

POLL_CAP_S = 5.0
ATTEMPTS = 2
"""A backup that a restart of Velero's server interrupted is tried once more."""

OUTPUTS = {
    "backup": "name of the backup, for a later `velero.restore`",
    "started": "when Velero began to take it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VeleroBackupArguments:
    namespaces: tuple[str, ...]
    """What to back up."""
    volumes: bool = True
    """With the data of persistent volumes, as Velero is configured to take it."""
    location: str = ""
    """Storage location. Default: Velero's own default."""
    ttl: timedelta = timedelta(days=1)
    """Velero deletes it after that, should drillkit never come back to do so."""
    velero: str = NAMESPACE
    """Namespace that Velero lives in."""


class VeleroBackup(Kind[VeleroBackupArguments]):
    """Take a Velero backup of some namespaces. It must end Completed; it is deleted with its data
    when the drill ends.

    A later `velero.restore` takes it with `backup: ${steps.NAME.outputs.backup}`. Velero's results
    and log are kept.
    """

    name = "velero.backup"
    disturbs = "none"
    rehearses = Rehearsal(system="cluster", named_by=("namespaces",))
    Arguments = VeleroBackupArguments
    needs = frozenset({"kubernetes", "velero"})
    outputs = OUTPUTS

    def prospect(self, arguments: VeleroBackupArguments, act: Act) -> Prospect:
        if not arguments.namespaces:
            return Prospect(problems=("expected at least one namespace in `namespaces`",))
        velero = Velero(act.clients.kube, arguments.velero)
        velero.require()
        missing = [
            name for name in arguments.namespaces if act.clients.kube.find(NAMESPACES, name) is None
        ]
        where = arguments.velero
        return Prospect(
            tuple(f"namespace/{name}" for name in arguments.namespaces),
            ("creates a Backup in Velero; undone by a DeleteBackupRequest, with all its data",),
            (
                *needs("create get", BACKUPS, where),
                *needs("create get delete", DELETIONS, where),
                *needs("create get delete", DOWNLOADS, where),
                *needs("list", LOCATIONS, where),
                *(
                    each
                    for name in arguments.namespaces
                    for each in needs("get", NAMESPACES, name, name=name)
                ),
            ),
            tuple(f"namespace {name} does not exist" for name in missing),
        )

    def run(self, arguments: VeleroBackupArguments, act: Act) -> None:
        if not arguments.namespaces:
            raise StepFailed("expected at least one namespace in `namespaces`")
        velero = Velero(act.clients.kube, arguments.velero)
        velero.require()
        _available(velero, arguments.location)
        for attempt in range(1, ATTEMPTS + 1):
            suffix = str(attempt) if attempt > 1 else ""
            began = act.clock.mono()
            ended = _attempt(arguments, act, velero, suffix)
            words = gather(act, velero, ended.name, BACKUP_FILES, suffix)
            if not ended.interrupted:
                break
            act.say(f"backup {ended.name} was interrupted by a restart of Velero")
        errors = words.errors("BackupResults")
        subject = f"backup of {', '.join(arguments.namespaces)}"
        act.observe(Check(subject, "step", "Completed", "==", ended.phase, errors))
        act.observe(Measure("backup", round(act.clock.mono() - began, 3), "s"))
        if not ended.good:
            raise StepFailed(f"backup {ended.name} ended {ended}{f': {errors}' if errors else ''}")
        act.outputs["backup"] = ended.name
        if ended.started:
            act.outputs["started"] = ended.started.isoformat()


def _available(velero: Velero, name: str) -> None:
    try:
        location = velero.location(name)
    except Absent as error:
        raise StepFailed(str(error)) from error
    if not location.available:
        raise StepFailed(
            f"storage location {location.name} is {location.why}: no backup can be taken"
        )


def _attempt(arguments: VeleroBackupArguments, act: Act, velero: Velero, suffix: str) -> State:
    name = named(act, *([suffix] if suffix else []))
    expires = utc(act.clock.now() + arguments.ttl.total_seconds()).isoformat(timespec="seconds")
    spec = backup_spec(
        arguments.namespaces,
        ttl=arguments.ttl,
        location=arguments.location,
        volumes=None if arguments.volumes else False,
    )
    velero.create_backup(
        act.book.plan(backup_undo(name, velero.namespace, act.run.id, expires)), spec
    )
    act.say(f"backup {name}: asked for")

    def look(_: float) -> State | None:
        state = velero.backup(name)
        return state if state.ended else None

    return poll(
        act,
        look,
        what=f"backup {name} to end",
        cap_s=POLL_CAP_S,
    )


KIND = VeleroBackup()
