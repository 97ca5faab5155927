"""Whether a recovery point can meet an RPO is told before anything is restored."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from drillkit.clock import utc
from drillkit.model.drill import Objectives
from drillkit.steps.disruption import reach
from tests.steps.conftest import Scene


def test_a_point_that_is_older_than_the_rpo_cannot_meet_it(scene: Scene) -> None:
    now = utc(scene.act.clock.now())
    day = replace(scene.act, objectives=Objectives(rpo=timedelta(hours=24)))
    old, young = now - timedelta(hours=26), now - timedelta(hours=3)
    assert reach(old, None, day, day.clock.now()).said == "1 d 2 h old; RPO 1 d: cannot be met"
    assert reach(old, None, day, day.clock.now()).too_old
    assert reach(young, None, day, day.clock.now()).said == "3 h old; RPO 1 d: can be met"
    assert not reach(young, None, day, day.clock.now()).too_old
    # Of a disaster that was declared for yesterday, yesterday's data is what counts.
    assert not reach(old, now - timedelta(hours=20), day, day.clock.now()).too_old
    # The stand-in of an earlier step's moment is no moment.
    assert reach(young, old, day, day.clock.now()).said == "3 h old; RPO 1 d: can be met"
    assert reach(old, None, scene.act, scene.act.clock.now()).said == "1 d 2 h old"
