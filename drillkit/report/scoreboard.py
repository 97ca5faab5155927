"""The first page's table: each system with its recovery time and point against their objectives and
how they were measured, what users lost, and what became of the effects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from drillkit.archive.systems import System, system_of
from drillkit.judge.run_history import RunRead, StepRun
from drillkit.judge.sample_stats import sli_of
from drillkit.judge.wording import bare_title, lost
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Objectives
from drillkit.model.evidence import Mark, RecoveryPoint
from drillkit.model.records import History
from drillkit.model.rehearsal import SERVICE, Rehearsal
from drillkit.model.subjects import BoundOf, ObjectiveName, ObjectiveOf
from drillkit.model.units import format_duration
from drillkit.model.verdict import Holds, Judged, SliSummary, StepVerdict, UndoState, Verdict

NOBODY_WATCHED = "nobody watched what users felt"
_BASES: Mapping[str, str] = {
    "canary": "from the newest heartbeat in the restored data",
    "newest-row": "from the newest row in the restored data, a lower bound",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the table."""

    value: str
    """`2.4 s`, `7 of 2,400 requests lost`, `not measured`."""
    objective: str = ""
    """`2 min`; '' where none is declared."""
    holds: Holds | None = None
    """None: it was observed, not judged."""
    how: str = ""
    """How it was measured, or why it was not."""
    step: str = ""
    """Which step's, where the system has several."""


@dataclass(frozen=True, slots=True)
class SystemRow:
    """One system."""

    kind: str
    name: str
    steps: tuple[str, ...]
    rto: tuple[Figure, ...]
    """Of a service: how fast it recovered."""
    rpo: tuple[Figure, ...]
    damage: tuple[Figure, ...]
    """What users lost of a service; empty: no probe and no SLO is about this system."""
    undone: str
    clean: bool
    """Nothing of it is left."""


def scoreboard(history: History, run: RunRead, verdict: Verdict) -> tuple[SystemRow, ...]:
    """A row for each service that was watched, then one for each system that steps are about."""
    effects = _effects(history, verdict)
    systems: dict[System, list[StepVerdict]] = {}
    for step in verdict.steps:
        seen = run.steps.get(step.name)
        declared = seen.declared if seen else None
        rehearsal = seen.rehearses if seen else Rehearsal()
        systems.setdefault(system_of(rehearsal, declared), []).append(step)
    others = [step for system, steps in systems.items() if system.kind == SERVICE for step in steps]
    rows = _services(run, verdict, others, effects)
    rows += [
        _row(run, system, system.name or steps[0].name, steps, effects, ())
        for system, steps in systems.items()
        if system.kind != SERVICE
    ]
    return tuple(rows)


def _services(
    run: RunRead, verdict: Verdict, steps: list[StepVerdict], effects: Mapping[str, list[UndoState]]
) -> list[SystemRow]:
    service = System(SERVICE, "")
    watched = {s.sli: s for s in verdict.slis if not s.control and s.phase == "during"}
    bounds = _bounds(verdict)
    names = dict.fromkeys((*watched, *(_probe_of(run, j, watched) for j in bounds)))
    rows = []
    for name in names:
        mine = [j for j in bounds if _probe_of(run, j, watched) == name]
        damage = tuple(_damage(watched.get(name), mine))
        rows.append(_row(run, service, name, steps, effects, damage, mine))
    disturbing = [s for s in steps if _disturbs(run, s.name) or effects.get(s.name)]
    if not rows and disturbing:
        nothing = (Figure(NOBODY_WATCHED),)
        rows.append(_row(run, service, verdict.target or "-", steps, effects, nothing))
    return rows


def _disturbs(run: RunRead, step: str) -> bool:
    seen = run.steps.get(step)
    return seen is not None and seen.disturbs == "users"


def _bounds(verdict: Verdict) -> list[Judged]:
    """Bounds of the drill and of its steps, each once."""
    everything = [*verdict.bounds, *(j for step in verdict.steps for j in step.judged)]
    return [j for j in dict.fromkeys(everything) if isinstance(j.about, BoundOf)]


def _probe_of(run: RunRead, judged: Judged, watched: Mapping[str, SliSummary]) -> str:
    """The service that a bound is about: its probe, where its SLO is measured by one."""
    assert isinstance(judged.about, BoundOf)
    probe = sli_of(run, judged.about.sli)
    return probe if probe in watched else judged.about.sli


def _row(
    run: RunRead,
    system: System,
    name: str,
    steps: Sequence[StepVerdict],
    effects: Mapping[str, list[UndoState]],
    damage: tuple[Figure, ...],
    bounds: Sequence[Judged] = (),
) -> SystemRow:
    rto: list[Figure] = []
    rpo: list[Figure] = []
    for step in steps:
        seen = run.steps.get(step.name)
        if seen is not None:
            rto += _times(step, seen, several=len(steps) > 1)
            rpo += _points(step, seen, several=len(steps) > 1)
    rto += [
        _bound(j) for j in bounds if isinstance(j.about, BoundOf) and j.about.bound == "recovery"
    ]
    made = [effect for step in steps for effect in effects.get(step.name, ())]
    return SystemRow(
        kind=system.kind,
        name=name,
        steps=tuple(step.name for step in steps),
        rto=tuple(rto),
        rpo=tuple(rpo),
        damage=damage,
        undone=made_and_gone(made),
        clean=_clean(made),
    )


def _times(step: StepVerdict, seen: StepRun, *, several: bool) -> Iterator[Figure]:
    """Its RTO and its recovery, those that are declared or measured."""
    objectives = seen.declared.objectives if seen.declared else Objectives()
    simulated = any(
        isinstance(each.what, Mark) and each.what.moment == "disrupted" and each.what.simulated
        for each in seen.evidence
    )
    loss = "a disruption that was only declared (simulated)" if simulated else "the disruption"
    name = step.name if several else ""
    how = f"from {loss} to the last check that passed"
    if step.rto_s is not None or objectives.rto is not None:
        yield _figure(step, "rto", step.rto_s, objectives.rto, how, name)
    elif step.recovery_s is not None or objectives.recovery is not None:
        judged = _judged(step, "recovery")
        note = judged.note if judged else f"from {loss} to the workload whole and users served"
        yield _figure(step, "recovery", step.recovery_s, objectives.recovery, note, name)
    yield from _reactions(step, objectives, name)


def _reactions(step: StepVerdict, objectives: Objectives, name: str) -> Iterator[Figure]:
    """How long it took until it was noticed, until somebody had it, until its effect was gone."""
    detect = objectives.detect.within if objectives.detect else None
    times: tuple[tuple[ObjectiveName, str, str, float | None, timedelta | None], ...] = (
        ("detect", "detected", "detection", step.detect_s, detect),
        (
            "acknowledge",
            "acknowledged",
            "acknowledgement",
            step.acknowledge_s,
            objectives.acknowledge,
        ),
        ("mitigate", "mitigated", "mitigation", step.mitigate_s, objectives.mitigate),
    )
    for objective, done, noun, value_s, limit in times:
        if value_s is None and limit is None:
            continue
        figure = _figure(step, objective, value_s, limit, "from the disruption", name)
        value = figure.value
        if value_s is not None:
            value = f"{done} in {value}"
        elif value in ("not measured", "not reached"):
            value = f"{noun} {value}"
        yield replace(figure, value=value)


def _points(step: StepVerdict, seen: StepRun, *, several: bool) -> Iterator[Figure]:
    limit = seen.declared.objectives.rpo if seen.declared else None
    bases = [each.what.basis for each in seen.evidence if isinstance(each.what, RecoveryPoint)]
    if step.rpo_s is None and limit is None:
        return
    basis = next((b for b in _BASES if b in bases), bases[-1] if bases else "")
    how = _BASES.get(basis, f"promised ({basis}), not read from restored data" if basis else "")
    yield _figure(step, "rpo", step.rpo_s, limit, how, step.name if several else "")


def _figure(
    step: StepVerdict,
    objective: ObjectiveName,
    value_s: float | None,
    limit: timedelta | None,
    how: str,
    name: str,
) -> Figure:
    judged = _judged(step, objective)
    wanted = format_duration(limit) if limit is not None else ""
    holds = judged.holds if judged else None
    if value_s is not None:
        doubt = judged.doubt if judged else ""
        return Figure(_seconds(value_s), wanted, holds, doubt or how, name)
    if judged is None:
        return Figure("not reached" if step.outcome == "skipped" else "not measured", wanted, holds)
    said = judged.observed.partition("not measured: ")
    if said[1]:
        return Figure("not measured", wanted, holds, said[2], name)
    return Figure(judged.observed, wanted, holds, judged.note or how, name)


def _judged(step: StepVerdict, objective: ObjectiveName) -> Judged | None:
    about = ObjectiveOf(step.name, objective)
    return next((j for j in step.judged if j.about == about), None)


def _damage(sli: SliSummary | None, bounds: Iterable[Judged]) -> Iterator[Figure]:
    """Bounds first; what was only observed after them."""
    judged = [j for j in bounds if isinstance(j.about, BoundOf) and j.about.bound != "recovery"]
    bounded = {j.about.bound for j in judged if isinstance(j.about, BoundOf)}
    yield from (_bound(j) for j in judged)
    if sli is None or not sli.sent:
        return
    if "bad" not in bounded:
        yield Figure(lost(sli.bad, sli.sent), how="observed, not judged")
    if "longest_gap" not in bounded and sli.longest_gap_s:
        gap = f"longest gap {_seconds(sli.longest_gap_s)}"
        yield Figure(gap, how="observed, not judged")


def _bound(judged: Judged) -> Figure:
    value = judged.observed
    if value.startswith("not measured"):
        value = f"{bare_title(judged.about)} {value}"
    wanted = judged.expected.removeprefix("at most ")
    return Figure(value, wanted, judged.holds, judged.doubt)


def _seconds(value_s: float) -> str:
    return format_duration(round(value_s, 2))


def _effects(history: History, verdict: Verdict) -> dict[str, list[UndoState]]:
    """By the step that made them; '' is the run itself."""
    planned = {undo.record for undo in verdict.undos}
    steps = {record.n: record.step for record in history if record.n in planned}
    found: dict[str, list[UndoState]] = {}
    for undo in verdict.undos:
        found.setdefault(steps.get(undo.record, ""), []).append(undo)
    return found


@dataclass(frozen=True, slots=True)
class EffectGroup:
    """Effects of one kind: a line, and each on demand."""

    kind: str
    line: str
    clean: bool
    undos: tuple[UndoState, ...]


def effect_groups(undos: Sequence[UndoState]) -> tuple[EffectGroup, ...]:
    """Effects by their kind, those of which something is left first."""
    kinds: dict[str, list[UndoState]] = {}
    for undo in undos:
        kinds.setdefault(undo.kind, []).append(undo)
    groups = [
        EffectGroup(kind, made_and_gone(several), _clean(several), tuple(several))
        for kind, several in kinds.items()
    ]
    return tuple(sorted(groups, key=lambda group: group.clean))


def _clean(effects: Iterable[UndoState]) -> bool:
    return all(effect.outcome not in ("open", "not-ours") for effect in effects)


_LEFT: Mapping[str, str] = {
    "open": "left",
    "not-ours": "not ours any more",
    "kept": "kept on purpose",
    "by-hand": "undone by hand, on somebody's word",
}


def made_and_gone(effects: Sequence[UndoState]) -> str:
    """`14 made, 14 gone`; '' where nothing was done."""
    passing = [e for e in effects if e.phase == "irreversible"]
    made = [e for e in effects if e.phase != "irreversible" and e.outcome != "never-happened"]
    said = []
    if made:
        gone = sum(e.outcome in ("undone", "already-undone") for e in made)
        said.append(f"{len(made)} made, {gone} gone")
    for outcome, words in _LEFT.items():
        if count := sum(e.outcome == outcome for e in made):
            said.append(f"{count} {words}")
    if passing:
        said.append(f"{len(passing)} not reversible")
    never = len(effects) - len(made) - len(passing)
    if never and not said:
        said.append(f"{never} planned, none happened")
    return ", ".join(said)
