"""What a step's kind can measure, check and give: whatever else a drill asks of it is refused
before anything runs, instead of ending in `unknown` after hours.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from drillkit.entry_points import BrokenPlugin
from drillkit.model.drill import Drill, Objectives, Step, StepCheck
from drillkit.spec.arguments import steps_in
from drillkit.spec.binder import Unresolved
from drillkit.spec.document import Trail, nearest, of_data
from drillkit.spec.document import Where as Place
from drillkit.spec.interpolation import references

if TYPE_CHECKING:
    from drillkit.spec.source import Kinds, Written
    from drillkit.steps.base import Experiment, Kind

_MEASURED = {
    "rto": "nothing it does brings back what was lost",
    "rpo": "it restores no data",
    "recovery": "it does not watch anything become whole again",
    "detect": "it harms nobody, so that no alert has a reason to fire",
    "acknowledge": "it harms nobody, so that there is nothing to acknowledge",
    "mitigate": "it harms nobody, so that there is nothing to mitigate",
}
BY_PEOPLE = ("acknowledge", "mitigate")
"""Measured wherever `detect` is."""
RECOVERY_POINTS = ("canary", "newest")
"""Checks that find out how old the newest data are."""


def check_served(drill: Drill, parsed: Written) -> Iterator[tuple[Trail, str]]:
    """What steps ask of their kinds that these do not do."""
    for path, item in steps_in(drill):
        if not isinstance(item, Step) or isinstance(item.uses, Unresolved):
            continue
        try:
            kind = parsed.kinds.named(item.uses)
        except (KeyError, ImportError, BrokenPlugin):
            continue  # told where kinds are looked up
        yield from _objectives(item, kind, parsed.kinds, path)
        for i, wanted in enumerate(item.checks):
            if not isinstance(wanted, Unresolved):
                yield from _check(wanted, kind, (*path, "checks", i))
    yield from _outputs(drill, parsed.kinds)


def _objectives(
    step: Step, kind: Kind[Any], kinds: Kinds, path: Trail
) -> Iterator[tuple[Trail, str]]:
    wanted = step.objectives
    if isinstance(wanted, Unresolved):
        return
    for name, why in _MEASURED.items():
        measured = "detect" if name in BY_PEOPLE else name
        if getattr(wanted, name) is None or measured in kind.objectives:
            continue
        others = ", ".join(_measuring(name, kinds)) or "none is installed"
        yield (
            (*path, "objectives", name),
            f"a `{kind.name}` step has no {name}: {why}. Leave it out; it is measured by {others}",
        )
    yield from _evidence(step, wanted, kind, path)


def _measuring(objective: str, kinds: Kinds) -> Iterator[str]:
    for name in kinds.names():
        measured = "detect" if objective in BY_PEOPLE else objective
        with contextlib.suppress(BrokenPlugin):  # nobody can be told to use that one
            if measured in kinds.named(name).objectives:
                yield f"`{name}`"


def _evidence(
    step: Step, wanted: Objectives, kind: Kind[Any], path: Trail
) -> Iterator[tuple[Trail, str]]:
    """An RTO ends with a check. An RPO of a kind that restores nothing itself needs one, too."""
    ends = bool(step.checks) or kind.reads_itself
    if wanted.rto is not None and "rto" in kind.objectives and not ends:
        yield (
            (*path, "objectives", "rto"),
            "an RTO ends with the last passing check, and the step has none: declare `checks` "
            f"({_listed(kind)})",
        )
    if wanted.rpo is not None and "random" in (step.with_.get("choose"), step.with_.get("to")):
        yield (
            (*path, "objectives", "rpo"),
            "a backup that is drawn at random is older than the one that would be restored in a "
            "disaster, so it has no rpo: leave it out, or restore the latest one",
        )
    if wanted.rpo is None or "rpo" not in kind.objectives or not kind.asks_instances:
        return
    known = [check for check in step.checks if not isinstance(check, Unresolved)]
    if len(known) == len(step.checks) and not any(
        getattr(check, key) is not None for check in known for key in RECOVERY_POINTS
    ):
        yield (
            (*path, "objectives", "rpo"),
            "an RPO is read from the data: declare a check `canary` or `newest` with `instance`",
        )


def _check(wanted: StepCheck, kind: Kind[Any], path: Trail) -> Iterator[tuple[Trail, str]]:
    from drillkit.steps.base import DATABASE_CHECKS

    if not wanted.subjects:
        return
    subject = wanted.subjects[0]
    served = subject
    if subject == "http" and isinstance(wanted.http, Mapping):
        served = "service"
    if served not in kind.checks:
        yield (*path, subject), _unserved(served, kind)
        return
    reads_database = subject in DATABASE_CHECKS
    if kind.asks_instances and reads_database and wanted.instance is None:
        yield (
            (*path, subject),
            f"a `{kind.name}` step restores no database itself: say which one to ask with "
            "`instance`, one of the target's `databases`",
        )
    if wanted.instance is not None and not (kind.asks_instances and reads_database):
        yield (
            (*path, "instance"),
            "`instance` goes with checks of a database on steps that restore none themselves; "
            "leave it out",
        )


def _unserved(served: str, kind: Kind[Any]) -> str:
    if not kind.checks:
        return f"a `{kind.name}` step runs no checks; leave them out, or put them on another step"
    if served == "service":
        return (
            f"a `{kind.name}` step makes no namespace to look for a service in: give `http` a URL"
        )
    return f"a `{kind.name}` step runs no `{served}` check; it runs {_listed(kind)}"


def _listed(kind: Kind[Any]) -> str:
    return ", ".join(f"`{key}`" for key in sorted(kind.checks - {"service"}))


def unmeasured_by(experiment: Experiment, wanted: Objectives) -> str:
    """Why an experiment cannot have its recovery measured, or ''."""
    from drillkit.clients.chaostoolkit.protocol import is_own

    if wanted.recovery is None:
        return ""
    method = experiment.data.get("method")
    actions = [a for a in method if isinstance(a, Mapping)] if isinstance(method, list) else []
    if any(isinstance(a.get("provider"), Mapping) and is_own(a) for a in actions):
        return ""
    return (
        f"no action of experiment `{experiment.name}` is one of drillkit's own, so that nothing "
        "says when the workload is whole again: use `rto` with `checks` instead"
    )


def _outputs(drill: Drill, kinds: Kinds) -> Iterator[tuple[Trail, str]]:
    """References name outputs that the other step's kind gives."""
    given = dict(_given(drill, kinds))
    for path, step in steps_in(drill):
        if not isinstance(step, Step):
            continue
        tree = of_data(step.with_, Place(step.name))
        for ref, _, inner in references(tree, (*path, "with")):
            parts = ref.name.split(".")
            if len(parts) != 4 or parts[0] != "steps" or parts[1] not in given:
                continue
            uses, outputs = given[parts[1]]
            if parts[3] not in outputs:
                hint = nearest(parts[3], outputs) if outputs else "; it has none"
                yield inner, f"`{ref}`: a `{uses}` step gives no output `{parts[3]}`{hint}"


def _given(drill: Drill, kinds: Kinds) -> Iterator[tuple[str, tuple[str, Iterable[str]]]]:
    for _, step in steps_in(drill):
        if not isinstance(step, Step) or isinstance(step.uses, Unresolved):
            continue
        try:
            kind = kinds.named(step.uses)
        except (KeyError, ImportError, BrokenPlugin):
            continue
        yield step.name, (kind.name, tuple(kind.outputs))
