"""A crash before and after every append and every call: afterwards the world equals the start.

Negative controls at the end: each takes one law away, and the campaign must notice.
"""

from __future__ import annotations

import random

import pytest

from drillkit.clients import effect, removal
from drillkit.clients.kube import objects
from drillkit.journal.book import Planned
from tests.crash.campaign import LAWFUL, Rules, Trial, by_seed, each_mishap, exhaustive, lacking
from tests.crash.controls import EffectFirst
from tests.crash.scenarios import SCENARIOS, Scenario
from tests.crash.world import Cluster, Fate, Stage

ALL = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda s: s.name)


def told(trial: Trial) -> str:
    return f"{trial.where}\n  " + "\n  ".join([*trial.differs, *trial.recoveries])


@ALL
def test_a_crash_at_any_door_leaves_the_world_as_it_was_after_recovery(scenario: Scenario) -> None:
    for trial in exhaustive(scenario):
        assert not trial.differs, told(trial)
        assert not [r for r in trial.recoveries if ": open" in r], told(trial)


@ALL
def test_a_change_that_goes_wrong_in_any_way_leaves_the_world_as_it_was(scenario: Scenario) -> None:
    for trial in each_mishap(scenario):
        assert not trial.differs, told(trial)


@ALL
def test_without_any_one_permission_nothing_is_left_once_it_is_granted_and_nothing_waits_for_it(
    scenario: Scenario,
) -> None:
    for trial in lacking(scenario):
        assert not trial.differs, told(trial)
        assert not [r for r in trial.recoveries if ": open" in r], told(trial)


@ALL
def test_trouble_and_crashes_by_chance_leave_the_world_as_it_was(scenario: Scenario) -> None:
    for seed in range(12):
        trial = by_seed(scenario, seed)
        assert not trial.differs, f"seed {seed}: {told(trial)}"


@pytest.mark.slow
@ALL
def test_many_more_schedules_leave_the_world_as_it_was(scenario: Scenario) -> None:
    for seed in range(1000, 1250):
        trial = by_seed(scenario, seed)
        assert not trial.differs, f"seed {seed}: {told(trial)}"


@pytest.mark.parametrize(
    "scenario", [s for s in SCENARIOS.values() if s.lands], ids=lambda s: s.name
)
def test_a_scenario_changes_the_world_so_that_there_is_something_to_undo(
    scenario: Scenario,
) -> None:
    cluster = Cluster()
    scenario.prepare(cluster)
    before = cluster.inventory()
    scenario.act(Stage.open(cluster, Fate(random.Random(0))))
    cluster.advance(5)
    assert cluster.inventory() != before


# Controls


def leaks(scenario: str, rules: Rules = LAWFUL) -> bool:
    chosen = SCENARIOS[scenario]
    return any(
        trial.differs for trials in (exhaustive, each_mishap) for trial in trials(chosen, rules)
    )


def test_control_an_undo_written_after_its_effect_leaks() -> None:
    assert leaks("cordon a node", Rules(book=EffectFirst))
    assert leaks("inject latency with Chaos Mesh", Rules(book=EffectFirst))


def test_control_a_journal_that_is_not_synced_leaks() -> None:
    assert leaks("cordon a node", Rules(syncs=False))


def test_control_not_found_believed_at_once_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "_nothing_can_come", lambda *args: True)
    assert leaks("inject latency with Chaos Mesh")
    assert leaks("scale a deployment to zero")


def test_control_an_unanswered_call_taken_for_answered_leaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sure = property(lambda self: False, lambda self, value: None)
    monkeypatch.setattr(effect.Attempts, "doubtful", sure, raising=False)
    assert leaks("inject latency with Chaos Mesh")


def test_control_marks_that_nobody_looks_at_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "is_ours", lambda *args: True)
    assert leaks("inject latency where somebody else has the name")


def test_control_a_refused_effect_that_is_not_settled_as_such_waits_for_the_permission(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Planned, "never_happened", lambda self, why: self.confirm())
    trials = [trial for trial in lacking(SCENARIOS["inject latency with Chaos Mesh"])]
    assert any(": open" in each for trial in trials for each in trial.recoveries)
