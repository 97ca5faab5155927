from __future__ import annotations

from typing import Any

import pytest

from drillkit.judge.abort_guards import Fired, LiveBounds
from drillkit.model.evidence import Reading, Sample
from drillkit.model.records import SloTerms
from drillkit.model.sample_codec import read_sample as sample_of
from drillkit.model.verdict import Holds
from tests.judge.histories import Tape, drill

DAYS_30 = 30 * 86_400.0


def live(
    *guards: dict[str, Any], slos: dict[str, SloTerms] | None = None, begin: float | None = 0.0
) -> LiveBounds:
    found = LiveBounds(drill(guards={"abort": list(guards)}), slos)
    if begin is not None:
        found.begin(begin)
    return found


def stream(bounds: LiveBounds, tape: Tape) -> list[tuple[float, Fired]]:
    return [
        (r.mono, fired)
        for r in tape.history()
        if isinstance(r.entry, Sample)
        for fired in bounds.add(r.entry, r.mono)
    ]


def test_an_outage_longer_than_its_bound_fires_once_and_while_it_lasts() -> None:
    fired = stream(
        live({"probe": "web", "longest_gap": "2s"}),
        Tape(None).probe("web", 0, 20, bad=[(5.0, 15.0)]),
    )
    assert [(at, f.by, f.holds) for at, f in fired] == [(8.0, "guard", Holds.VIOLATED)]
    assert fired[0][1].guard == "probe: web, longest_gap: 2s"
    assert fired[0][1].why == "web did not answer for 3 s"


def test_an_outage_within_its_bound_does_not_fire() -> None:
    assert not stream(
        live({"probe": "web", "longest_gap": "2s"}),
        Tape(None).probe("web", 0, 20, bad=[(5.0, 6.5)]),
    )


def test_bad_requests_count_from_the_first_step_on() -> None:
    guard = {"probe": "web", "bad": 30}
    tape = Tape(None).probe("web", 0, 20, bad=[(2.0, 4.0), (12.0, 13.0), (15.0, 16.0)])
    bounds = live(guard, begin=None)
    fired: list[tuple[float, Fired]] = []
    for record in tape.history():
        if record.mono == 11.0:
            bounds.begin(10.0)
        fired += [(record.mono, f) for f in bounds.add(sample_of(record.data), record.mono)]
    assert [(at, f.why) for at, f in fired] == [(16.0, "40 requests of web failed")]


def test_another_probes_failures_do_not_fire() -> None:
    tape = Tape(None).probe("web", 0, 20).probe("other", 0, 20, bad=[(1, 20)])
    assert not stream(live({"probe": "web", "longest_gap": "2s"}, {"probe": "web", "bad": 3}), tape)


def test_a_budget_cap_of_a_probes_slo_is_charged_by_time() -> None:
    slos = {"api": SloTerms(name="api", target=0.995, window_s=DAYS_30, kind="probe", probe="web")}
    bounds = live({"budget": "api", "spent": "0.1%"}, slos=slos)
    fired = stream(bounds, Tape(None).probe("web", 0, 30, bad=[(5.0, 30.0)]))
    # 0.1 % of 12,960 s of outage are 13 s.
    assert [at for at, _ in fired] == [18.0]
    assert fired[0][1].why.startswith(
        "of the budget of api this drill spent 0.1 % by time (an estimate)"
    )


def test_a_budget_cap_counts_answers_slower_than_the_slo_allows() -> None:
    slos = {
        "api": SloTerms(
            name="api", target=0.995, window_s=DAYS_30, kind="probe", probe="web", slow_s=0.2
        )
    }
    bounds = live({"budget": "api", "spent": "0.1%"}, slos=slos)
    assert [at for at, _ in stream(bounds, Tape(None).probe("web", 0, 30, slow={5.0: 0.5}))] == [
        18.0
    ]


def test_a_budget_cap_of_metrics_is_charged_by_events() -> None:
    slos = {
        "api": SloTerms(name="api", target=0.995, window_s=DAYS_30, kind="prometheus", n_window=1e6)
    }
    bounds = live({"budget": "api", "spent": "2%"}, slos=slos)
    assert not bounds.add_reading(Reading("api", "q", 30.0, 900.0, 1000.0), 30.0)
    (fired,) = bounds.add_reading(Reading("api", "q", 60.0, 1880.0, 2000.0), 60.0)
    assert fired.why.startswith("of the budget of api this drill spent 2.4 % by events")


@pytest.mark.parametrize(("bad_s", "fires"), [(0.4, False), (1.0, False), (2.0, True)])
def test_a_burn_rate_fires_by_its_lower_bound(bad_s: float, fires: bool) -> None:
    # 60 s at 20/s: 1 % is a burn of 2; the lower bound of 20 of 1,200 burns at 2.2, that of 8
    # at 0.7.
    slos = {"api": SloTerms(name="api", target=0.995, window_s=DAYS_30, kind="probe", probe="web")}
    bounds = live({"slo": "api", "burn": 3, "window": "1m"}, slos=slos)
    tape = Tape(None).probe("web", 0, 120, bad=[(70.0, 70.0 + bad_s)])
    assert bool(stream(bounds, tape)) is fires


def test_a_burn_rate_looks_back_beyond_the_first_step() -> None:
    slos = {"api": SloTerms(name="api", target=0.995, window_s=DAYS_30, kind="probe", probe="web")}
    bounds = live({"slo": "api", "burn": 10, "window": "1m"}, slos=slos, begin=None)
    stream(bounds, Tape(None).probe("web", 0, 60))
    bounds.begin(60.0)
    # One second without an answer is not a minute at 200 times the budget.
    assert not stream(bounds, Tape(None).probe("web", 60, 61, bad=[(60, 61)]))


def test_a_burn_rate_of_metrics_needs_a_reading_over_its_window() -> None:
    slos = {"api": SloTerms(name="api", target=0.995, window_s=DAYS_30, kind="prometheus")}
    bounds = live({"slo": "api", "burn": 10, "window": "5m"}, slos=slos)
    assert not bounds.add_reading(Reading("api", "q", 60.0, 0.0, 1000.0, place="guard"), 60.0)
    (fired,) = bounds.add_reading(Reading("api", "q", 300.0, 800.0, 1000.0, place="guard"), 300.0)
    assert "burns at no less than 35.9 over 5 min (200 bad of 1,000)" in fired.why


def test_blindness_fires_as_unknown_when_nothing_comes() -> None:
    bounds = live({"blind": "5s"})
    stream(bounds, Tape(None).probe("web", 0, 3))
    assert not bounds.tick(7.9)
    (fired,) = bounds.tick(8.1)
    assert (fired.by, fired.holds) == ("blind", Holds.UNKNOWN)
    assert not bounds.tick(9.0)


def test_seconds_without_a_single_probe_are_blind() -> None:
    bounds = live({"blind": "5s"})
    empty = Tape(None).probe("web", 0, 10, rate=1).history()
    for record in empty:
        sample = sample_of(
            {
                **record.data,
                "sent": 0,
                "good": 0,
                "flips": [],
                "last": [],
                "latency_us": {},
                "dropped": 1,
            }
        )
        if fired := bounds.add(sample, record.mono):
            assert fired[0].by == "blind"
            return
    pytest.fail("a sampler that sends nothing must fire")


def test_a_control_probe_alone_does_not_end_blindness() -> None:
    bounds = live({"blind": "5s"})
    stream(bounds, Tape(None).probe("other", 0, 10, control=True))
    assert [f.by for f in bounds.tick(10.0)] == ["blind"]


def test_nothing_fires_before_the_first_step() -> None:
    bounds = live({"probe": "web", "bad": 1}, {"blind": "1s"}, begin=None)
    assert not stream(bounds, Tape(None).probe("web", 0, 10, bad=[(1, 9)]))
    assert not bounds.tick(60.0)


def test_live_figures_are_those_of_the_last_seconds() -> None:
    bounds = live()
    stream(bounds, Tape(None).probe("web", 0, 30, bad=[(3.0, 5.0), (29.0, 30.0)], slow={25.0: 0.2}))
    (now,) = bounds.now()
    assert (now.sli, now.sent, now.bad) == ("web", 200, 20)
    assert now.good_share == pytest.approx(0.9)
    assert now.p95_s == pytest.approx(0.2, rel=0.02)
    assert now.failing_s == pytest.approx(1.0)


def test_a_guard_that_can_never_fire_is_named() -> None:
    slos = {"api": SloTerms(name="api", target=0.995, window_s=DAYS_30)}
    guards: list[dict[str, Any]] = [
        {"budget": "api", "spent": "1%"},
        {"budget": "lost", "spent": "1%"},
        {"probe": "web", "bad": 1},
    ]
    assert live(*guards, slos=slos).unwatched == ["budget: lost, spent: 1%"]
