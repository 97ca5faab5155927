"""Resolves a drill against its target without touching anything: victims, effects,
permissions, problems.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import replace
from datetime import timedelta

from drillkit.clients import Clients
from drillkit.clients.kube.own_permissions import OwnPermissions
from drillkit.clients.kube.permissions import (
    of_announcing,
    of_diagnosis,
    of_every_run,
    of_weaknesses,
)
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Drill, Gameday, Step
from drillkit.model.errors import CallError, Denied, DrillError, SpecError
from drillkit.model.permissions import AwsAction, Permission
from drillkit.model.prospect import Prospect
from drillkit.model.target import Target
from drillkit.model.units import format_duration
from drillkit.plan.costs import costs, too_costly
from drillkit.plan.credentials import outlived
from drillkit.plan.secrets import missing_secrets, shown_secrets
from drillkit.plan.stand_ins import UNKNOWN, Bind, Outputs, stand_ins, without_stand_ins
from drillkit.steps.base import Act, kind_named

SCOPES = 3
"""A drill that touches more namespaces than these has its report's readers look themselves."""

WORKLOADS = frozenset({"pod", "deployment", "statefulset", "daemonset"})
"""Kinds of targets that weaknesses are told of."""
IN_PLACE = frozenset({"pod", "deployment", "statefulset", "daemonset", "virtualservice", "service"})
"""Kinds of objects that faults change as they stand, of which a plan names the namespace."""


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What one step would do."""

    step: Step
    group: str
    prospect: Prospect

    @property
    def wishes(self) -> tuple[Permission, ...]:
        """What helps to explain a failure, and to tell weaknesses. A run goes on without."""
        places = dict.fromkeys(namespace for namespace, _ in scopes(self.step, self.prospect))
        explain = (each for namespace in places for each in of_diagnosis(namespace))
        fragile = workloads_among(self.prospect.targets)
        return (*explain, *(each for namespace in fragile for each in of_weaknesses(namespace)))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a drill would do to a target."""

    drill: Drill
    target: Target
    steps: tuple[StepPlan, ...]
    problems: tuple[str, ...]
    """Why it must not start; each names its step, or concerns the whole run."""
    fails: tuple[str, ...] = ()
    """Steps that would fail as things are now, and why: a weakness that a run would find."""
    permissions: tuple[Permission, ...] = ()
    """What the run needs besides its steps."""
    denied: frozenset[Permission] = frozenset()
    """What its steps wish for and the operator is not allowed."""
    notes: tuple[str, ...] = ()
    """What it costs at most, and what it will have to do without."""


def survey(
    drill: Drill,
    target: Target,
    clients: Clients,
    act_of: Callable[[Step], Act],
    bind: Bind,
    *,
    attended: bool = False,
) -> Plan:
    """Look at everything the drill would touch. Reads only.

    A step that depends on outputs of earlier ones is looked at with stand-ins. What cannot be
    looked at is a problem: planning fails closed.
    """
    plans: list[StepPlan] = []
    outputs = stand_ins(drill)
    permissions = _Permissions(target, clients)
    needed = _of_the_run(drill, target)
    problems = _wrong_cluster(target, clients) or permissions.missing(needed)
    problems += missing_secrets(drill, target)
    problems += _unannounced(drill, target)
    problems += _too_long(drill, target, attended=attended)
    longest = longest_of(drill, attended=attended)
    credentials = outlived(target, clients, longest, aws=_uses_aws(drill))
    problems += credentials.problems
    notes: list[str] = []
    denied: frozenset[Permission] = frozenset()
    fails: list[str] = []
    for entry in drill.steps:
        for step in entry.members:
            prospect = _prospect(step, act_of, bind, outputs)
            found = [
                *prospect.problems,
                *_forbidden(prospect, target),
                *permissions.missing(prospect.permissions),
            ]
            problems += [f"step `{step.name}`: {what}" for what in found]
            fails += [f"step `{step.name}`: {why}" for why in prospect.fails]
            plans.append(StepPlan(step, entry.group, prospect))
            notes += permissions.missing(plans[-1].wishes)
            denied |= permissions.denied(plans[-1].wishes)
    copies = [each for item in plans for each in item.prospect.copies]
    problems += too_costly(copies, target, longest)
    return Plan(
        drill,
        target,
        tuple(plans),
        tuple(dict.fromkeys(problems)),
        tuple(fails),
        needed,
        denied,
        (
            *costs(copies, longest),
            *credentials.notes,
            *shown_secrets(drill, target),
            *(f"{what}: the run does without" for what in dict.fromkeys(notes)),
        ),
    )


def _uses_aws(drill: Drill) -> bool:
    return any("aws" in kind_named(step.uses).needs for step in drill.every_step)


def prospect_of(drill: Drill, step: Step, act_of: Callable[[Step], Act], bind: Bind) -> Prospect:
    """What one step of a drill would do now. Reads only."""
    return _prospect(step, act_of, bind, stand_ins(drill))


def _of_the_run(drill: Drill, target: Target) -> tuple[Permission, ...]:
    if target.kubernetes is None:
        return ()
    namespace = target.kubernetes.namespace
    announcing = of_announcing(namespace) if drill.announce.event else ()
    return (*of_every_run(namespace), *announcing)


def _unannounced(drill: Drill, target: Target) -> Iterator[str]:
    """What the drill wants to be announced to and the target does not have."""
    server = target.prometheus
    wanted = {
        "event": (drill.announce.event, "kubernetes", target.kubernetes is not None),
        "grafana": (drill.announce.grafana, "grafana", target.grafana is not None),
        "silence": (
            bool(drill.announce.silence),
            "prometheus.alertmanager",
            server is not None and server.alertmanager is not None,
        ),
    }
    for key, (asked, where, there) in wanted.items():
        if asked and not there:
            yield (
                f"`announce.{key}` needs `{where}:` of target `{target.name}`, which has none; "
                "add it to targets.yaml, or leave it out of the drill"
            )


def _too_long(drill: Drill, target: Target, *, attended: bool) -> list[str]:
    """A drill that may take longer than the target's caps allow; of a game day, with its people."""
    most, asked = target.caps.duration, longest_of(drill, attended=attended)
    if most is None or asked <= most:
        return []
    key = "gameday.limit" if attended else "limit"
    return [
        f"`{key}` and `cleanup_limit` are {format_duration(asked)} together; target "
        f"`{target.name}` allows {format_duration(most)} (`caps.duration`)"
    ]


def longest_of(drill: Drill, *, attended: bool = False) -> timedelta:
    """How long a run may take with its clean-up; of a game day, with its people."""
    limit = (drill.gameday or Gameday()).limit if attended else drill.limit
    return limit + drill.cleanup_limit


def _forbidden(prospect: Prospect, target: Target) -> list[str]:
    """Targets in namespaces that the target's caps keep."""
    found: dict[str, None] = {}
    for each in prospect.targets:
        kind, _, rest = each.partition("/")
        namespace, _, name = rest.partition("/")
        if kind in IN_PLACE and name and (why := target.caps.forbid(namespace)):
            found[f"target `{target.name}`: {why}"] = None
    return list(found)


def _wrong_cluster(target: Target, clients: Clients) -> list[str]:
    """Why this is not the cluster that the target means, or nobody can tell."""
    if target.kubernetes is None:
        return []
    try:
        clients.verify_cluster()
    except DrillError as error:
        return [str(error)]
    return []


def _prospect(step: Step, act_of: Callable[[Step], Act], bind: Bind, outputs: Outputs) -> Prospect:
    try:
        arguments = bind(step, None)
        if arguments is None:
            return _with_stand_ins(step, act_of, bind, outputs)
        return kind_named(step.uses).prospect(arguments, act_of(step))
    except SpecError as error:
        return Prospect(problems=tuple(map(str, error.mistakes)))
    except DrillError as error:
        return Prospect(problems=(str(error),))


def _with_stand_ins(
    step: Step, act_of: Callable[[Step], Act], bind: Bind, outputs: Outputs
) -> Prospect:
    """What can be said of a step before the outputs are there that it depends on."""
    try:
        found = kind_named(step.uses).prospect(bind(step, outputs), act_of(step))
    except Denied as why:
        return Prospect(problems=(str(why),))
    except DrillError:  # the stand-in may be to blame
        return UNKNOWN
    return without_stand_ins(found)


class _Permissions:
    """Asks the cluster what its operator may do; each permission once."""

    def __init__(self, target: Target, clients: Clients) -> None:
        self._clients = clients if target.kubernetes is not None else None
        self._own: OwnPermissions | None = None
        self._told: dict[Permission, bool] = {}

    def missing(self, needed: Iterable[Permission | AwsAction]) -> list[str]:
        """Those that are not given, one sentence each. Actions of AWS are checked by the calls' dry
        runs.
        """
        asked = dict.fromkeys(each for each in needed if isinstance(each, Permission))
        try:
            lacking = [each for each in asked if not self._allowed(each)]
        except CallError as error:
            return [f"could not ask the cluster what is allowed: {error}"]
        return [
            f"not allowed to {each}{f' ({each.reason})' if each.reason else ''}; grant it to the "
            "identity of this kubeconfig"
            for each in lacking
        ]

    def denied(self, wished: Iterable[Permission]) -> frozenset[Permission]:
        """Those that are not given; all of them where nobody could be asked."""
        try:
            return frozenset(each for each in wished if not self._allowed(each))
        except CallError:
            return frozenset(wished)

    def _allowed(self, permission: Permission) -> bool:
        if self._clients is None:
            return True
        if self._own is None:
            self._own = OwnPermissions(self._clients.kube)
        asked = replace(permission, reason="")
        if asked not in self._told:
            self._told[asked] = self._own.may(asked)
        return self._told[asked]


def workloads_among(targets: Iterable[str]) -> Mapping[str, Set[tuple[str, str]]]:
    """(kind, name) of the workloads and pods among targets such as `pod/shop/web-1`, by
    namespace.
    """
    found: dict[str, set[tuple[str, str]]] = {}
    for target in targets:
        kind, _, rest = target.partition("/")
        namespace, _, name = rest.partition("/")
        if kind in WORKLOADS and name:
            found.setdefault(namespace, set()).add((kind, name))
    return found


def scopes(step: Step, prospect: Prospect) -> tuple[tuple[str, str], ...]:
    """(namespace, selector) of what a step touches, to be looked at when it fails: as its
    configuration says, else the namespaces of its targets.
    """
    given = step.with_.get("configuration")
    if isinstance(given, Mapping) and isinstance(given.get("namespace"), str):
        return ((given["namespace"], str(given.get("selector", ""))),)
    found: dict[tuple[str, str], None] = {}
    for target in prospect.targets:
        kind, _, rest = target.partition("/")
        namespace, _, name = rest.partition("/")
        if kind == "pod" and name:
            found[(namespace, "")] = None
    return tuple(found)[:SCOPES]
