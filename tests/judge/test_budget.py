"""Budget arithmetic against published constants."""

from __future__ import annotations

import pytest

from drillkit.judge.budget import (
    PAGES,
    budget_s,
    burn_factor,
    burn_rate,
    can_fire,
    consumed_by_events,
    consumed_by_time,
    time_to_page_s,
    tolerated,
)
from drillkit.judge.slos import spent
from drillkit.model.records import RunOpened, SloTerms, decode

DAYS_30 = 30 * 86_400.0


def test_the_usual_alerts_over_thirty_days_burn_at_14_4_and_6_and_3_and_1() -> None:
    assert [page.factor(DAYS_30) for page in PAGES] == pytest.approx([14.4, 6, 3, 1])
    assert [(page.short_s, page.long_s) for page in PAGES] == [
        (300, 3600),
        (1800, 21600),
        (7200, 86400),
        (21600, 259200),
    ]


def test_half_a_percent_of_thirty_days_is_12960_seconds() -> None:
    assert budget_s(0.995, DAYS_30) == pytest.approx(12_960)


def test_five_minutes_of_full_outage_at_99_5_percent_burn_at_200_and_consume_2_31_percent() -> None:
    assert burn_rate(300, 300, 0.995) == pytest.approx(200)
    assert consumed_by_time(300, 300, 0.995, 300, DAYS_30) == pytest.approx(0.0231, abs=5e-5)


def test_events_consume_what_they_are_of_the_window() -> None:
    assert consumed_by_events(50, 0.995, 1_000_000) == pytest.approx(0.01)
    with pytest.raises(ValueError, match="number of events"):
        consumed_by_events(50, 0.995, 0)


def test_a_full_outage_at_99_5_percent_pages_after_259_seconds() -> None:
    assert time_to_page_s(14.4, 0.995, 3600) == pytest.approx(259.2)
    assert time_to_page_s(14.4, 0.995, 3600, bad_share=0.5) == pytest.approx(518.4)


def test_a_threshold_beyond_a_full_outage_can_never_fire() -> None:
    assert can_fire(14.4, 0.995)
    assert not can_fire(14.4, 0.9)
    assert time_to_page_s(14.4, 0.9, 3600) is None
    assert time_to_page_s(14.4, 0.995, 3600, bad_share=0.05) is None


def test_a_factor_follows_from_share_and_windows() -> None:
    assert burn_factor(0.02, DAYS_30, 3600) == pytest.approx(14.4)


@pytest.mark.parametrize("target", [0, 1, 99.5])
def test_an_objective_that_leaves_no_budget_is_refused(target: float) -> None:
    with pytest.raises(ValueError, match="objective between 0 and 1"):
        tolerated(target)


def test_no_events_burn_nothing_that_could_be_told() -> None:
    with pytest.raises(ValueError, match="total > 0"):
        burn_rate(0, 0, 0.995)


def test_probe_failures_are_never_charged_to_the_users_events() -> None:
    probe = SloTerms(name="api", target=0.995, window_s=DAYS_30, kind="probe", n_window=1_000_000)
    found = spent(probe, 300, 300, 300)
    assert found is not None
    assert found.by_events is None
    assert found.words() == "2.31 % by time (an estimate), burn 200"


def test_metrics_are_charged_by_events_with_the_estimate_beside() -> None:
    metrics = SloTerms(
        name="api", target=0.995, window_s=DAYS_30, kind="prometheus", n_window=1_000_000
    )
    found = spent(metrics, 50, 1000, 60)
    assert found is not None
    assert found.decides == pytest.approx(0.01)
    assert found.words() == "1 % by events, 0.0231 % by time (an estimate), burn 10"


def test_terms_that_this_version_does_not_know_are_refused() -> None:
    for terms, why in (
        ({"target": 0.995, "window_s": DAYS_30, "shape": "calendar"}, "no field shape"),
        ({"target": 99.5, "window_s": DAYS_30}, "expected an objective between"),
        ({"target": 0.995, "window_s": 0.0}, "expected a window"),
    ):
        opened = decode("run.opened", {"slos": {"api": terms}})
        assert isinstance(opened, RunOpened)
        (unread,) = opened.unread
        assert unread.key == "slos"
        assert "SLO `api`" in unread.why
        assert why in unread.why
