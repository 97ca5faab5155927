"""The ways in which a step of each kind proves nothing: each is unknown, whatever else held.

A kind without rows of its own fails the test: whoever adds one says here how it can come to
nothing. The rows are histories as the kind writes them; that it writes them so is what its own
tests hold.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import pytest

from drillkit.judge import judge
from drillkit.model.evidence import Activity, Check, Comparison, Evidence, Note, RecoveryPoint
from drillkit.model.verdict import Holds, Verdict
from drillkit.steps.base import kind_named, kind_names
from tests.judge.histories import Tape, drill

Way: TypeAlias = Callable[[str], Tape]
"""Makes the history of one step of a kind."""
START, END = 5.0, 30.0
CHECKS: dict[str, dict[str, Any]] = {
    "canary": {"canary": "heartbeat"},
    "checksum": {"table": "orders", "checksum": "id"},
    "command": {"command": ["restore-test"]},
    "http": {"http": "http://copy/health"},
    "newest": {"table": "orders", "newest": "created", "expect": "< 1h"},
    "rows": {"table": "orders", "rows": True, "expect": "> 0"},
    "service": {"http": {"service": "web", "path": "/health"}},
    "sql": {"sql": "select count(*) from orders", "expect": "> 0"},
}


def tape(
    kind: str,
    *evidence: Evidence,
    outcome: str = "ok",
    why: str = "",
    ended: bool = True,
    probe: dict[str, Any] | None = None,
    during: dict[str, Any] | None = None,
    effect: bool = False,
    **step: Any,
) -> Tape:
    """One step of a kind, with a probe where a bound is declared."""
    more: dict[str, Any] = {}
    if during is not None:
        more = {"probes": {"web": {"http": "http://shop/health"}}}
        more["hypothesis"] = {"during": {"web": during}}
    found = Tape(drill(steps=[{"name": "it", "uses": kind, **step}], **more))
    found.phase("steps", START, END)
    found.add(
        START, "step.started", on="it", uses=kind, disturbs=kind_named(kind).disturbs, group=""
    )
    if effect:
        found.undo(START + 1, "thing/it", step="it", phase="remove")
        found.add(END + 1, "undo.ended", of="thing/it", outcome="undone", detail="it is gone")
    for each in evidence:
        found.see(START + 2, each, step="it")
    if ended:
        found.add(END, "step.ended", on="it", outcome=outcome, why=why)
    if during is not None:
        found.probe("web", 0, END, **(probe or {}))
    return found.closed(END + 2)


# -- ways of all kinds -----------------------------------------------------------------------------


def nothing_declared(kind: str) -> Tape:
    return tape(kind, effect=True)


def did_nothing(kind: str) -> Tape:
    return tape(kind, during={"bad": 20})


def died(kind: str) -> Tape:
    return tape(kind, during={"bad": 20}, effect=True, ended=False)


def came_to_nothing(kind: str) -> Tape:
    return tape(kind, during={"bad": 20}, effect=True, outcome="unknown", why="nothing is proven")


def was_skipped(kind: str) -> Tape:
    return tape(kind, during={"bad": 20}, outcome="skipped", why="the step before failed")


def blind_probe(kind: str) -> Tape:
    return tape(kind, during={"bad": 20}, effect=True, probe={"bad": [(0, 99)]})


def bound_out_of_reach(kind: str) -> Tape:
    return tape(kind, during={"bad": 99_999}, effect=True)


def too_few_requests(kind: str) -> Tape:
    return tape(kind, during={"p99": "1s"}, effect=True, probe={"rate": 1})


def too_few_slow_requests(kind: str) -> Tape:
    return tape(kind, during={"p95": "1s"}, effect=True, probe={"rate": 1, "slow": {0.0: 3.0}})


def control_probe(kind: str) -> Tape:
    return tape(kind, during={"bad": 20}, effect=True, probe={"control": True})


def unknown_outcome(kind: str) -> Tape:
    return tape(kind, effect=True, outcome="splendid")


EVERY: dict[str, Way] = {
    way.__name__.replace("_", " "): way
    for way in (
        nothing_declared,
        did_nothing,
        died,
        came_to_nothing,
        was_skipped,
        blind_probe,
        bound_out_of_reach,
        too_few_requests,
        too_few_slow_requests,
        control_probe,
        unknown_outcome,
    )
}


def unmeasured(objective: str) -> Way:
    """An objective that nothing was measured for."""
    wanted: Any = {"alert": "Down", "within": "1m"} if objective == "detect" else "1h"
    return lambda kind: tape(kind, effect=True, objectives={objective: wanted})


def not_run(check: str) -> Way:
    """A declared check that never ran."""
    return lambda kind: tape(kind, effect=True, checks=[CHECKS[check]])


def unread(check: str) -> Way:
    """A check that could not be read."""

    def way(kind: str) -> Tape:
        purpose: Literal["restored-data", "step"] = "restored-data" if restores(kind) else "step"
        seen = Check("it", purpose, 1, ">=", None, "connection refused")
        return tape(kind, seen, effect=True, checks=[CHECKS[check]])

    return way


def restores(kind: str) -> bool:
    return "rpo" in kind_named(kind).objectives and kind_named(kind).disturbs == "none"


# -- ways of one kind ------------------------------------------------------------------------------


def action(
    outcome: Any = "succeeded", hit: int | None = 1, place: Any = "method", **more: Any
) -> Activity:
    given = {"kind": "action", "tolerated": None, **more}
    return Activity(name="act", place=place, outcome=outcome, hit=hit, took_s=0.1, **given)


def of(*evidence: Evidence, **step: Any) -> Way:
    return lambda kind: tape(kind, *evidence, **{"during": {"bad": 20}, **step})


AT = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
HEALED = Check("fault/it", "in-effect", True, "==", False, "somebody deleted it")
UNSEEN = Check("fault/it", "in-effect", True, "==", None, "connection refused")
APART = Check("pods that requests come to", "felt", 1, ">=", 0, "no Service leads to them")
MISSING = Check("what it needs", "prerequisite", 1, ">=", 0)
RESTORES: dict[str, Way] = {
    "data that nobody read": of(effect=True, objectives={"rto": "1h"}),
    "a check that never touches the copy": of(
        Check("restore-test", "step", 0, "==", 0), effect=True, objectives={"rto": "1h"}
    ),
    "a point that the provider promised": of(
        RecoveryPoint(AT, "latest-restorable"), effect=True, objectives={"rpo": "1h"}
    ),
    "nothing compared": of(Comparison("settings", "db", 0, ()), effect=True),
    "a condition that was missing": of(MISSING, effect=True),
}
FAILOVER: dict[str, Way] = {
    "a condition that was missing": of(MISSING, effect=True),
    "nobody looked whether it came back": of(effect=True, objectives={"recovery": "2m"}),
}
FRESHNESS: dict[str, Way] = {
    "nothing to look at": of(during=None),
    "an age that could not be read": of(
        Check("age", "step", 60, "<=", None, "forbidden"), during=None
    ),
}
WAYS: dict[str, dict[str, Way]] = {
    "chaostoolkit": {
        "an action that hit nothing": of(action(hit=0)),
        "an action that failed": of(
            action("failed", error="no"), outcome="failed", why="action act failed: no"
        ),
        "a fault that could not be proven": of(
            action("unproven", error="healed"), outcome="unknown", why="healed"
        ),
        "an unproven fault whose steady state was missed": of(
            action("unproven", error="healed"),
            action(place="after", kind="probe", hit=None, tolerated=False),
            outcome="unknown",
            why="healed",
        ),
        "a fault that was healed": of(action(), HEALED),
        "a fault that nobody could see": of(action(), UNSEEN),
        "a fault behind no Service": of(action(), APART),
        "probes only": of(action(hit=None, kind="probe")),
        "an action that was never reached": of(action("skipped", hit=None)),
        "an action that was cut": of(action("cut", hit=None), outcome="failed", why="cut"),
        "a steady state that did not hold before": of(
            action(place="before", kind="probe", hit=None, tolerated=False),
            outcome="unknown",
            why="the steady state did not hold before",
        ),
        "a tolerance that accepts everything": of(
            action(place="after", kind="probe", hit=None), during=None
        ),
    },
    "litmus.engine": {
        "no operator picked it up": of(outcome="unknown", why="nobody picked it up", effect=True),
        "no result": of(
            action("failed", hit=None),
            Check("Litmus verdict of it", "step", "Pass", "==", None, "no ChaosResult"),
            outcome="unknown",
            why="nothing is proven",
        ),
        "it hit nothing": of(
            action(hit=0), Check("Litmus verdict of it", "step", "Pass", "==", "Pass")
        ),
    },
    "command": {
        "a program that does nothing": of(action(hit=0), effect=True),
        "a program that failed": of(
            action("failed", hit=None, error="ended with 3"),
            outcome="failed",
            why="ended with 3",
            effect=True,
        ),
        "a program that was cut": of(
            action("cut", hit=None), outcome="failed", why="cut", effect=True
        ),
    },
    "manual": {
        "a person's word, and nothing declared": of(
            Note("jan", "done", "manual-step"), action(hit=None), during=None
        ),
        "a person who could not do it": of(
            Note("jan", "not done: no access", "manual-step"),
            action("failed", hit=None, error="jan: no access"),
            outcome="failed",
            why="jan: no access",
        ),
        "nobody said that it is done": of(
            action("cut", hit=None), outcome="failed", why="nobody said so"
        ),
    },
    "wait": {
        "only a wait": of(),
        "a note": of(Note("the drill", "all is well", "observation")),
    },
    "velero.backup": {
        "a backup that nobody restored": of(effect=True, during=None),
        "nothing declared": of(during=None),
    },
    "velero.freshness": FRESHNESS,
    "rds.freshness": FRESHNESS,
    **dict.fromkeys(
        (
            "velero.restore",
            "rds.snapshot-restore",
            "rds.point-in-time-restore",
            "rds.cross-region-restore",
            "aurora.snapshot-restore",
            "aurora.point-in-time-restore",
            "elasticache.snapshot-restore",
        ),
        RESTORES,
    ),
    **dict.fromkeys(("rds.failover", "aurora.failover", "elasticache.failover"), FAILOVER),
}


def rows() -> list[Any]:
    """(kind, way), with the ways of all kinds, of its objectives and of its checks."""
    found = []
    for name in kind_names():
        kind = kind_named(name)
        ways = {**EVERY, **WAYS.get(name, {})}
        ways |= {f"{each} not measured": unmeasured(each) for each in sorted(kind.objectives)}
        for check in sorted(kind.checks & CHECKS.keys()):
            ways |= {f"{check} not run": not_run(check), f"{check} not read": unread(check)}
        found += [pytest.param(name, way, id=f"{name}-{said}") for said, way in ways.items()]
    return found


def test_every_kind_has_its_ways_to_prove_nothing() -> None:
    assert sorted(WAYS) == sorted(kind_names())
    kinds = [kind_named(name) for name in kind_names()]
    assert {check for kind in kinds for check in kind.checks} == {*CHECKS, "uses"}


@pytest.mark.parametrize(("kind", "way"), rows())
def test_a_step_that_came_to_nothing_is_unknown(kind: str, way: Way) -> None:
    found: Verdict = judge(way(kind).history())
    assert found.holds is Holds.UNKNOWN, found.headline
    assert found.exit_code in (3, 4), found.headline  # 4: refused, nothing was touched
    assert len(found.headline) > len("unknown: ")
    told = [judged for judged in found.findings if judged.holds is Holds.UNKNOWN]
    assert found.exit_code == 4 or any(judged.observed for judged in told), found.headline


def test_the_same_step_is_believed_when_it_did_something() -> None:
    found = judge(of(action())("chaostoolkit").history())
    assert found.holds is Holds.MET, found.headline
    read = Check("orders", "restored-data", 0, ">", 812)
    found = judge(of(read, effect=True, during=None)("rds.snapshot-restore").history())
    assert found.holds is Holds.MET, found.headline
