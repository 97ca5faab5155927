"""Every fault that ships: a crash at any door, a call that goes wrong in any way, two at once; then
the world equals the start.
"""

from __future__ import annotations

import itertools
import random

import pytest

from tests.crash.campaign import (
    LAWFUL,
    Rules,
    Trial,
    by_seed,
    each_mishap,
    exhaustive,
    lacking,
    rehearsed,
    telling_doors,
)
from tests.crash.controls import EffectFirst
from tests.crash.scenarios import Scenario
from tests.crash.scenarios_faults import EXPERIMENTS, FAULTS, actions_of, scenario_of

SCENARIOS = {name: scenario_of(fault) for name, fault in FAULTS.items()}
ALL = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda s: s.name)
PAIRS = list(itertools.combinations(FAULTS.values(), 2))


def told(trial: Trial) -> str:
    return f"{trial.where}\n  " + "\n  ".join([*trial.differs, *trial.recoveries])


def must_survive(trial: Trial) -> None:
    assert not trial.differs, told(trial)
    assert not [r for r in trial.recoveries if ": open" in r], told(trial)


@ALL
def test_a_fault_ends_well_when_nothing_goes_wrong(scenario: Scenario) -> None:
    assert rehearsed(scenario).where == "ended by itself"


@ALL
def test_a_crash_before_or_after_any_append_or_call_of_a_fault_leaves_the_world_as_it_was(
    scenario: Scenario,
) -> None:
    for trial in exhaustive(scenario, doors=telling_doors(scenario)):
        must_survive(trial)


@pytest.mark.slow
@ALL
def test_a_crash_in_any_moment_of_a_faults_waits_leaves_the_world_as_it_was(
    scenario: Scenario,
) -> None:
    for trial in exhaustive(scenario):
        must_survive(trial)


@ALL
def test_a_change_of_a_fault_that_goes_wrong_in_any_way_leaves_the_world_as_it_was(
    scenario: Scenario,
) -> None:
    for trial in each_mishap(scenario):
        must_survive(trial)


@ALL
def test_a_fault_without_any_one_permission_leaves_nothing_once_it_is_granted(
    scenario: Scenario,
) -> None:
    for trial in lacking(scenario):
        must_survive(trial)


@ALL
def test_trouble_and_crashes_by_chance_in_a_fault_leave_the_world_as_it_was(
    scenario: Scenario,
) -> None:
    for seed in range(6):
        trial = by_seed(scenario, seed)
        assert not trial.differs, f"seed {seed}: {told(trial)}"


@pytest.mark.slow
@ALL
def test_many_more_schedules_of_a_fault_leave_the_world_as_it_was(scenario: Scenario) -> None:
    for seed in range(1000, 1150):
        trial = by_seed(scenario, seed)
        assert not trial.differs, f"seed {seed}: {told(trial)}"


def test_two_faults_at_once_that_crash_by_chance_leave_the_world_as_it_was() -> None:
    for seed in range(40):
        pair = scenario_of(*random.Random(seed).choice(PAIRS))
        trial = by_seed(pair, seed)
        assert not trial.differs, f"{pair.name}, seed {seed}: {told(trial)}"


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: " and ".join(fault.name for fault in pair))
def test_any_two_faults_at_once_leave_the_world_as_it_was(pair: tuple[object, object]) -> None:
    scenario = scenario_of(*pair)  # type: ignore[arg-type]
    for seed in range(12):
        trial = by_seed(scenario, seed)
        assert not trial.differs, f"seed {seed}: {told(trial)}"


@pytest.mark.parametrize(
    "scenario", [s for s in SCENARIOS.values() if s.lands], ids=lambda s: s.name
)
def test_what_a_crash_of_a_fault_leaves_is_swept_though_its_journal_is_gone(
    scenario: Scenario,
) -> None:
    doors = rehearsed(scenario).doors
    changing = ("after PATCH", "after POST")
    changed = [number for number, name in enumerate(doors, 1) if name.startswith(changing)]
    swept = list(exhaustive(scenario, Rules(journal_is_gone=True), changed))
    for trial in swept:
        assert not trial.differs, told(trial)
    assert any(": undone" in each for trial in swept for each in trial.recoveries)


def test_every_action_of_every_shipped_experiment_is_one_whose_undo_the_journal_keeps() -> None:
    foreign = {
        path.stem: action["provider"].get("module")
        for path in EXPERIMENTS.glob("*.yaml")
        for action in actions_of(path)
        if not str(action["provider"].get("module")).startswith("drillkit.faults.")
    }
    assert foreign == {}


# Controls


def leaks(name: str, rules: Rules = LAWFUL) -> bool:
    doors = telling_doors(SCENARIOS[name])
    trials = itertools.chain(
        exhaustive(SCENARIOS[name], rules, doors), each_mishap(SCENARIOS[name], rules)
    )
    return any(trial.differs for trial in trials)


@pytest.mark.parametrize(
    "scenario", [s for s in SCENARIOS.values() if s.lands], ids=lambda s: s.name
)
def test_control_without_recovery_a_crash_leaves_something(scenario: Scenario) -> None:
    assert any(
        trial.differs
        for trial in exhaustive(scenario, Rules(recovers=False), telling_doors(scenario))
    )


@pytest.mark.parametrize(
    "name", ["network-latency", "network-latency with istio", "node-drain", "scale-to-zero"]
)
def test_control_a_fault_that_comes_before_its_undo_leaks(name: str) -> None:
    assert leaks(name, Rules(book=EffectFirst))
