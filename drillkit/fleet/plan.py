"""A fleet as it is begun: which targets in which waves, as whom, from where. It is written down
before the first Job, and never changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from fnmatch import fnmatchcase

from drillkit.fleet.waves import Member, sizes
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import UsageError
from drillkit.model.target import FleetJob, Target
from drillkit.schedule.pod import object_name

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """All that another machine needs to go on with it."""

    format: int
    id: str
    """`20261101-030000-x7k2`."""
    drill: str
    """As `run` is told it."""
    folder: str
    """The drill's own name, which its runs' folder has."""
    sha256: str
    """Of the drill's file as it was read."""
    operator: str
    begun: float
    """Seconds since the epoch."""
    image: str
    place: str
    """Of its runs, as the Jobs are told it: `s3://BUCKET/PREFIX`."""
    at_once: int
    longest_s: int
    """Seconds after which even a Job that is cleaned up to its limit has ended."""
    stop_s: int
    """Seconds that a Job which is told to stop may need."""
    members: tuple[Member, ...]
    """In the order in which they begin."""
    targets: Mapping[str, Target]
    """Those, and their hubs, by name. References to secrets are in it, their values never are."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Of the project, for the pods; without the targets."""
    targets_file: str
    """Where the targets are in it."""
    confirmed: tuple[str, ...] = ()
    """Protected targets that somebody has typed the names of, or the pattern for."""

    def job_of(self, target: str) -> FleetJob:
        """Where and as whom a target's Job runs, its account filled in."""
        found = self.targets[target].fleet
        return FleetJob(
            hub=found.hub,
            namespace=found.namespace,
            service_account=account_of(self.folder, self.targets[target]),
            secret=found.secret,
            kubeconfig_secret=found.kubeconfig_secret,
        )

    def cluster_of(self, target: str) -> Target:
        """The target whose cluster its Job is submitted to."""
        hub = self.targets[target].fleet.hub
        return self.targets[hub if hub is not None else target]


def account_of(drill: str, target: Target) -> str:
    """The ServiceAccount of a target's Job."""
    return target.fleet.service_account or object_name(drill, target.name)


def matching(patterns: Sequence[str], known: Mapping[str, Target]) -> list[Target]:
    """The targets whose names match, in the order of their names. Raises UsageError for a pattern
    that matches none.
    """
    found: dict[str, Target] = {}
    for pattern in patterns:
        names = [name for name in sorted(known) if fnmatchcase(name, pattern)]
        if not names:
            raise UsageError(
                f"--targets {pattern}: no target is called so; known: {', '.join(sorted(known))}"
            )
        found |= {name: known[name] for name in names}
    return [found[name] for name in sorted(found)]


def members_of(targets: Sequence[Target], waves: str, canary: str | None) -> tuple[Member, ...]:
    """The targets in waves, `canary` before all others. Raises UsageError."""
    names = [target.name for target in targets]
    if canary is not None and canary not in names:
        raise UsageError(f"--canary {canary}: it is none of the targets: {', '.join(names)}")
    order = sorted(targets, key=lambda target: (target.name != canary, target.name))
    try:
        counts = sizes(waves, len(order))
    except ValueError as error:
        raise UsageError(f"--waves: {error}") from error
    numbers = [wave for wave, count in enumerate(counts) for _ in range(count)]
    return tuple(
        Member(target.name, wave, tuple(shares_of(target)))
        for target, wave in zip(order, numbers, strict=True)
    )


def shares_of(target: Target) -> Iterator[str]:
    """What a drill on it may use up for others: quotas of its AWS account in a region; its lock,
    of which a cluster has one in a namespace.
    """
    if target.aws is not None:
        for region in filter(None, (target.aws.region, target.aws.dr_region)):
            yield f"AWS account {target.aws.account} in {region}"
    if (kubernetes := target.kubernetes) is not None:
        cluster = kubernetes.cluster_uid or f"{kubernetes.kubeconfig}:{kubernetes.context}"
        yield f"lock {kubernetes.namespace} of cluster {cluster}"


def complaints(drill: str, targets: Sequence[Target], known: Mapping[str, Target]) -> Iterator[str]:
    """Why these cannot be one fleet: nothing is begun while one of them is wrong."""
    for target in targets:
        yield from _complaints(target, known)
    yield from _common(drill, targets, known)


def _complaints(target: Target, known: Mapping[str, Target]) -> Iterator[str]:
    name, job = target.name, target.fleet
    if target.launch is not None:
        yield f"{name}: drillkit starts it for a run, and only where it is called"
    if target.approvals:
        yield f"{name}: it asks for an approved plan (`approvals`), and a fleet has none for each"
    if job.hub is None:
        if target.kubernetes is None and target.launch is None:
            yield f"{name}: it has no cluster for its Job; name a `fleet: {{hub: ...}}`"
        return
    hub = known.get(job.hub)
    if hub is None or hub.kubernetes is None:
        yield f"{name}: its hub `{job.hub}` is no target with a cluster"
    if target.kubernetes is not None and job.kubeconfig_secret is None:
        yield (
            f"{name}: on a hub its Job needs `fleet: {{kubeconfig_secret: ...}}`, which leads to "
            "the target"
        )


def _common(drill: str, targets: Sequence[Target], known: Mapping[str, Target]) -> Iterator[str]:
    """Credentials that two targets would have in common."""
    owners: dict[tuple[str, ...], str] = {}
    for target in targets:
        job = target.fleet
        cluster = known.get(job.hub, target) if job.hub is not None else target
        pinned = cluster.kubernetes.cluster_uid if cluster.kubernetes is not None else None
        where = (pinned or cluster.name, job.namespace)
        for sort, secret in (
            ("service account", account_of(drill, target)),
            ("secret", job.secret),
            ("secret", job.kubeconfig_secret),
        ):
            if secret is None:
                continue
            other = owners.setdefault((*where, sort, secret), target.name)
            if other != target.name:
                yield (
                    f"{target.name} and {other} have the {sort} `{secret}` in common: each target "
                    "has credentials of its own"
                )


def remarks(targets: Sequence[Target]) -> Iterator[str]:
    """What is to be known before it begins."""
    without = [target.name for target in targets if target.aws is None]
    if without:
        yield (
            f"{len(without)} of {len(targets)} targets name no AWS account ({_some(without)}): "
            "whether two of them share one is not known, so that only their locks keep them apart"
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
