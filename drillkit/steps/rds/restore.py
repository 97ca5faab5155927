"""What the restores of databases have in common: names, network, caps, waiting, settings, reading.
No kind itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any

from drillkit.checks import Copy, permissions_of, problems_of, verify, warm
from drillkit.checks.warm import answers
from drillkit.clients.aws import NoCapacity, NoKey, NotRestorable, Quota
from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.aws.polling import poll
from drillkit.clients.rds import DeleteInstance, DeleteParameterGroup, Rds, plans
from drillkit.clients.rds.groups import user_values
from drillkit.clients.rds.states import check_alive, is_usable
from drillkit.clock import DeadlineOver, utc
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, Denied, DrillError, Refused, StepFailed, UsageError
from drillkit.model.evidence import Note, RecoveryPoint
from drillkit.model.permissions import AwsAction, Permission
from drillkit.model.prospect import Copied, Prospect
from drillkit.model.rehearsal import Rehearsal
from drillkit.model.target import AwsTarget
from drillkit.steps.base import Act
from drillkit.steps.disruption import DISRUPTED, reach

NAME_LIMIT = 63
RESTORED_DATABASE = Rehearsal(
    way="restore", system="database", named_by=("source",), apart="beside"
)
OUTPUTS = {
    **DISRUPTED,
    "host": "where the copy listens",
    "port": "its port",
    "endpoint": "both, as `HOST:PORT`",
}
LIVES_ON = timedelta(hours=2)
"""Between a step's limit and the moment at which its copies may be swept: clean-up has its
own limit.
"""
ANSWER_S = 60.0
"""A copy that is available takes connections within this time, or cannot be reached from here."""
PASSES = (
    "rds:DescribeDBInstances",
    "rds:DescribeDBParameters",
    "rds:DescribeDBParameterGroups",
    "rds:DescribeEvents",
    "rds:DescribeDBSubnetGroups",
    "rds:DescribeAccountAttributes",
    "rds:DescribeDBEngineVersions",
    "rds:ListTagsForResource",
    "rds:AddTagsToResource",
    "sts:GetCallerIdentity",
)
COPIES = (
    "rds:CopyDBParameterGroup",
    "rds:CreateDBParameterGroup",
    "rds:ModifyDBParameterGroup",
    "rds:DeleteDBParameterGroup",
    "rds:ModifyDBInstance",
    "rds:RebootDBInstance",
    "rds:DeleteDBInstance",
)
KEYS = (
    "kms:Decrypt",
    "kms:GenerateDataKey*",
    "kms:ReEncrypt*",
    "kms:DescribeKey",
    "kms:CreateGrant",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreArguments:
    source: str
    """Identifier of the original; it may be deleted already."""
    instance_class: str = ""
    """Class of the copy. Default: the original's."""
    multi_az: bool | None = None
    """Whether the copy gets a standby. Default: as the original."""
    parameter_group: str = ""
    """Parameter group to copy. Default: the original's; needed where that is gone."""
    disrupted: datetime | None = None
    """When the disaster was. Default: the moment the step begins, and the disruption counts
    as simulated.
    """
    warm: timedelta = timedelta(minutes=10)
    """How long reading all restored data once may take, after which it is left; `0` does
    not read.
    """

    @property
    def wishes(self) -> plans.Wishes:
        """What the copy has otherwise than its original."""
        return plans.Wishes(self.instance_class, self.multi_az)


@dataclass(frozen=True, slots=True)
class Original:
    """What is restored from: described by itself, or by the backup that outlived it."""

    name: str
    described: Described
    alive: bool
    uid: str = ""

    @property
    def engine(self) -> str:
        return str(self.described.get("Engine", ""))


def aws_of(act: Act) -> AwsTarget:
    """The target's account. Raises UsageError."""
    if act.target.aws is None:
        raise UsageError(
            f"target `{act.target.name}` has no `aws:`; add account and region to targets.yaml"
        )
    return act.target.aws


def resource_name(act: Act, suffix: str = "", limit: int = NAME_LIMIT) -> str:
    """A name for what the step makes: letters, digits and single dashes, the same whenever it is
    asked for.
    """
    step = re.sub(r"[^a-z0-9]+", "-", act.name.lower()).strip("-")
    name = "-".join(part for part in ("dr", act.run.id, step, suffix) if part)
    if step == act.name and len(name) <= limit:
        return name
    digest = hashlib.sha256(act.name.encode()).hexdigest()[:6]
    kept = f"dr-{act.run.id}-{step}"[: limit - len(digest) - len(suffix) - 2].rstrip("-")
    return "-".join(part for part in (kept, digest, suffix) if part)


def expires(act: Act) -> str:
    """Until when what the step makes is meant to live."""
    return (utc(act.clock.now() + act.deadline.left()) + LIVES_ON).isoformat(timespec="seconds")


@contextlib.contextmanager
def refusals_fail() -> Iterator[None]:
    """What AWS refuses because nothing can be restored is a failed restore, not a call that
    went wrong.
    """
    try:
        yield
    except (NotRestorable, Quota, NoCapacity, NoKey) as why:
        raise StepFailed(str(why)) from why


def copied_group(
    act: Act,
    rds: Rds,
    original: Original,
    source_group: str,
    *,
    home: Rds | None = None,
    cluster: bool = False,
) -> str:
    """Name of a parameter group for the copy: the original's, with what works on its own
    switched off.

    `home`: where the original's group is, when that is another region.
    """
    family, values = "", {}
    custom = bool(source_group) and not source_group.startswith("default.")
    if not custom or home is not None:
        family = rds.parameter_family(
            original.engine, str(original.described.get("EngineVersion", ""))
        )
    if custom and home is not None:
        values = user_values(home.parameters(source_group, cluster=cluster))
    name = resource_name(act, "cpg" if cluster else "pg")
    plan = act.book.plan(DeleteParameterGroup(name, act.run.id, rds.region, expires(act), cluster))
    rds.copy_parameter_group(
        plan, source="" if home is not None else source_group, family=family, values=values
    )
    return name


def await_instance(
    act: Act,
    rds: Rds,
    name: str,
    so: Callable[[Described], bool] = lambda described: True,
    *,
    what: str = "be available",
    seen: Callable[[], None] = lambda: None,
) -> Described:
    """The instance once it serves and is `so`. Raises StepFailed with advice for a status that ends
    all hope.
    """

    def look(fresh_s: float) -> Described | None:
        described = rds.instance(name, fresh_s)
        if described is None:
            return None  # descriptions lag behind
        seen()
        status = str(described.get("DBInstanceStatus", ""))
        _check_alive(rds, status, name)
        return described if is_usable(status) and so(described) else None

    with rds.instances.watching(name):
        return poll(
            look,
            clock=act.clock,
            deadline=act.deadline,
            fence=act.fence,
            what=f"rds instance/{name} to {what}",
        )


def _check_alive(rds: Rds, status: str, name: str) -> None:
    try:
        check_alive(status, f"rds instance/{rds.region}/{name}")
    except StepFailed as why:
        event = ""
        with contextlib.suppress(CallError):  # the status says enough
            event = rds.last_event(name)
        raise StepFailed(f"{why}" + (f" (last event: {event})" if event else "")) from None


@dataclass(slots=True)
class Restore:
    """One restore of an instance, from the decision to the last check."""

    act: Act
    rds: Rds
    arguments: RestoreArguments
    original: Original
    disrupted: datetime
    promised: RecoveryPoint
    """Up to when the backup reaches, as its provider says."""
    home: Rds | None = None
    """Where the original is, when that is another region."""
    _started: bool = field(default=False, init=False)

    def run(
        self,
        launch: Callable[[Planned[DeleteInstance], Mapping[str, Any], Sequence[str]], Described],
    ) -> None:
        """Restore, wait, adjust, compare, read. `launch` makes the call. Raises StepFailed,
        StepUnknown, CallError.
        """
        act, rds = self.act, self.rds
        there = plans.network(aws_of(act), rds.region)
        name = resource_name(act)
        rds.admit([name], act.target.caps.instances)
        act.observe(self.promised)
        act.mark("decided")
        source_group = self.arguments.parameter_group or plans.parameter_group_of(
            self.original.described
        )
        with refusals_fail():
            group = copied_group(act, rds, self.original, source_group, home=self.home)
            settings = plans.instance_settings(
                self.original.described,
                there,
                group,
                self.arguments.wishes,
                abroad=self.home is not None,
            )
            zones = [] if settings.get("MultiAZ") else rds.zones(there.subnet_group)
            plan = act.book.plan(
                DeleteInstance(
                    name,
                    act.run.id,
                    rds.region,
                    expires(act),
                    str(settings.get("DBInstanceClass") or ""),
                    storage_of(self.original.described),
                )
            )
            act.say(f"restoring {self.original.name} as {name}")
            launch(plan, settings, zones)
        act.mark("queued")
        copy = await_instance(act, rds, name, seen=self._seen)
        act.mark("restored")
        copy = self._adjust(plan, copy)
        read(
            act,
            self.original,
            copy,
            f"rds instance/{rds.region}/{name}",
            self.disrupted,
            self.arguments,
        )

    def _seen(self) -> None:
        if not self._started:
            self._started = True
            self.act.mark("started")

    def _adjust(self, plan: Planned[DeleteInstance], copy: Described) -> Described:
        """What the restore call could not carry over; then what differs is written down."""
        act, rds, name = self.act, self.rds, plan.undo.name
        if _pending_reboot(copy):
            rds.reboot(plan)
            copy = await_instance(
                act, rds, name, lambda d: not _pending_reboot(d), what="use its parameter group"
            )
        if self.original.alive and (changes := plans.later_changes(self.original.described, copy)):
            rds.modify(plan, changes=changes)
            copy = await_instance(
                act,
                rds,
                name,
                lambda d: (
                    not d.get("PendingModifiedValues")
                    and not plans.later_changes(self.original.described, d)
                ),
                what="take its last settings",
            )
        allowed = (
            *(("DBInstanceClass",) if self.arguments.instance_class else ()),
            *(("MultiAZ",) if self.arguments.multi_az is not None else ()),
            *(("OptionGroup", "KmsKeyId") if self.home is not None else ()),
        )
        act.observe(plans.compare(self.original.described, copy, allowed))
        return copy


def _pending_reboot(described: Described) -> bool:
    groups = described.get("DBParameterGroups") or []
    return any(group.get("ParameterApplyStatus") == "pending-reboot" for group in groups)


def read(
    act: Act,
    original: Original,
    described: Described,
    said: str,
    disrupted: datetime,
    arguments: RestoreArguments,
) -> None:
    """Connect to what was restored, read it once, run its checks; then its outputs. Raises
    StepFailed, StepUnknown.
    """
    made_with = str(
        original.described.get("DBName") or original.described.get("DatabaseName") or ""
    )
    database = plans.database_of(described, made_with)
    copy = Copy(
        name=said,
        disrupted=disrupted,
        database=database,
        original=plans.database_of(original.described) if original.alive else None,
        login=act.target.databases.get(original.name, ""),
    )
    if database is not None:
        act.outputs |= {
            "host": database.host,
            "port": database.port,
            "endpoint": f"{database.host}:{database.port}",
        }
    if _answers(act, copy):
        act.mark("ready")
        warm(act, copy, arguments.warm.total_seconds())
    else:
        act.mark("ready")
    verify(act, copy)


def _answers(act: Act, copy: Copy) -> bool:
    """Whether the copy takes connections from here; if not, why is noted."""
    why = "the target names no credentials for it"
    if copy.database is not None and copy.login:

        def look(_: float) -> bool | None:
            nonlocal why
            try:
                return answers(act, copy)
            except (Denied, UsageError) as error:
                why = str(error)
                return False
            except CallError as error:
                why = str(error)
                return None

        with contextlib.suppress(DeadlineOver):
            deadline = act.deadline.sooner(ANSWER_S)
            if poll(
                look,
                clock=act.clock,
                deadline=deadline,
                fence=act.fence,
                what="an answer",
                cap_s=2.0,
            ):
                return True
    act.observe(Note("drillkit", f"{copy.name} was not read from here: {why}", "observation"))
    return False


# -- looking ahead ---------------------------------------------------------------------------------


@dataclass(slots=True)
class Outlook:
    """What a restore would do, gathered piece by piece."""

    act: Act
    targets: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    permissions: list[str | AwsAction] = field(default_factory=list)
    """Actions of AWS, by their names where marks decide what they may be done to."""
    cluster: list[Permission] = field(default_factory=list)
    """What checks that run in the cluster need there."""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fails: list[str] = field(default_factory=list)
    copies: list[Copied] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        """What cannot be looked at is a problem."""
        try:
            yield
        except DrillError as why:
            self.problems.append(str(why))

    def surroundings(
        self,
        rds: Rds,
        arguments: RestoreArguments,
        needs: Mapping[str, int],
        home: Rds | None = None,
    ) -> None:
        """Network, quotas, cap and checks. `needs`: how many of each quota it takes; `home`: where
        the original is, when that is another region.
        """
        act, source = self.act, arguments.source
        with self.looking():
            self.copies += _copies(home or rds, arguments, needs)
        with self.looking():
            there = plans.network(aws_of(act), rds.region)
            if rds.subnet_group(there.subnet_group) is None:
                self.problems.append(
                    f"there is no subnet group {there.subnet_group} in {rds.region}"
                )
        with self.looking():
            quotas = rds.quotas()
            for name, count in needs.items():
                used, most = quotas.get(name, (0, count))
                if used + count > most:
                    self.problems.append(
                        f"the quota {name} of {rds.region} is {most} and {used} are used; {count} "
                        "more are needed"
                    )
        wanted = needs.get("DBInstances", 0)
        if wanted > act.target.caps.instances:
            self.problems.append(
                f"the target allows {act.target.caps.instances} restored instances at once"
            )
        login = act.target.databases.get(source, "")
        kubernetes = act.target.kubernetes
        self.problems += problems_of(act.checks, login, kubernetes is not None)
        self.cluster += permissions_of(act.checks, kubernetes.namespace if kubernetes else "")
        if not act.checks:
            self.notes.append(
                "no `checks:` are declared: nobody will read the data, so the verdict will "
                "be unknown"
            )

    def reaches(self, what: str, point: datetime, disrupted: datetime | None) -> None:
        """Up to when `what` holds data; that this is too long ago fails the step."""
        found = reach(point, disrupted, self.act, self.act.clients.aws.now())
        said = f"{what} of {point:%Y-%m-%d %H:%M:%S} UTC is {found.said}"
        (self.fails if found.too_old else self.notes).append(said)

    def restores(self, source: str, snapshots: Sequence[str], *, drawn: bool) -> None:
        """Which of the snapshots of a source it would be: the newest, or one that is drawn."""
        self.targets.append(f"{source} (its snapshots; it is not touched)")
        if drawn:
            self.seen += [f"{each}: it could be drawn" for each in snapshots]
            self.notes.append(
                f"one of {len(snapshots)} usable snapshots is drawn when the run has begun"
            )
        else:
            self.seen.append(f"{snapshots[-1]}: it would be restored")
            self.notes.append(f"as things are it would restore {snapshots[-1]}")

    def makes(self, what: str, region: str) -> None:
        """It makes something that its undo deletes."""
        self.effects.append(
            f"makes {what} in {region}; deleted at clean-up, and its backups with it"
        )

    def prospect(self) -> Prospect:
        """All of it."""
        return Prospect(
            tuple(self.targets),
            tuple(self.effects),
            (*self.cluster, *map(_action, dict.fromkeys(self.permissions))),
            tuple(self.problems),
            tuple(self.notes),
            tuple(self.fails),
            copies=tuple(self.copies),
            seen=tuple(self.seen),
        )


def _copies(home: Rds, arguments: RestoreArguments, needs: Mapping[str, int]) -> Iterator[Copied]:
    """What its copies are like: as the original is now, or as the drill wants them."""
    described: Described = {}
    if "DBClusters" not in needs:
        described = home.instance(arguments.source) or {}
    elif (cluster := home.cluster(arguments.source)) is not None:
        described = {"DBInstanceClass": class_of_writer(home, cluster)}
    yield Copied(
        f"a copy of {arguments.source}",
        arguments.instance_class or str(described.get("DBInstanceClass") or ""),
        storage_of(described),
        needs.get("DBInstances", 0),
    )


def class_of_writer(rds: Rds, cluster: Described) -> str:
    """Class of a cluster's writer, '' where there is none."""
    for member in cluster.get("DBClusterMembers") or []:
        if member.get("IsClusterWriter"):
            found = rds.instance(str(member["DBInstanceIdentifier"])) or {}
            return str(found.get("DBInstanceClass") or "")
    return ""


def storage_of(described: Described) -> int:
    """GiB of an instance, backup or snapshot; 0 where nothing tells."""
    return int(described.get("AllocatedStorage") or 0)


def _action(given: str | AwsAction) -> AwsAction:
    return given if isinstance(given, AwsAction) else AwsAction(given)


def not_there(source: str, region: str) -> StepFailed:
    """There is neither the source nor a backup of it."""
    return StepFailed(f"there is no {source} in {region}, and no automated backup of it is kept")


__all__ = [
    "COPIES",
    "KEYS",
    "OUTPUTS",
    "PASSES",
    "Original",
    "Outlook",
    "Refused",
    "Restore",
    "RestoreArguments",
    "await_instance",
    "aws_of",
    "copied_group",
    "expires",
    "not_there",
    "read",
    "refusals_fail",
    "resource_name",
]
