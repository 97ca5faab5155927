"""Resolves a drill against its target without touching anything: victims, effects,
permissions, problems.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drillkit.clients import Clients
from drillkit.clients.kube.resources import Resource
from drillkit.model.drill import Drill, Group, Step, Target
from drillkit.model.errors import CallError, DrillError, SpecError
from drillkit.model.prospect import Prospect
from drillkit.plan.secrets import missing_secrets
from drillkit.steps.base import Act, kind_named


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What one step would do."""

    step: Step
    group: str
    prospect: Prospect


@dataclass(frozen=True, slots=True)
class Plan:
    """What a drill would do to a target."""

    drill: Drill
    target: Target
    steps: tuple[StepPlan, ...]
    problems: tuple[str, ...]
    """Why it must not start; each names its step."""
    fails: tuple[str, ...] = ()
    """Steps that would fail as things are now, and why: a weakness that a run would find."""


def survey(
    drill: Drill,
    target: Target,
    clients: Clients,
    act_of: Callable[[Step], Act],
    bind: Callable[[Step], object | None],
) -> Plan:
    """Look at everything the drill would touch. Reads only.

    `bind` gives the arguments of a step's kind, or None when they depend on outputs of earlier
    steps. What cannot be looked at is a problem: planning fails closed.
    """
    plans: list[StepPlan] = []
    problems: list[str] = [*_wrong_cluster(target, clients), *missing_secrets(drill, target)]
    fails: list[str] = []
    for entry in drill.steps:
        group = entry.name if isinstance(entry, Group) else ""
        for step in entry.parallel if isinstance(entry, Group) else (entry,):
            prospect = _prospect(step, act_of, bind)
            prospect_problems = [
                *prospect.problems,
                *_missing_permissions(prospect, target, clients),
            ]
            problems += [f"step `{step.name}`: {what}" for what in prospect_problems]
            fails += [f"step `{step.name}`: {why}" for why in prospect.fails]
            plans.append(StepPlan(step, group, prospect))
    return Plan(drill, target, tuple(plans), tuple(dict.fromkeys(problems)), tuple(fails))


def _wrong_cluster(target: Target, clients: Clients) -> list[str]:
    """Why this is not the cluster that the target means, or nobody can tell."""
    if target.kubernetes is None:
        return []
    try:
        clients.verify_cluster()
    except DrillError as error:
        return [str(error)]
    return []


def _prospect(
    step: Step, act_of: Callable[[Step], Act], bind: Callable[[Step], object | None]
) -> Prospect:
    try:
        arguments = bind(step)
        if arguments is None:
            return Prospect(
                notes=("depends on what earlier steps give: looked at when it is reached",)
            )
        return kind_named(step.uses).prospect(arguments, act_of(step))
    except SpecError as error:
        return Prospect(problems=tuple(map(str, error.mistakes)))
    except DrillError as error:
        return Prospect(problems=(str(error),))


def _missing_permissions(prospect: Prospect, target: Target, clients: Clients) -> list[str]:
    """Permissions of the cluster that the operator lacks. `rds:...` and its like are checked by the
    calls' dry runs.
    """
    if target.kubernetes is None:
        return []
    missing: list[str] = []
    for permission in dict.fromkeys(prospect.permissions):
        words = permission.split()
        if ":" in words[0]:
            continue
        verb, what, namespace = words[0], words[1], words[2] if len(words) > 2 else ""
        resource, _, subresource = what.partition("/")
        plural, _, group = resource.partition(".")
        try:
            allowed = clients.kube.can_i(
                verb, Resource(group, "", plural), subresource=subresource, namespace=namespace
            )
        except CallError as error:
            return [f"could not ask the cluster what is allowed: {error}"]
        if not allowed:
            where = f" in namespace {namespace}" if namespace else ""
            missing.append(
                f"not allowed to {verb} {what}{where}; grant it to the identity of this kubeconfig"
            )
    return missing
