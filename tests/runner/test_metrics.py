"""What a run does with its metrics server: gates, readings, alerts, guards of the start; time
runs fast.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from drillkit.clients.prometheus.alerts import Firing
from drillkit.clients.prometheus.answers import QueryAnswer, Series
from drillkit.clock import Fence as ClosingGate
from drillkit.journal.file import Journal, read
from drillkit.model.drill import (
    Bounds,
    Detect,
    Drill,
    Gate,
    GateSet,
    Guard,
    Guards,
    Hypothesis,
    Objectives,
    Step,
)
from drillkit.model.errors import Denied, Refused, Unanswered
from drillkit.model.records import SloTerms
from drillkit.model.slo import Counter, Probed, Ratio, Slo
from drillkit.model.target import PrometheusTarget, Target
from drillkit.model.units import Share
from drillkit.model.verdict import Holds
from drillkit.runner import metrics_server as module
from drillkit.runner.abort import Stopper
from drillkit.runner.metrics import Metrics

FACTOR = 20.0


class FastClock:
    """The machine's clock, twenty times faster."""

    def __init__(self) -> None:
        self._real, self._at = time.monotonic(), time.time()

    def mono(self) -> float:
        return (time.monotonic() - self._real) * FACTOR

    def now(self) -> float:
        return self._at + self.mono()

    def sleep(self, seconds: float, wake: threading.Event | None = None) -> bool:
        if wake is not None:
            return wake.wait(max(0.0, seconds / FACTOR))
        time.sleep(max(0.0, seconds / FACTOR))
        return False


@dataclass
class Server:
    """A metrics server that scrapes once a second: 10 good requests a second, and bad ones between
    two moments.
    """

    clock: FastClock
    fail: Exception | None = None
    bad_from: float = float("inf")
    bad_until: float = float("inf")
    born: float = 0.0
    alerts: list[Firing] = field(default_factory=list)
    where = "http://metrics.test"
    scrape_interval_s = 1.0
    asked: int = 0

    def _answer(self, make: Callable[[], Any]) -> Any:
        self.asked += 1
        if self.fail is not None:
            raise self.fail
        return make()

    def clock_offset_s(self) -> float:
        return float(self._answer(lambda: 0.0))

    def firing(self, silenced: Any = ()) -> list[Firing]:
        return list(self._answer(lambda: self.alerts))

    def series(self, selectors: Any, start: float, end: float) -> tuple[Mapping[str, str], ...]:
        return tuple(
            self._answer(
                lambda: ({"__name__": "r", "code": "200"},) if "r" in str(selectors) else ()
            )
        )

    def range(self, query: str, start: float, end: float, step_s: float) -> QueryAnswer:
        def make() -> QueryAnswer:
            first = max(start, end - 60)
            return QueryAnswer((Series({}, ((first, 1.0), (end, 1.0))),))

        return self._answer(make)

    def instant(self, query: str, at: float) -> QueryAnswer:
        return self._answer(lambda: self._scraped(query, at))

    def _scraped(self, query: str, at: float) -> QueryAnswer:
        if not query.startswith(("r", "count(r", "sum(((last_over_time(r[")):
            return QueryAnswer(())
        if query.startswith("count("):
            return QueryAnswer((Series({}, ((at, 2.0),)),))
        times = [float(t) for t in range(int(at) - 330, int(at) + 1)]
        good = tuple((t, 10.0 * (t - times[0])) for t in times)
        bad = tuple((t, 10.0 * max(0.0, min(t, self.bad_until) - self.bad_from)) for t in times)
        if query.startswith("sum("):
            return QueryAnswer((Series({}, ((at, 1000.0),)),))
        labels = {"__name__": "r", "code": "200"}
        return QueryAnswer((Series(labels, good), Series({**labels, "code": "500"}, bad)))


API = Slo(
    name="api",
    title="api",
    target=0.995,
    window=timedelta(days=30),
    sli=Ratio(bad=Counter('r{code=~"5.."}'), total=Counter("r")),
)
STEP = Step(name="wait", uses="wait", with_={"for": "1s"})


@dataclass
class Run:
    """A run's metrics and what they wrote."""

    metrics: Metrics
    server: Server
    clock: FastClock
    path: Path
    stopper: Stopper

    def readings(self, place: str) -> list[Mapping[str, Any]]:
        found = [r.data for r in read(self.path) if r.data.get("type") == "Reading"]
        return [data for data in found if data.get("place", "during") == place]

    def wait(self, until: Callable[[], bool], limit_s: float = 60.0) -> None:
        end = self.clock.mono() + limit_s
        while not until():
            assert self.clock.mono() < end, "it did not come in time"
            time.sleep(0.005)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Run]]:
    made: list[Run] = []

    def make(
        drill: Drill | None = None, slos: Mapping[str, Slo] | None = None, *, server: bool = True
    ) -> Run:
        drill = drill or drill_with()
        clock = FastClock()
        fake = Server(clock)
        monkeypatch.setattr(
            module, "open_prometheus", lambda target, clock, limit_s, before, aws: fake
        )
        gate = ClosingGate()
        journal = Journal(tmp_path / "journal.jsonl", clock=clock, fence=gate)
        stopper = Stopper(journal, gate)
        where = PrometheusTarget(url=fake.where) if server else None
        metrics = Metrics(
            drill,
            {"api": API} if slos is None else slos,
            Target(name="prod", prometheus=where),
            journal,
            clock,
            stopper,
        )
        made.append(Run(metrics, fake, clock, tmp_path / "journal.jsonl", stopper))
        return made[-1]

    yield make
    for each in made:
        each.stopper.haste.skip_remove.set()
        each.metrics.stop()


def drill_with(**more: Any) -> Drill:
    hypothesis = Hypothesis(before=GateSet(slo=("api",)), during={"api": Bounds(bad=5)})
    return Drill(drill="d", hypothesis=hypothesis, steps=(STEP,), **more)


def test_record_1_gets_the_terms_of_every_slo(run):
    one = run()

    assert one.metrics.open() == {
        "api": SloTerms(name="api", target=0.995, window_s=2_592_000.0, kind="prometheus")
    }
    assert one.metrics.clock_offset_s() == 0.0


def test_a_gate_before_the_steps_is_answered_from_what_was_before(run):
    one = run()
    one.metrics.open()
    one.metrics.start()
    one.metrics.fresh("api", Gate(), "before")

    one.wait(lambda: one.metrics.answer("api").holds is Holds.MET, 5)

    answer = one.metrics.answer("api")
    assert (answer.bad, answer.total) == (0, 100)
    assert one.readings("before")[0]["query"].startswith("r[")
    assert answer.records


def test_a_gate_after_the_steps_counts_only_what_came_since(run):
    one = run()
    one.metrics.open()
    one.metrics.start()
    one.metrics.begin()
    now = one.clock.now()
    one.server.bad_from, one.server.bad_until = now - 20, now - 1
    one.metrics.fresh("api", Gate(), "after")

    first = one.metrics.answer("api")
    one.wait(lambda: one.metrics.answer("api").holds is not Holds.UNKNOWN)

    assert first.holds is Holds.UNKNOWN
    assert one.metrics.answer("api").holds is Holds.MET
    assert one.clock.now() - now >= 11
    assert {reading["good"] for reading in one.readings("after")} == {100.0}


def test_a_gate_that_nobody_looks_at_any_more_is_asked_no_more(run):
    one = run()
    one.metrics.open()
    one.metrics.start()
    one.metrics.fresh("api", Gate(), "before")
    one.wait(lambda: one.metrics.answer("api").holds is Holds.MET, 5)
    time.sleep(4 / FACTOR)
    before = one.server.asked
    time.sleep(6 / FACTOR)

    assert one.server.asked == before


def test_what_is_read_during_covers_the_steps_to_their_end(run):
    one = run()
    one.metrics.open()
    one.metrics.start()
    one.metrics.begin()
    began = one.clock.now()
    one.server.bad_from, one.server.bad_until = began + 3, began + 5
    time.sleep(10 / FACTOR)
    one.metrics.ended()
    lasted = one.clock.now() - began

    one.metrics.stop()

    last = one.readings("during")[-1]
    assert last["window_s"] >= lasted
    assert last["total"] - last["good"] == pytest.approx(20)
    assert last["total"] == pytest.approx(10 * last["window_s"] + 20, abs=21)


def test_a_server_that_goes_away_in_the_middle_leaves_a_reading_that_says_so(run):
    one = run()
    one.metrics.open()
    one.metrics.start()
    one.metrics.begin()
    one.wait(lambda: any(reading.get("good") is not None for reading in one.readings("during")))
    one.server.fail = Unanswered("http://metrics.test: connected, but no answer within 10 s")
    one.metrics.ended()
    one.metrics.stop()

    last = one.readings("during")[-1]
    assert last.get("good") is None
    assert "no answer within 10 s" in last["why"]


def test_a_server_that_refuses_keeps_the_drill_from_starting_with_its_reason(run):
    one = run()
    one.server.fail = Denied("not authenticated (401)")
    assert one.metrics.open()["api"].kind == "prometheus"

    with pytest.raises(Refused, match="SLO api: cannot be read: not authenticated"):
        one.metrics.start()


def test_a_target_without_a_metrics_server_keeps_it_from_starting(run):
    one = run(server=False)
    one.metrics.open()

    with pytest.raises(Refused, match="target `prod` has no `prometheus:`"):
        one.metrics.start()


def test_a_drill_without_slos_and_alerts_asks_nobody(run):
    one = run(Drill(drill="d", steps=(STEP,)), {}, server=False)

    assert one.metrics.open() == {}
    one.metrics.start()
    one.metrics.check()
    one.metrics.begin()
    one.metrics.ended()
    one.metrics.stop()


def test_a_selector_that_never_matched_refuses(run):
    typo = Slo(
        name="api",
        title="",
        target=0.995,
        window=timedelta(days=30),
        sli=Ratio(bad=Counter("x"), total=Counter("x")),
    )
    one = run(slos={"api": typo})
    one.metrics.open()
    one.metrics.start()

    with pytest.raises(Refused, match="SLO api: x matches nothing; is the selector right"):
        one.metrics.check()


def firing(name: str, severity: str = "critical") -> Firing:
    return Firing(name, {"alertname": name, "severity": severity}, datetime.now(UTC))


def alert_drill(**more: Any) -> Drill:
    wanted = Objectives(detect=Detect(alert="WebErrors", within=timedelta(minutes=1)))
    detect = Step(name="s", uses="wait", objectives=wanted)
    guards = Guards(abort=(Guard(alerts='severity="critical"'),), **more)
    return Drill(drill="d", steps=(detect,), guards=guards)


def test_an_unexpected_critical_alert_aborts_and_expected_and_older_ones_do_not(run):
    one = run(alert_drill(expected_alerts=("PodDown",)), {})
    one.server.alerts = [firing("OldTrouble"), firing("Watchdog", "none")]
    one.metrics.open()
    one.metrics.start()
    one.wait(lambda: any(r["sli"] == "alerts" for r in one.readings("during")))
    one.metrics.begin()
    one.server.alerts += [firing("WebErrors"), firing("PodDown")]
    one.wait(lambda: any(r.data.get("name") == "WebErrors" for r in read(one.path)))
    time.sleep(3 / FACTOR)
    assert one.stopper.aborted is None

    one.server.alerts = [firing("DiskFull")]
    one.wait(lambda: one.stopper.aborted is not None)

    assert one.stopper.aborted is not None
    by, why = one.stopper.aborted
    assert by == "guard"
    assert 'alerts: severity="critical": unexpected alert: DiskFull since' in why
    alerts = [
        (r.data["name"], r.data["state"], r.data.get("expected", False))
        for r in read(one.path)
        if r.data.get("type") == "Alert"
    ]
    assert ("WebErrors", "firing", True) in alerts
    assert ("WebErrors", "resolved", True) in alerts
    assert not [each for each in alerts if each[0] == "Watchdog"]
    assert any(r.kind == "guard.decided" for r in read(one.path))


def test_alerts_that_cannot_be_read_are_no_silence(run):
    one = run(alert_drill(), {})
    one.metrics.open()
    one.server.fail = Unanswered("no answer")
    one.metrics.start()
    one.wait(lambda: bool(one.readings("during")))

    reading = one.readings("during")[0]
    assert reading["sli"] == "alerts"
    assert reading.get("total") is None
    assert reading["why"] == "no answer"


@pytest.mark.parametrize(
    ("guard", "prepare", "holds", "words"),
    [
        (Guard(alerts='severity="critical"'), lambda s: None, Holds.MET, "none fires"),
        (
            Guard(alerts='severity="critical"'),
            lambda s: s.alerts.append(firing("Disk")),
            Holds.VIOLATED,
            "Disk",
        ),
        (
            Guard(alerts='severity="critical"'),
            lambda s: setattr(s, "fail", Unanswered("slow")),
            Holds.UNKNOWN,
            "slow",
        ),
        (Guard(slo="api"), lambda s: None, Holds.MET, "100 % good"),
        (Guard(slo="api"), lambda s: setattr(s, "bad_from", 0.0), Holds.VIOLATED, "% good"),
        (
            Guard(budget="api", left=Share(0.2)),
            lambda s: None,
            Holds.MET,
            "100 % of its error budget is left",
        ),
        (
            Guard(budget="api", left=Share(0.2)),
            lambda s: setattr(s, "fail", Denied("401")),
            Holds.UNKNOWN,
            "401",
        ),
        (Guard(slo="seen"), lambda s: None, Holds.UNKNOWN, "has no past to judge by"),
    ],
)
def test_guards_of_the_start_are_met_violated_or_unknown(run, guard, prepare, holds, words):
    seen = Slo(name="seen", title="", target=0.9, window=timedelta(days=1), sli=Probed("web"))
    one = run(slos={"api": API, "seen": seen})
    one.metrics.open()
    prepare(one.server)

    found, why = one.metrics.start_guard(guard)

    assert found is holds, why
    assert words in why
