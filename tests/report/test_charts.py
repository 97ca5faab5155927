"""What the picture shows: nothing that was not looked at as good, nothing bad so small that it is
not seen.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

import pytest

from drillkit.judge import judge
from drillkit.model.records import History
from drillkit.report import render
from drillkit.report.charts import described, timeline
from drillkit.report.report_model import Story, tell
from drillkit.report.series import BINS
from tests.golden.stories import history_of
from tests.judge.histories import KILL, Tape, drill
from tests.judge.test_cost import long_run

WEB = {"web": {"http": "http://shop/", "rate": "10/s"}}


def story_of(history: History) -> Story:
    return tell(history, judge(history))


def run(until: float = 60, **probe: Any) -> Tape:
    tape = Tape(drill(probes=WEB, hypothesis={"during": {"web": {"p95": "100ms"}}}, steps=[KILL]))
    return (
        tape.phase("steps", 1, until - 1)
        .step("kill", 1, until - 1)
        .probe("web", 0, until, rate=10, **probe)
    )


def bars(svg: str, kind: str) -> list[tuple[float, float, float]]:
    """(x, width, height) of every bar of a kind."""
    found = re.findall(
        rf'<rect class="{kind}" x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="([\d.]+)"', svg
    )
    return [(float(x), float(width), float(height)) for x, width, height in found]


def test_a_time_in_which_nobody_looked_is_a_gap_in_both_panels() -> None:
    history = tuple(
        r for r in run().history() if not (r.data.get("type") == "Sample" and 20 < r.mono <= 30)
    )
    (series,) = story_of(history).series
    assert series.gaps == ((pytest.approx(20, abs=0.2), pytest.approx(30, abs=0.2)),)
    svg = timeline(story_of(history))
    assert svg.count("<title>no samples from 20.0 to 30.0 s</title>") == 2
    assert len(re.findall('<polyline class="p95"', svg)) == 2
    assert not [x for x, width, _ in bars(svg, "good") if 435 < x + width / 2 < 560]


def test_a_sample_that_was_written_late_leaves_no_gap() -> None:
    late = [replace(r, mono=r.mono + 3.5) if r.mono > 20 else r for r in run().history()]
    (series,) = story_of(tuple(late)).series
    assert series.gaps == ()


def test_a_slow_probe_has_no_gaps_between_its_requests() -> None:
    once = {"web": {"http": "http://shop/", "rate": "6/m"}}
    tape = Tape(drill(probes=once, steps=[KILL])).phase("steps", 1, 59).step("kill", 1, 59)
    for second in range(60):
        tape.probe("web", second, second + 1, rate=1 if second % 10 == 0 else 0)
    (series,) = story_of(tape.history()).series
    assert (series.gaps, series.sent) == ((), 6)


def test_an_hour_is_a_few_hundred_bars_in_which_one_lost_request_is_still_seen() -> None:
    tape = Tape(drill(probes=WEB, steps=[KILL])).phase("steps", 1, 3590).step("kill", 1, 3590)
    tape.probe("web", 0, 3600, rate=10, bad=[(1800.0, 1800.05)])
    story = story_of(tape.history())
    assert len(story.series[0].bins) <= BINS
    assert sum(b.sent for b in story.series[0].bins) == 36_000
    ((_, width, height),) = bars(timeline(story), "bad")
    assert width >= 1
    assert height >= 2


def test_an_outage_is_shaded_from_its_first_to_its_last_failure_and_carries_its_length() -> None:
    svg = timeline(story_of(run(bad=[(20, 30)]).history()))
    ((x, width, _),) = bars(svg, "outage")
    scale = (1000 - 150 - 22) / 60
    assert (x, width) == (
        pytest.approx(150 + 20 * scale, abs=0.1),
        pytest.approx(9.9 * scale, abs=0.2),
    )
    assert "<title>outage of 9.9 s to 10.1 s, 100 bad</title>" in svg
    assert ">9.9 s to 10.1 s out</text>" in svg


def test_latency_is_not_drawn_where_nothing_was_answered_and_its_bound_is() -> None:
    svg = timeline(story_of(run(bad=[(20, 30)]).history()))
    assert len(re.findall('<polyline class="p95"', svg)) == 2
    assert "bound 100 ms" in svg


def test_the_percentile_that_broke_its_bound_is_drawn_with_it() -> None:
    """One in twenty-five is slow: p95 is well, p99 is not."""
    during = {"web": {"p95": "100ms", "p99": "200ms"}}
    tape = Tape(drill(probes=WEB, hypothesis={"during": during}, steps=[KILL]))
    tape.phase("steps", 1, 59).step("kill", 1, 59).mark("kill", disrupted=2.0)
    slow = {
        at + part: value for at in range(0, 60, 2) for part, value in ((0.0, 0.5), (0.1, 0.005))
    }
    story = story_of(tape.probe("web", 0, 60, rate=10, slow=slow).history())
    (series,) = story.series
    assert (series.percentile, series.bound_ms) == ("p99", 200)
    assert max(b.latency_ms or 0 for b in series.bins) >= 500
    svg = timeline(story)
    assert "p99, ms" in svg
    assert "bound 200 ms" in svg


def test_the_number_of_outages_is_that_of_all_and_not_of_those_that_are_drawn() -> None:
    bad = [(at + 0.5, at + 0.6) for at in range(2, 330)]
    history = run(until=340, bad=bad).closed(341).history()
    story = story_of(history)
    (series,) = story.series
    assert (len(series.outages), series.outage_count) == (200, 328)
    assert "328 outages, the 200 longest drawn" in timeline(story)
    assert "328 outages" in described(story)
    last = story.moments[-1].text
    assert last == "web failed 318 more times, none for longer than 0.2 s"
    files = render(history, judge(history), "hash")
    assert "and 308 shorter ones" in files["report.md"]
    assert "and 308 shorter ones" in files["report.html"]


def test_outages_that_were_not_even_kept_are_counted() -> None:
    bad = [
        (at + part - 0.05, at + part + 0.05)
        for at in range(2, 1202)
        for part in (0.1, 0.3, 0.5, 0.7)
    ]
    verdict = judge(run(until=1210, bad=bad).history())
    whole = verdict.slis[-1]
    assert whole.outage_count == 4800 > len(whole.outages)
    assert next(s for s in verdict.slis if s.phase == "during").outage_count == 4800


def test_what_the_prober_did_not_send_is_told() -> None:
    svg = timeline(story_of(run(dropped={20: 3}).history()))
    assert "3 not sent by the prober itself" in svg


def test_an_abort_is_a_line_through_everything() -> None:
    svg = timeline(
        story_of(run().add(30.0, "abort", by="operator", why="enough").closed(60).history())
    )
    assert svg.count('class="cutting"') == 1
    assert ">aborted</text>" in svg


def test_a_crash_is_drawn_where_the_run_ended_and_not_where_it_was_cleaned_up() -> None:
    story = story_of(history_of("recovered"))
    assert story.length_s == pytest.approx(12.0)
    assert [(e.text, e.at_s) for e in story.events] == [("cut off", pytest.approx(12.0))]
    assert story.recovered == "grace@runner-2 on 2027-01-15 11:00:00 UTC"
    assert story.moments[-1].date == "11:00:01"


def test_every_step_has_a_lane_and_a_group_stands_above_its_own() -> None:
    story = story_of(history_of("violated"))
    assert [(lane.name, lane.depth) for lane in story.lanes] == [
        ("storm", 0),
        ("kill", 1),
        ("lag", 1),
        ("report", 0),
        ("never", 0),
    ]
    svg = timeline(story)
    for words in ("ok", "failed", "skipped"):
        assert f">{words}</text>" in svg


def test_the_picture_is_told_in_words_too() -> None:
    words = described(story_of(history_of("violated")))
    assert "kill: 8 s to 14 s, ok." in words
    assert "orders-through-the-front-page: 31 of 300 requests bad, 1 outage." in words
    assert "never: 21 s to 21 s, skipped." in words


def test_a_step_that_was_not_reached_says_so() -> None:
    assert "kill was not reached." in described(story_of(history_of("refused")))


def test_controls_stand_last() -> None:
    assert [s.sli for s in story_of(history_of("violated")).series] == [
        "orders-through-the-front-page",
        "web",
        "cache",
    ]


@pytest.mark.realtime
def test_an_hour_at_100_per_second_is_judged_and_drawn_in_under_two_seconds() -> None:
    history = long_run(3600, 100)
    began = time.process_time()
    render(history, judge(history), "0" * 64)
    assert time.process_time() - began < 2.0
