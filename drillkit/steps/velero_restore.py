"""`velero.restore`: a backup restored beside the original, sealed off, read, measured
and removed.
"""

from __future__ import annotations

from collections.abc import Iterator

from drillkit.checks import permissions_of, problems_of
from drillkit.clients.kube.resources import NAMESPACES
from drillkit.clients.velero import Velero
from drillkit.model.errors import Absent, StepFailed, UsageError
from drillkit.model.prospect import Prospect
from drillkit.model.rehearsal import Rehearsal
from drillkit.steps.base import FROM_HERE, Act, Kind
from drillkit.steps.disruption import DISRUPTED, Reach, reach
from drillkit.steps.draws import seed_of
from drillkit.steps.outlook import Outlook
from drillkit.steps.velero.arguments import VeleroRestoreArguments, mistakes_in
from drillkit.steps.velero.backup_evidence import bucket_permissions
from drillkit.steps.velero.backup_selection import Chosen, choose, idle, within_reach
from drillkit.steps.velero.checks import looks
from drillkit.steps.velero.isolation import control_namespace, sealing
from drillkit.steps.velero.permissions import restore_permissions
from drillkit.steps.velero.restoration import Restoration

OUTPUTS = {
    **DISRUPTED,
    "backup": "name of the backup that was restored",
    "namespace": "the first namespace that was made for the copy",
}


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
        problems = list(mistakes_in(arguments))
        problems += problems_of(act.checks, "", has_cluster=True, own=looks(act.clients.kube, {}))
        if problems:
            return Prospect(problems=tuple(problems))
        velero = Velero(act.clients.kube, arguments.velero)
        velero.require()
        outlook = Outlook(act)
        _foresee_backup(outlook, arguments, velero)
        if busy := velero.busy():
            outlook.seen += [f"restore {each}: at work" for each in busy]
            outlook.notes.append(
                f"as it is now the step refuses: a restore is at work ({', '.join(busy[:3])})"
            )
        for scratch in arguments.namespaces.values():
            outlook.targets.append(f"namespace/{scratch}")
            if act.clients.kube.find(NAMESPACES, scratch) is not None:
                outlook.problems.append(f"namespace {scratch} exists already: restore into another")
        outlook.effects += _effects(arguments)
        outlook.cluster += restore_permissions(arguments, act)
        outlook.cluster += permissions_of(act.checks, control_namespace(act.target))
        return outlook.prospect()

    def run(self, arguments: VeleroRestoreArguments, act: Act) -> None:
        if mistakes := "; ".join(mistakes_in(arguments)):
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
        Restoration(arguments, act, velero, chosen, how, location).go()


def _foresee_backup(outlook: Outlook, arguments: VeleroRestoreArguments, velero: Velero) -> None:
    """Which backup it would be, how old it is, and what looking at it needs."""
    act = outlook.act
    try:
        chosen = choose(velero, arguments.backup, arguments.schedule)
        drawn = arguments.choose == "random"
        said = chosen.said(act.clients.kube.now())
        if drawn:
            count = f"one of {len(chosen.among)} is drawn when the run has begun"
            said = f"{count}; the newest is {said}"
        reached = _reach(chosen, arguments, act)
        (outlook.fails if reached.too_old else outlook.notes).append(f"{said}{reached.verdict}")
        outlook.seen += chosen.foretold(drawn=drawn)
        location = within_reach(velero, chosen)
        outlook.permissions += bucket_permissions(act.target, location)
    except StepFailed as why:
        # A name that nothing bears is a slip of the pen; a backup that is not good is a find.
        absent = isinstance(why.__cause__, Absent)
        (outlook.problems if absent else outlook.fails).append(str(why))


def _reach(chosen: Chosen, arguments: VeleroRestoreArguments, act: Act) -> Reach:
    """Whether the RPO can be met with the newest backup."""
    at = chosen.backup.started or chosen.backup.created
    if at is None:
        return Reach()
    return reach(at, arguments.disrupted, act, act.clients.kube.now())


def _effects(arguments: VeleroRestoreArguments) -> Iterator[str]:
    for source, scratch in arguments.namespaces.items():
        yield (
            f"creates namespace {scratch}, sealed, and restores {source} into it; undone by "
            "deleting it with all its volumes"
        )
    yield "creates a Restore in Velero; deleted once it has ended, after its results were kept"
    yield "creates probe pods that show the seal to hold; deleted"


KIND = VeleroRestore()
