"""Which fault had been made just before users suffered: the nearest one in time. That is a place to
look at, no proof.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from drillkit.judge.run_history import At, RunRead, StepRun
from drillkit.judge.sample_stats import Samples, brackets_of, sli_of
from drillkit.lazy_dataclass import dataclass
from drillkit.model.evidence import Activity, Mark
from drillkit.model.records import EffectEntry, EffectIrreversible, UndoPlanned
from drillkit.model.subjects import BoundOf
from drillkit.model.units import format_duration

SLACK_S = 0.1
"""A request that was sent so much before the fault can have failed of it; and an activity's own
effects lie within it but for so much.
"""
TOGETHER_S = 2.0
NAMED = 3


@dataclass(frozen=True, slots=True)
class _Fault:
    at: float
    step: str
    name: str
    """Of the activity, or what was done; '' where only the step is known."""
    targets: tuple[str, ...]

    def words(self) -> str:
        """`“delete pods” of step kill on pod/shop/web-1`."""
        whose = f"{self.name} of step {self.step}" if self.name else f"step {self.step}"
        if not self.targets:
            return whose
        more = f" and {len(self.targets) - NAMED} more" if len(self.targets) > NAMED else ""
        return f"{whose} on {', '.join(self.targets[:NAMED])}{more}"


def fault_before(run: RunRead, samples: Samples, about: BoundOf) -> str:
    """What was done before the failures that broke a bound, and how long before; where no failure
    can be told apart (latency, metrics), what was done meanwhile. '' where nothing is known.
    """
    start, end = _window(run, about)
    faults = sorted(_faults(run), key=lambda fault: fault.at)
    seen = samples.slis.get(sli_of(run, about.sli))
    brackets = brackets_of(seen, start, end) if seen is not None else []
    if not brackets:
        meanwhile = [f.words() for f in faults if start - SLACK_S <= f.at <= end]
        more = f"; {len(meanwhile) - NAMED} more" if len(meanwhile) > NAMED else ""
        return "; ".join(meanwhile[:NAMED]) + more
    first = (
        max(brackets, key=lambda b: b.most_s) if about.bound == "longest_gap" else brackets[0]
    ).first_bad
    before = [fault for fault in faults if fault.at <= first + SLACK_S]
    if not before:
        return ""
    ago_s = round(max(0.0, first - before[-1].at), 1)
    when = f"{format_duration(ago_s)} before" if ago_s else "at that moment"
    return f"{before[-1].words()}, {when}"


def _window(run: RunRead, about: BoundOf) -> tuple[float, float]:
    step = run.steps.get(about.step)
    if step is None:
        return run.during
    start = math.inf if step.started is None else step.started
    return start, run.end if step.ended is None else step.ended


def _faults(run: RunRead) -> Iterator[_Fault]:
    for step in run.steps.values():
        effects = [seen for seen in run.effects if seen.step == step.name and _is_felt(seen)]
        found = [*_actions(step, effects), *_together(_bare_effects(step, effects))]
        yield from found or _declared(step)


def _is_felt(seen: At[EffectEntry]) -> bool:
    what = seen.what
    return isinstance(what, EffectIrreversible) or (
        isinstance(what, UndoPlanned) and what.phase == "relieve"
    )


def _activities(step: StepRun) -> Iterator[tuple[Activity, float, float]]:
    """Actions with their begin and end."""
    for seen in step.evidence:
        match seen.what:
            case Activity(kind="action", place="method") as action if action.outcome != "skipped":
                yield action, seen.mono - action.took_s, seen.mono


def _actions(step: StepRun, effects: Sequence[At[EffectEntry]]) -> Iterator[_Fault]:
    for action, begin, end in _activities(step):
        inside = [e.mono for e in effects if begin - SLACK_S <= e.mono <= end + SLACK_S]
        name = f"\N{LEFT DOUBLE QUOTATION MARK}{action.name}\N{RIGHT DOUBLE QUOTATION MARK}"
        yield _Fault(min(inside, default=begin), step.name, name, action.targets)


def _bare_effects(step: StepRun, effects: Sequence[At[EffectEntry]]) -> Iterator[_Fault]:
    spans = [(begin, end) for _, begin, end in _activities(step)]
    for seen in effects:
        if any(begin - SLACK_S <= seen.mono <= end + SLACK_S for begin, end in spans):
            continue
        match seen.what:
            case EffectIrreversible(effect=effect, resource=resource):
                verb = effect.rpartition(".")[2].replace("-", " ")
                yield _Fault(seen.mono, step.name, verb, (resource,))
            case UndoPlanned(resource=resource):
                yield _Fault(seen.mono, step.name, "", (resource,))


def _together(several: Iterable[_Fault]) -> list[_Fault]:
    """The same thing done to several objects at once is one fault."""
    found: list[_Fault] = []
    for fault in several:
        last = found[-1] if found else None
        if last and last.name == fault.name and fault.at - last.at <= TOGETHER_S:
            found[-1] = replace(last, targets=last.targets + fault.targets)
        else:
            found.append(fault)
    return found


def _declared(step: StepRun) -> Iterator[_Fault]:
    """Of a step that drillkit did not do itself: the disruption that it declared."""
    for seen in step.evidence:
        if isinstance(seen.what, Mark) and seen.what.moment == "disrupted":
            yield _Fault(seen.what.at, step.name, "", ())
