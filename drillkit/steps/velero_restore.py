"""`velero.restore`: a backup restored beside the original, sealed off, read, measured
and removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any

from drillkit.checks import Copy, permissions_of, problems_of, verify
from drillkit.clients.aws.polling import poll
from drillkit.clients.canary.beat import EPOCH
from drillkit.clients.kube.permissions import needs
from drillkit.clients.kube.resources import (
    CONFIGMAPS,
    NAMESPACES,
    NETWORK_POLICIES,
    PERSISTENT_VOLUMES,
    PODS,
    SECRETS,
    SERVICES,
)
from drillkit.clients.velero import Velero, restore_undo
from drillkit.clients.velero.files import as_json
from drillkit.clients.velero.resources import (
    BACKUPS,
    DOWNLOADS,
    LOCATIONS,
    NAMESPACE,
    RESTORES,
    SCHEDULES,
)
from drillkit.clients.velero.seal import API
from drillkit.clients.velero.specs import OPENING, restore_spec, safe_modifiers
from drillkit.clients.velero.state import UNBEGUN, Location, State
from drillkit.clock import DeadlineOver
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Absent, CallError, DrillError, Refused, StepFailed, UsageError
from drillkit.model.evidence import Comparison, Measure, Note, RecoveryPoint
from drillkit.model.permissions import AwsAction, Permission
from drillkit.model.prospect import Prospect
from drillkit.model.rehearsal import Rehearsal
from drillkit.model.units import format_duration
from drillkit.steps.base import FROM_HERE, Act, Kind
from drillkit.steps.disruption import DISRUPTED, Reach, begin, reach
from drillkit.steps.draws import Choose, seed_of
from drillkit.steps.expiry import expires
from drillkit.steps.velero.backup_selection import (
    Chosen,
    bucket_permissions,
    choose,
    identity,
    idle,
    within_reach,
)
from drillkit.steps.velero.checks import looks
from drillkit.steps.velero.inventory import COMPARED, compare
from drillkit.steps.velero.isolation import Sealing, control_namespace, make, sealing, still_sealed
from drillkit.steps.velero.names import named
from drillkit.steps.velero.readiness import parse_workload, waiting_for
from drillkit.steps.velero.results import BACKUP_FILES, RESTORE_FILES, Words, fetch, gather

POLL_CAP_S = 3.0
ATTEMPTS = 2
"""A restore that a restart of Velero's server interrupted is tried once more."""
NAMESPACE_LIMIT = 63
OUTPUTS = {
    **DISRUPTED,
    "backup": "name of the backup that was restored",
    "namespace": "the first namespace that was made for the copy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VeleroRestoreArguments:
    namespaces: Mapping[str, str]
    """What to restore where: `{shop: "dr-${run.id}"}`. The second ones are made for the run and
    removed after it.
    """
    backup: str | None = None
    """Name of a backup, or `${steps.NAME.outputs.backup}` of one that the drill just took."""
    schedule: str | None = None
    """Name of a schedule: one of its Completed backups. Exactly one of `backup` and `schedule`."""
    choose: Choose = "latest"
    """Which backup of the schedule: the `latest`, or one drawn at `random`, a sample as auditors
    ask for. The draw can be repeated; an old backup has no recovery point objective.
    """
    kinds: tuple[str, ...] = ()
    """More kinds to restore than those of core, apps and batch, such as
    `ingresses.networking.k8s.io`.
    """
    volumes: bool = True
    """Restore persistent volumes. With `false` claims come back empty."""
    disrupted: datetime | None = None
    """When the disaster was, such as `${steps.NAME.outputs.disrupted}` of an earlier step: one RTO
    over all. Default: the moment the namespaces stand, and the disruption counts as simulated."""
    ready: tuple[str, ...] = ()
    """Workloads that must get ready: `web`, `statefulset/db`. Default: all that are restored."""
    within: timedelta = timedelta(minutes=15)
    """How long they may take."""
    allow: tuple[str, ...] = ()
    """What restored pods may reach outside their namespace: `dns`, `HOST:PORT` of a
    restored database.
    """
    reach: str = API
    """What must be out of their reach, as the proof of the seal: `HOST:PORT` that pods outside
    reach, or `api`, the cluster's API server (which a node that also runs it may let through)."""
    image: str = "busybox:1.37"
    """Image with `sh` and `nc` for the probes of the seal."""
    differs: tuple[str, ...] = ()
    """Objects that may be missing, such as `secret/shop/temporary`."""
    velero: str = NAMESPACE
    """Namespace that Velero lives in."""


class VeleroRestore(Kind[VeleroRestoreArguments]):
    """Restore a Velero backup into namespaces of its own, beside the original, and read it back.

    Each namespace is sealed by a NetworkPolicy that denies egress before anything is restored into
    it, and proven sealed: a pod in it must fail to reach what a pod outside reaches, else the step
    refuses. CronJobs come back suspended, LoadBalancers as ClusterIP, pods off the node's network.
    A volume that the backup skipped and whose policy is Retain would come back as the original's
    own disk: refused.

    The disruption is simulated: it is declared when namespaces and seal stand, so that RTO counts
    choosing, queueing, restoring, getting ready and the checks. Velero's results, warnings and log
    are kept with the run before anything is deleted. What the backup lists is compared with what is
    there. `http` checks (`{service: web, path: /health}`) go through the API server; `canary` reads
    the heartbeat that came back (`drillkit canary install`).
    """

    name = "velero.restore"
    disturbs = "none"
    rehearses = Rehearsal(way="restore", system="cluster", named_by=("namespaces",), apart="sealed")
    Arguments = VeleroRestoreArguments
    needs = frozenset({"kubernetes", "velero"})
    objectives = frozenset({"rto", "rpo", "detect"})
    checks = FROM_HERE | {"canary", "service"}
    outputs = OUTPUTS

    def prospect(self, arguments: VeleroRestoreArguments, act: Act) -> Prospect:
        problems = list(_mistakes(arguments))
        problems += problems_of(act.checks, "", has_cluster=True, own=looks(act.clients.kube, {}))
        if problems:
            return Prospect(problems=tuple(problems))
        velero = Velero(act.clients.kube, arguments.velero)
        velero.require()
        notes: list[str] = []
        fails: list[str] = []
        bucket: tuple[AwsAction, ...] = ()
        seen: list[str] = []
        try:
            chosen = choose(velero, arguments.backup, arguments.schedule)
            drawn = arguments.choose == "random"
            count = f"one of {len(chosen.among)} is drawn when the run has begun; the newest is "
            said = f"{count if drawn else ''}{_said(chosen, act.clients.kube.now())}"
            reached = _reach(chosen, arguments, act)
            (fails if reached.too_old else notes).append(f"{said}{reached.verdict}")
            seen += _stands(chosen, drawn=drawn)
            kept = within_reach(velero, chosen)
            bucket = tuple(bucket_permissions(act.target, kept))
        except StepFailed as why:
            # A name that nothing bears is a slip of the pen; a backup that is not good is a find.
            (problems if isinstance(why.__cause__, Absent) else fails).append(str(why))
        if busy := velero.busy():
            seen += [f"restore {each}: at work" for each in busy]
            notes.append(
                f"as it is now the step refuses: a restore is at work ({', '.join(busy[:3])})"
            )
        taken = [
            s
            for s in arguments.namespaces.values()
            if act.clients.kube.find(NAMESPACES, s) is not None
        ]
        problems += [
            f"namespace {scratch} exists already: restore into another" for scratch in taken
        ]
        return Prospect(
            tuple(f"namespace/{scratch}" for scratch in arguments.namespaces.values()),
            tuple(_effects(arguments)),
            (
                *_permissions(arguments, act),
                *permissions_of(act.checks, control_namespace(act.target)),
                *bucket,
            ),
            tuple(problems),
            tuple(notes),
            tuple(fails),
            seen=tuple(seen),
        )

    def run(self, arguments: VeleroRestoreArguments, act: Act) -> None:
        if mistakes := "; ".join(_mistakes(arguments)):
            raise UsageError(mistakes)
        how = sealing(arguments.allow, arguments.reach, arguments.image)
        velero = Velero(act.clients.kube, arguments.velero)
        velero.require()
        idle(velero)
        chosen = choose(
            velero,
            arguments.backup,
            arguments.schedule,
            arguments.choose,
            seed_of(act),
            act.run.id,
        )
        location = within_reach(velero, chosen)
        _Restoring(arguments, act, velero, chosen, how, location).go()


@dataclass(slots=True)
class _Restoring:
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
        self.listed = _contents(act, self.velero, backup.name, self.arguments)
        volumes: list[dict[str, Any]] = []
        if self.arguments.volumes:
            volumes = _volumes(act, self.velero, backup.name, self.arguments)
        act.observe(identity(act, self.chosen, self.location, volumes))
        handles = _disks(volumes)
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
        act.say(_said(self.chosen, self.disrupted.timestamp()))
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
            look,
            clock=act.clock,
            deadline=act.deadline,
            fence=act.fence,
            what=f"restore {name} to end",
            cap_s=POLL_CAP_S,
        )

    def _get_ready(self) -> None:
        left: list[str] = []

        def look(_: float) -> bool | None:
            nonlocal left
            left = waiting_for(self.velero.kube, self.scratches, self.arguments.ready)
            return None if left else True

        act = self.act
        deadline, what = (
            act.deadline.sooner(self.arguments.within.total_seconds()),
            "restored workloads to be ready",
        )
        try:
            poll(
                look,
                clock=act.clock,
                deadline=deadline,
                fence=act.fence,
                what=what,
                cap_s=POLL_CAP_S,
            )
        except DeadlineOver as late:
            raise StepFailed(
                "restored workloads were not ready within "
                f"{format_duration(self.arguments.within)}: {'; '.join(left[:5])}"
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


def _mistakes(arguments: VeleroRestoreArguments) -> Iterator[str]:
    """What is wrong with the arguments by themselves."""
    yield from _choice_mistakes(arguments)
    if not arguments.namespaces:
        yield "expected at least one namespace in `namespaces`"
    targets = list(arguments.namespaces.values())
    for source, scratch in arguments.namespaces.items():
        if scratch in arguments.namespaces:
            yield (
                f"namespaces: {source} would be restored into the original {scratch}; restore into "
                "a new namespace"
            )
        for name in (source, scratch):
            if len(name) > NAMESPACE_LIMIT or not re.fullmatch(
                r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name
            ):
                yield f"namespaces: expected the name of a namespace, found `{name}`"
        if targets.count(scratch) > 1:
            yield (
                f"namespaces: {scratch} is named twice; restore each namespace into one of its own"
            )
    for kind in arguments.kinds:
        if OPENING in kind.lower():
            yield f"kinds: a restored {kind} could open the seal of the copy; leave it out"
    try:
        sealing(arguments.allow, arguments.reach, arguments.image)
        for each in arguments.ready:
            parse_workload(each)
    except UsageError as error:
        yield str(error)


def _choice_mistakes(arguments: VeleroRestoreArguments) -> Iterator[str]:
    if (arguments.backup is None) == (arguments.schedule is None):
        yield "expected exactly one of `backup` and `schedule`"
    if arguments.choose == "random" and arguments.schedule is None:
        yield "`choose: random` draws from the backups of a `schedule`"


def _said(chosen: Chosen, now: float) -> str:
    at = chosen.backup.started or chosen.backup.created
    age = f", {format_duration(now - at.timestamp())} old" if at else ""
    passed = (
        f"; newer ones are not good: {', '.join(s.name for s in chosen.passed_over)}"
        if chosen.passed_over
        else ""
    )
    return f"backup {chosen.backup.name}{age}{passed}"


def _stands(chosen: Chosen, *, drawn: bool) -> Iterator[str]:
    """What would be restored, and what keeps newer ones from it."""
    if drawn:
        yield from (f"backup {each}: it could be drawn" for each in chosen.among)
    else:
        yield f"backup {chosen.backup.name}: it would be restored"
    yield from (f"backup {each.name}: {each.phase}, passed over" for each in chosen.passed_over)


def _reach(chosen: Chosen, arguments: VeleroRestoreArguments, act: Act) -> Reach:
    """Whether the RPO can be met with the newest backup."""
    at = chosen.backup.started or chosen.backup.created
    if at is None:
        return Reach()
    return reach(at, arguments.disrupted, act, act.clients.kube.now())


def _contents(
    act: Act, velero: Velero, backup: str, arguments: VeleroRestoreArguments
) -> Mapping[str, list[str]]:
    """What the backup lists. Raises StepFailed when it does not hold what is to be restored."""
    words = gather(act, velero, backup, {"BackupResourceList": BACKUP_FILES["BackupResourceList"]})
    listed: Mapping[str, list[str]] | None = words.data("BackupResourceList")
    if listed is None:
        return {}
    there = {item.partition("/")[0] for items in listed.values() for item in items}
    if missing := sorted(set(arguments.namespaces) - there):
        raise StepFailed(
            f"backup {backup} holds nothing of namespace {', '.join(missing)}: nothing would "
            "come back"
        )
    return listed


def _disks(volumes: list[dict[str, Any]]) -> tuple[str, ...]:
    """Handles of the original's disks."""
    handles = {str((each.get("pvInfo") or {}).get("volumeHandle") or "") for each in volumes}
    return tuple(sorted(handles - {""}))


def _volumes(
    act: Act, velero: Velero, backup: str, arguments: VeleroRestoreArguments
) -> list[dict[str, Any]]:
    """What the backup tells of its volumes. Raises Refused when the copy would attach one."""
    what = f"what backup {backup} holds of its volumes cannot be read"
    advice = "with `volumes: false` claims come back empty, and the drill goes on"
    try:
        content = fetch(act, velero, "BackupVolumeInfos", backup)
        infos: list[dict[str, Any]] = as_json(content or b"[]", "BackupVolumeInfos") or []
    except Refused:
        raise
    except DrillError as error:
        raise Refused(
            f"{what}: {error}. A skipped volume would come back as the original's disk; {advice}"
        ) from error
    if content is None:
        raise Refused(
            f"{what}: it is older than Velero 1.13. A skipped volume may be the original's "
            f"disk; {advice}"
        )
    ours = [i for i in infos if i.get("pvcNamespace") in arguments.namespaces]
    kept = [
        i
        for i in ours
        if i.get("skipped") and (i.get("pvInfo") or {}).get("reclaimPolicy") == "Retain"
    ]
    if kept:
        names = ", ".join(
            f"{i.get('pvcNamespace')}/{i.get('pvcName')} ({i.get('pvName')})" for i in kept
        )
        raise Refused(
            f"backup {backup} skipped volumes whose policy is Retain: {names}. Velero would "
            "restore them as they are: the copy would attach the original's disk. Back them up, "
            f"or leave volumes out: {advice}"
        )
    return infos


def _effects(arguments: VeleroRestoreArguments) -> Iterator[str]:
    for source, scratch in arguments.namespaces.items():
        yield (
            f"creates namespace {scratch}, sealed, and restores {source} into it; undone by "
            "deleting it with all its volumes"
        )
    yield "creates a Restore in Velero; deleted once it has ended, after its results were kept"
    yield "creates probe pods that show the seal to hold; deleted"


def _permissions(arguments: VeleroRestoreArguments, act: Act) -> Iterator[Permission]:
    """The namespaces that are restored into do not exist yet, so no Role can stand in them: what is
    done there is asked for everywhere.
    """
    velero, outside = arguments.velero, control_namespace(act.target)
    yield from needs("create get list delete", RESTORES, velero)
    yield from needs("create get delete", DOWNLOADS, velero)
    yield from needs("list", BACKUPS, velero)
    if arguments.backup is not None:
        yield from needs("get", BACKUPS, velero)
    else:
        yield from needs("get", SCHEDULES, velero)
    yield from needs("list", LOCATIONS, velero)
    yield from needs("create get delete", CONFIGMAPS, velero, reason="resource modifiers")
    seal = "probe pods that show the seal to hold"
    yield from needs("create get delete", PODS, outside, reason=seal)
    yield from needs("get", PODS, outside, subresource="log", reason=seal)
    copy = "the namespace that is restored into"
    yield from needs("create get delete", NAMESPACES, reason=copy)
    yield from needs("create get", NETWORK_POLICIES, reason=copy)
    yield from needs("create get delete", PODS, reason=copy)
    yield from needs("get", PODS, subresource="log", reason=copy)
    for resource in COMPARED:
        yield from needs("list", resource, reason=copy)
    yield from needs("list", PERSISTENT_VOLUMES, reason=copy)
    if arguments.volumes:
        keeps = "volumes of the copy that would stay after it (Retain)"
        yield from needs("patch delete", PERSISTENT_VOLUMES, reason=keeps)
    if any(isinstance(check.http, Mapping) for check in act.checks):
        yield from needs("get", SERVICES, subresource="proxy", reason="check `http`")
    if any(check.canary is not None for check in act.checks):
        for source in ("", *arguments.namespaces):
            yield from needs("get", CONFIGMAPS, source, reason="check `canary`")
            yield from needs("get", SECRETS, source, reason="check `canary`")


KIND = VeleroRestore()
