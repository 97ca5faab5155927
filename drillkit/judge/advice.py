"""What to do next about something that was missed or not proven."""

from __future__ import annotations

import re
from typing import assert_never

from drillkit.model.subjects import (
    ActivityOf,
    BoundName,
    BoundOf,
    CheckOf,
    ComparisonOf,
    FaultInEffect,
    GateOf,
    GuardOf,
    ObjectiveName,
    ObjectiveOf,
    StepEnd,
    StepLack,
    UndoOf,
    WholeRun,
)
from drillkit.model.verdict import Holds, Judged

HIT_NOTHING = "it hit nothing"
"""What was observed of an action that found no victim."""
_LATENCY = "look at the latency chart: time-outs, queues, what the service calls"
_RECOVERY = "compare with readiness probes, replica counts and start-up times"
_BOUNDS: dict[BoundName, str] = {
    "budget": "see what the SLO allows and what this drill used of it",
    "recovery": _RECOVERY,
    "longest_gap": "look at the outages: retries, connection draining, readiness, budgets of "
    "disruption",
    "bad": "look at the causes and when they came: retries, time-outs, what the service calls",
    "p95": _LATENCY,
    "p99": _LATENCY,
}
"""Where a weakness may lie that was shown."""
_OBJECTIVES: dict[ObjectiveName, str] = {
    "rto": "compare its parts, under Steps: the longest is where time is to be won",
    "rpo": "take backups more often, or ship them sooner; the recovery points tell which is the "
    "newest",
    "recovery": _RECOVERY,
    "detect": "look at the alert's rule, how long it waits, and whom it calls",
    "acknowledge": "look at who was called, how, and who stands in for them",
    "mitigate": "go through the runbook: which step of it took longest, and what was missing",
}
"""Where time is to be won that was lost."""
_UNMEASURED: dict[ObjectiveName, str] = {
    "rto": "see which check did not pass or could not be read: the last of them ends the RTO",
    "rpo": "declare a check that reads how new the restored data is: `canary:` or `newest:`",
    "recovery": "see what kept it from being measured, then run the drill again",
    "detect": "say it while the drill runs (`drillkit say mark detected`), or name the alert under "
    "`detect:`",
    "acknowledge": "say it while the drill runs: `drillkit say mark acknowledged`",
    "mitigate": "say it while the drill runs: `drillkit say mark mitigated`",
}
"""How a time gets measured that was not."""
_CHECK = "read the same by hand: is the system wrong, or what was expected of it?"
_AGAIN = "see what kept it from being measured, then run the drill again"
_WHOLE = {
    "journal": "judge it with the version of drillkit that wrote it",
    "opening": "judge it with the version of drillkit that wrote it",
    "abort": 'see under "What happened when" what was seen before it',
    "end": "run the drill again: a drill that was cut off is cleaned up, never resumed",
    "steps": "add a step that disturbs something; a wait or an empty method tests nothing",
    "declared": "declare bounds under `hypothesis.during`, or objectives and checks of its steps",
    "action-item": "",
}
_RUNNER = {
    "plan": "correct what it names; `drillkit plan` shows without touching anything whether it is "
    "enough",
    "drill": "correct what it names; `drillkit plan` shows without touching anything whether it is "
    "enough",
    "target": "make the target reachable, or correct it in targets.yaml; `drillkit plan` looks at "
    "it without touching anything",
    "lock": "wait until the target is free; `drillkit plan` looks again without touching anything",
    "start": "correct what it names, or wait until it is over; `drillkit plan` looks again without "
    "touching anything",
}
"""What the runner looks at beside the guards that a drill declares. Older versions wrote `start`
for all of them.
"""
RUNNERS_GUARDS = frozenset(_RUNNER)
_SLO_UNREAD = re.compile(r"SLO ([^\s:]+): ")
_NO_EVENTS = re.compile(r"\bno (?:events?|data|requests)\b", re.IGNORECASE)
_LACKS = {
    "checks": _AGAIN,
    "restored-data": "declare a check that reads restored data, such as `sql:` or `canary:`",
    "felt": "probe what the fault lies in the way of, or inject so much that a probe can tell",
}


def advice(judged: Judged) -> str:
    """The next step, or '' where nothing general helps."""
    about, violated = judged.about, judged.holds is Holds.VIOLATED
    match about:
        case UndoOf(by_hand=True):
            return "look at the resource yourself: the journal has only somebody's word for it"
        case UndoOf():
            return "run `drillkit recover`, or undo it by hand and look at the resource"
        case WholeRun(part=part):
            return _WHOLE[part]
        case ActivityOf() if judged.observed == HIT_NOTHING:
            return "`drillkit plan` shows what it would hit"
        case FaultInEffect():
            return (
                "something healed or never applied the fault; look for controllers that own the "
                "object"
            )
        case StepLack(what=what):
            return _LACKS[what]
        case GuardOf():
            return _of_guard(about, judged.observed)
        case GateOf():
            return _of_gate(about, judged)
        case BoundOf() | ObjectiveOf() | CheckOf():
            return _of_measured(about, violated=violated)
        case ComparisonOf():
            return 'see under "What else was observed" what differs, and which of it is meant'
        case ActivityOf() | StepEnd():
            return "see under Steps why it ended like this, and what is attached"
        case other:
            assert_never(other)


def _of_measured(about: BoundOf | ObjectiveOf | CheckOf, *, violated: bool) -> str:
    match about:
        case BoundOf(bound=bound):
            return _BOUNDS[bound] if violated else _AGAIN
        case ObjectiveOf(objective=objective):
            return (_OBJECTIVES if violated else _UNMEASURED)[objective]
        case CheckOf():
            return _CHECK if violated else _AGAIN


def _of_guard(guard: GuardOf, why: str) -> str:
    if guard.guard in _RUNNER:
        unread = _SLO_UNREAD.match(why)
        return _slo_check(unread[1]) if unread else _RUNNER[guard.guard]
    key, _, rest = guard.guard.partition(": ")
    name = rest.partition(",")[0]
    if key in ("budget", "slo"):
        if _NO_EVENTS.search(why):
            return _slo_check(name)
        return f"`drillkit slo check {name}` shows what is left; run the drill again then"
    if key == "alerts":
        return "wait until the alert is over, or find out why it fires; then run the drill again"
    return "wait until the guard holds, then run the drill again"


def _slo_check(name: str) -> str:
    return f"look at the objective itself: `drillkit slo check {name}` shows what its query finds"


def _of_gate(gate: GateOf, judged: Judged) -> str:
    if judged.holds is Holds.VIOLATED and gate.place == "after":
        return "the service was not as before in time: look at what kept it from it"
    if gate.place == "before" and judged.holds is not Holds.MET:
        return (
            f"see why `{gate.sli}` is not in its steady state; `drillkit run` asks again from "
            "the start"
        )
    return _AGAIN
