"""How long a drill takes is what it took."""

from __future__ import annotations

from typing import Any

from drillkit.archive.duration import Took, took
from drillkit.archive.summary import RunSummary
from drillkit.model.verdict import Holds
from tests.archive.conftest import summary


def lasting(number: int, seconds: float, **changed: Any) -> RunSummary:
    made = summary(number, **changed)
    return summary(number, **changed, ended=made.started + seconds)


def test_the_last_runs_that_came_to_their_end_tell_how_long_it_takes() -> None:
    runs = [
        lasting(0, 10.0),
        lasting(1, 30.0, holds=Holds.VIOLATED),
        lasting(2, 20.0),
        lasting(3, 900.0, target="stage"),
        lasting(4, 900.0, drill="other"),
        lasting(5, 900.0, holds=Holds.UNKNOWN),  # aborted, perhaps
        lasting(6, 1.0, exit_code=4),
    ]
    assert took(runs, "monthly-dr", "prod") == Took(3, 20.0, 30.0)
    assert took(runs, "monthly-dr", "elsewhere") is None
    old = [lasting(n, 500.0) for n in range(5)] + [lasting(5 + n, 7.0) for n in range(10)]
    assert took(old, "monthly-dr", "prod") == Took(10, 7.0, 7.0)
