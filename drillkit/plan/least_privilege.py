"""The least that an identity must be allowed for one drill, with the reason for each part."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from drillkit.lazy_dataclass import dataclass
from drillkit.model.permissions import AwsAction, Permission
from drillkit.model.target import KubernetesTarget, Target
from drillkit.plan import Plan, StepPlan

NAME_LIMIT = 50
"""Characters of a role's name: names of ServiceAccounts and policies have room for more."""


@dataclass(frozen=True, slots=True)
class RbacRule:
    """Verbs on one kind of object, for the same reasons: a rule of a role."""

    namespace: str
    """'' for every namespace, or objects that are in none."""
    group: str
    resource: str
    """With its subresource: `pods/log`."""
    name: str
    """'' for any object."""
    verbs: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeastPrivilege:
    """What a drill, its undos and `recover` need of a target, and nothing else."""

    drill: str
    target: Target
    needs: tuple[Permission, ...]
    """Each once; its `reason` names all that need it."""
    wishes: tuple[Permission, ...]
    """What helps to explain a failure, and to tell weaknesses. A run goes on without."""
    actions: tuple[AwsAction, ...]
    gaps: tuple[str, ...]
    """What nobody can compute, so that it is not in here."""
    problems: tuple[str, ...]
    """Why a step could not be looked at: what it needs may be missing in here."""

    @property
    def name(self) -> str:
        """What roles and policies for it are called."""
        plain = re.sub(r"[^a-z0-9]+", "-", self.drill.lower()).strip("-")[:NAME_LIMIT].strip("-")
        return f"drillkit-{plain}" if plain else "drillkit"

    def rules(self) -> tuple[RbacRule, ...]:
        """What is needed in the cluster, and what is wished for, as rules of roles."""
        return tuple(_rules([*self.needs, *self.wishes]))


def least_privilege(plan: Plan) -> LeastPrivilege:
    """Of a drill, as it was planned."""
    needs: list[Permission] = list(plan.permissions)
    wishes: list[Permission] = []
    actions: list[AwsAction] = []
    for item in plan.steps:
        for each in item.prospect.permissions:
            because = _because(item, each.reason)
            if isinstance(each, AwsAction):
                actions.append(replace(each, reason=because))
            else:
                needs.append(replace(each, reason=because))
        wishes += item.wishes
    needed = _once(needs)
    return LeastPrivilege(
        plan.drill.drill,
        plan.target,
        tuple(needed),
        tuple(each for each in _once(wishes) if not _granted(each, needed)),
        tuple(_once_each(actions)),
        tuple(_gaps(plan)),
        tuple(
            f"step `{item.step.name}`: {what}"
            for item in plan.steps
            for what in item.prospect.problems
        ),
    )


def _because(item: StepPlan, reason: str) -> str:
    return f"step `{item.step.name}`: {reason or item.step.uses}"


def _once(permissions: Iterable[Permission]) -> list[Permission]:
    """Each once, with all its reasons; none that another one grants everywhere or for any name."""
    reasons: dict[Permission, dict[str, None]] = {}
    for each in permissions:
        reasons.setdefault(replace(each, reason=""), {})[each.reason] = None
    wide = set(reasons)
    for each in [each for each in reasons if _wider(each, wide)]:
        (grants, *_) = _wider(each, wide)
        reasons[grants] |= reasons.pop(each)
        wide.discard(each)
    return [replace(each, reason="; ".join(filter(None, why))) for each, why in reasons.items()]


def _wider(permission: Permission, given: set[Permission]) -> list[Permission]:
    """Those that grant it as well: in every namespace, for every name."""
    forms = (
        replace(permission, name=""),
        replace(permission, namespace=""),
        replace(permission, namespace="", name=""),
    )
    return [form for form in forms if form != permission and form in given]


def _granted(wish: Permission, needed: Iterable[Permission]) -> bool:
    given = {replace(each, reason="") for each in needed}
    plain = replace(wish, reason="")
    return plain in given or bool(_wider(plain, given))


def _once_each(actions: Iterable[AwsAction]) -> Iterator[AwsAction]:
    reasons: dict[AwsAction, dict[str, None]] = {}
    for each in actions:
        reasons.setdefault(replace(each, reason=""), {})[each.reason] = None
    for each, why in reasons.items():
        yield replace(each, reason="; ".join(why))


def _gaps(plan: Plan) -> Iterator[str]:
    for item in plan.steps:
        name = item.step.name
        if item.prospect.unknown:
            yield (
                f"step `{name}` depends on what earlier steps give: what it needs is not known yet"
            )
        for program in item.prospect.programs:
            yield f"step `{name}` runs {program}: what that needs, only its author knows"


def _rules(permissions: Iterable[Permission]) -> Iterator[RbacRule]:
    """Verbs that differ in nothing else stand together."""
    found: dict[tuple[str, str, str, str], dict[str, list[str]]] = {}
    for each in permissions:
        what = f"{each.resource}/{each.subresource}" if each.subresource else each.resource
        key = (each.namespace, each.group, what, each.name)
        found.setdefault(key, {}).setdefault(each.reason, []).append(each.verb)
    for (namespace, group, resource, name), by_reason in found.items():
        verbs = [verb for some in by_reason.values() for verb in some]
        reasons = tuple(reason for reason in by_reason if reason)
        yield RbacRule(namespace, group, resource, name, tuple(dict.fromkeys(verbs)), reasons)


def by_namespace(rules: Iterable[RbacRule]) -> Mapping[str, list[RbacRule]]:
    """Rules by the role that holds them; '' is the ClusterRole."""
    found: dict[str, list[RbacRule]] = {}
    for rule in rules:
        found.setdefault(rule.namespace, []).append(rule)
    return found


def lock_namespace(target: Target) -> str:
    """Where an identity made for drills lives: beside the lock of runs."""
    return (target.kubernetes or KubernetesTarget()).namespace
