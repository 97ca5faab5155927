"""When a drill starts by itself: its cadence, within its window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from drillkit.model.drill import StartWindow
from drillkit.model.units import Cadence
from drillkit.runner.start_guards import outside
from drillkit.schedule import skipped, times_of

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def window(hours: str = "02:00-05:00", zone: str = "Europe/Berlin", *days: str) -> StartWindow:
    return StartWindow(hours=hours, timezone=zone, days=days)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cadence", "within", "expression"),
    [
        ("daily", None, "0 3 * * *"),
        ("weekly", None, "0 3 * * 1"),
        ("monthly", None, "0 3 1 * *"),
        ("quarterly", None, "0 3 1 1,4,7,10 *"),
        ("yearly", None, "0 3 1 1 *"),
        ("monthly", window(), "0 2,3,4 1 * *"),
        ("monthly", window("10:30-11:00"), "30 10 1 * *"),
        ("monthly", window("22:00-02:00"), "0 22,23 1 * *"),
        ("monthly", window("22:30-24:00"), "30 22,23 1 * *"),
        ("weekly", window("02:00-04:00", "UTC", "thu", "mon"), "0 2,3 * * 1,4"),
        ("daily", window("02:00-04:00", "UTC", "sun", "sat"), "0 2,3 * * 0,6"),
        ("monthly", window("02:00-03:00", "UTC", "tue"), "0 2 1-7 * *"),
        ("17 4 * * MON#1", window("02:00-05:00", "UTC", "mon"), "17 4 * * MON#1"),
    ],
)
def test_a_cadence_becomes_a_cron_expression(
    cadence: str, within: StartWindow | None, expression: str
) -> None:
    assert times_of(Cadence(cadence), within).expression == expression


def test_of_the_first_week_only_days_of_the_window_are_starts() -> None:
    times = times_of(Cadence("monthly"), window("02:00-03:00", "UTC", "tue", "thu"))
    shown = [f"{at:%a %Y-%m-%d}" for at in times.after(NOON, 4)]
    assert shown == ["Tue 2026-12-01", "Thu 2026-12-03", "Tue 2027-01-05", "Thu 2027-01-07"]


@settings(deadline=None)
@given(
    cadence=some.sampled_from(("daily", "weekly", "monthly", "quarterly", "yearly")),
    begin=some.integers(0, 23 * 60 + 59),
    length=some.integers(1, 1439),
    days=some.sets(some.sampled_from(DAYS)),
    zone=some.sampled_from(("UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Auckland")),
    day=some.integers(0, 3000),
)
def test_every_start_lies_within_the_window(
    cadence: str, begin: int, length: int, days: set[str], zone: str, day: int
) -> None:
    end = (begin + length) % 1440
    hours = f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"
    within = window(hours, zone, *sorted(days))
    times = times_of(Cadence(cadence), within)
    for at in times.after(NOON + timedelta(days=day), 8):
        # When the clocks go forward, an hour that is not there is started after it.
        moved = (
            at.utcoffset()
            != (at.astimezone(UTC) - timedelta(hours=2)).astimezone(at.tzinfo).utcoffset()
        )
        assert moved or not outside(within, at), (times.expression, at)


@pytest.mark.parametrize("word", ["daily", "weekly", "monthly", "quarterly", "yearly"])
def test_each_period_has_exactly_one_run_when_all_goes_well(word: str) -> None:
    times = times_of(Cadence(word), window("02:00-05:00", "Europe/Berlin", "tue", "thu", "sat"))
    begun: list[datetime] = []
    for at in times.after(datetime(2026, 1, 1, tzinfo=UTC), 500):
        if at.year > 2026:
            break
        if skipped(times, at + timedelta(seconds=3), begun) is None:
            begun.append(at)
    # Of 52 weeks and a bit each has a Tuesday; of 365 days 157 are such days.
    expected = {"daily": 157, "weekly": 53, "monthly": 12, "quarterly": 4, "yearly": 1}
    assert len(begun) == expected[word]


def test_a_refused_start_is_tried_again_within_the_window_and_a_begun_one_is_not() -> None:
    times = times_of(Cadence("monthly"), window("02:00-05:00", "UTC"))
    first, second, third, following = times.after(NOON, 4)
    assert skipped(times, first, []) is None
    # It was refused, so it is not among those that began.
    assert skipped(times, second, []) is None
    passed = skipped(times, third, [second])
    assert passed is not None
    assert "began 2026-12-01 03:00 UTC" in passed.why
    assert skipped(times, following, [second]) is None


def test_a_machine_that_was_off_does_not_catch_up_at_another_hour() -> None:
    times = times_of(Cadence("monthly"), None)
    due = times.after(NOON, 1)[0]
    passed = skipped(times, due + timedelta(days=1), [])
    assert passed is not None
    assert "next start is 2027-01-01 03:00 UTC" in passed.why
    assert skipped(times, due + timedelta(minutes=5), []) is None
    assert skipped(times, due - timedelta(minutes=1), []) is not None


def test_a_cron_expression_runs_at_each_of_its_moments() -> None:
    times = times_of(Cadence("0 3,15 * * *"), None)
    morning, evening = times.after(NOON + timedelta(hours=12), 2)
    assert skipped(times, evening, [morning]) is None
    assert skipped(times, evening + timedelta(hours=1), [evening]) is not None


def test_an_hour_that_the_clocks_skip_is_found() -> None:
    times = times_of(Cadence("30 2 * * *"), window("02:00-03:00"))
    found = times.in_gap(NOON)
    assert found is not None
    assert f"{found:%Y-%m-%d}" == "2027-03-28"
    assert times_of(Cadence("30 2 * * *"), window("02:00-03:00", "UTC")).in_gap(NOON) is None
    assert times_of(Cadence("30 4 * * *"), window("04:00-05:00")).in_gap(NOON) is None
