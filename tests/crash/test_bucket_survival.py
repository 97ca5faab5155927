"""A journal in a bucket: the machine ends at any door with its disk, and any put goes wrong in any
way; another machine, which has the bucket and nothing else, leaves the world as it was.
"""

from __future__ import annotations

import pytest

from tests.crash.bucket import hasty, machines_lost, puts_go_wrong
from tests.crash.campaign import Trial
from tests.crash.scenarios import SCENARIOS, Scenario

ALL = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda s: s.name)


def told(trial: Trial) -> str:
    return f"{trial.where}\n  " + "\n  ".join([*trial.differs, *trial.recoveries])


@ALL
def test_a_machine_that_is_lost_at_any_door_leaves_nothing_that_the_bucket_does_not_know(
    scenario: Scenario,
) -> None:
    for trial in machines_lost(scenario):
        assert not trial.differs, told(trial)
        assert not [r for r in trial.recoveries if ": open" in r], told(trial)


@ALL
def test_whatever_the_bucket_answers_the_world_is_as_it_was(scenario: Scenario) -> None:
    for trial in puts_go_wrong(scenario):
        assert not trial.differs, told(trial)


def test_control_an_effect_that_begins_before_the_bucket_has_answered_leaks() -> None:
    assert any(trial.differs for trial in machines_lost(SCENARIOS["cordon a node"], hasty))
