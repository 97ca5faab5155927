from __future__ import annotations

from datetime import UTC, datetime

from drillkit.model.drill import StartWindow
from drillkit.runner.start_guards import outside

NIGHT = StartWindow(hours="22:00-05:00", timezone="Europe/Berlin", days=("fri",))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_window_is_read_in_its_own_time_zone() -> None:
    window = StartWindow(hours="02:00-05:00", timezone="Europe/Berlin")
    assert outside(window, at("2026-11-01T01:30")) == ""
    assert (
        outside(window, at("2026-11-01T04:30"))
        == "it is 05:30 in Europe/Berlin; expected 02:00-05:00"
    )


def test_a_window_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    assert outside(NIGHT, at("2026-11-20T22:30")) == "", "Friday 23:30"
    assert outside(NIGHT, at("2026-11-21T03:00")) == "", "Saturday 04:00 is still Friday's window"
    assert outside(NIGHT, at("2026-11-21T22:30")) == "the window of sat is not among fri"


def test_the_end_of_a_window_is_outside_it() -> None:
    assert outside(StartWindow(hours="02:00-05:00"), at("2026-11-01T05:00")) != ""


def test_a_window_may_end_at_24_00() -> None:
    evening = StartWindow(hours="20:00-24:00")
    assert outside(evening, at("2026-11-01T23:59")) == ""
    assert outside(evening, at("2026-11-02T00:00")) != ""
