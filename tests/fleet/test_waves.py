"""In which order targets begin, and when nothing begins any more: all ways a fleet can go."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drillkit.fleet.waves import RESULTS, STOPPING, FleetDecision, Member, Result, decide, exit_code
from drillkit.fleet.waves import sizes as sizes_of

A, B = ("aws 1 eu",), ("aws 2 eu",)
FLEETS = {
    "one": [Member("a", 0)],
    "canary and two": [Member("a", 0), Member("b", 1), Member("c", 1)],
    "three waves": [Member("a", 0), Member("b", 1), Member("c", 2), Member("d", 2)],
    "two accounts": [Member("a", 0, A), Member("b", 1, A), Member("c", 1, A), Member("d", 1, B)],
    "two regions of one": [Member("a", 0), Member("b", 0, A + B), Member("c", 0, A)],
}
State = tuple[frozenset[tuple[str, Result]], frozenset[str]]


def everything_that_can_happen(
    members: list[Member], at_once: int
) -> Iterator[tuple[State, FleetDecision]]:
    """Each state that the fleet can come into, however its runs end and in whatever order."""
    todo: list[State] = [(frozenset(), frozenset())]
    seen: set[State] = set()
    while todo:
        state = todo.pop()
        if state in seen:
            continue
        seen.add(state)
        results, running = dict(state[0]), state[1]
        decision = decide(members, results, running, at_once)
        yield state, decision
        running = running | set(decision.start)
        for ended in running:
            todo += [(state[0] | {(ended, each)}, running - {ended}) for each in RESULTS]


@pytest.mark.parametrize("at_once", [1, 2, 5])
@pytest.mark.parametrize("fleet", FLEETS)
def test_however_the_runs_end_the_rules_hold(fleet: str, at_once: int) -> None:
    members = FLEETS[fleet]
    by_name = {m.target: m for m in members}
    ends = set()
    for (known, running), decision in everything_that_can_happen(members, at_once):
        results = dict(known)
        runs = [*running, *decision.start]
        assert len(runs) <= at_once, "no more at once than allowed"
        assert len(set(runs)) == len(runs), "no target twice"
        assert not set(decision.start) & results.keys(), "no target again"
        shares = [share for each in runs for share in by_name[each].shares]
        assert len(shares) == len(set(shares)), "at most one on what is shared"
        for name in decision.start:
            before = [m.target for m in members if m.wave < by_name[name].wave]
            assert all(each in results for each in before), "a wave waits for the one before"
            assert not STOPPING & set(results.values()), "nothing begins behind a weakness"
            wave = by_name[name].wave - 1
            assert wave < 0 or "met" in {results[m.target] for m in members if m.wave == wave}
        waiting = by_name.keys() - results.keys() - running - set(decision.start)
        assert decision.over == (not runs and (not waiting or bool(decision.halted)))
        assert runs or decision.over, "it never waits for nothing"
        if decision.over:
            ends.add((frozenset(waiting), bool(decision.halted)))
    assert (frozenset(), False) in ends, "it can end with nothing left to begin"
    later = frozenset(m.target for m in members if m.wave > 0)
    assert (later, True) in ends, "it can end behind the canary"


def test_it_says_which_target_of_which_wave_stopped_it_or_that_a_wave_proved_nothing() -> None:
    fleet = FLEETS["canary and two"]
    stopped = decide(fleet, {"a": "met", "b": "violated"}, {"c"}, 5)
    assert stopped == FleetDecision(halted="wave 2: b is violated", over=False)
    assert decide(fleet, {"a": "dirty"}, (), 5) == FleetDecision((), "wave 1: a is dirty", True)
    proved_nothing = decide(fleet, {"a": "unknown"}, (), 5)
    assert proved_nothing.halted == (
        "wave 1 proved nothing (unknown): no target of it met its drill"
    )
    assert proved_nothing.over
    assert decide(fleet, {"a": "met"}, (), 5).start == ("b", "c")


@pytest.mark.parametrize(
    ("text", "count", "found"),
    [
        ("1,10%,100%", 200, [1, 20, 179]),
        ("1,10%,100%", 5, [1, 1, 3]),
        ("1,10%,100%", 1, [1]),
        ("2, 50%", 7, [2, 5]),
        ("1", 4, [4]),
        ("100%,1", 3, [3]),
    ],
)
def test_waves_are_numbers_or_shares_of_all_targets(
    text: str, count: int, found: list[int]
) -> None:
    assert sizes_of(text, count) == found


@pytest.mark.parametrize("text", ["", "1,,2", "0", "ten", "10 %", "-1"])
def test_other_waves_are_told(text: str) -> None:
    with pytest.raises(ValueError, match="expected waves such as 1,10%,100%"):
        sizes_of(text, 5)


@pytest.mark.parametrize(
    ("results", "code"),
    [
        (["met", "met"], 0),
        (["met", "violated", "unknown"], 1),
        (["met", "not run"], 3),
        (["met", "refused"], 3),
        (["unknown"], 3),
        (["refused", "not run"], 4),
        (["violated", "dirty", "not run"], 5),
    ],
)
def test_a_fleet_ends_as_its_worst_target_and_never_well_while_one_was_not_run(
    results: list[Result], code: int
) -> None:
    assert exit_code(results) == code
