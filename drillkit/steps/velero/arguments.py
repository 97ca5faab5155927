"""Arguments of a restore with Velero, and what is wrong with them by themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from drillkit.clients.velero.resources import NAMESPACE
from drillkit.clients.velero.seal import API
from drillkit.clients.velero.specs import OPENING
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import UsageError
from drillkit.steps.draws import Choose
from drillkit.steps.velero.isolation import sealing
from drillkit.steps.velero.readiness import parse_workload

NAMESPACE_LIMIT = 63


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


def mistakes_in(arguments: VeleroRestoreArguments) -> Iterator[str]:
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
