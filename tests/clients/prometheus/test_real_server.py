"""Against a real Prometheus that scrapes a tiny exporter once a second."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

import pytest

from drillkit.model.slo import Counter, Ratio, Sli, Slices, Slo, Threshold, Windowed
from drillkit.slo.count import Count
from drillkit.slo.counts import Counting, Cumulative
from drillkit.slo.status import stand

from .conftest import Exporter, Running, wait

pytestmark = pytest.mark.slow


def slo(sli: Sli, *, target: float = 0.995, slices: Slices | None = None) -> Slo:
    return Slo(
        name="web", title="web", target=target, window=timedelta(days=30), sli=sli, slices=slices
    )


_NUMBER = count()


@dataclass(frozen=True)
class App:
    """Counters of a test's own, so that no test sees what another counted."""

    name: str
    exporter: Exporter
    counting: Counting

    @property
    def slo(self) -> Slo:
        return slo(Ratio(bad=Counter(f'{self.name}{{code=~"5.."}}'), total=Counter(self.name)))

    def series(self, code: int, pod: str = "a") -> str:
        return f'{self.name}{{pod="{pod}",code="{code}"}}'

    def serve(self, requests: int, code: int = 200, pod: str = "a") -> None:
        self.exporter.add(self.series(code, pod), requests)

    def events(self, **part: str) -> Slo:
        return slo(
            Ratio(
                **{key: Counter(self.name + text) for key, text in part.items()},
                total=Counter(self.name),
            )
        )


@pytest.fixture
def app(prometheus: Running, exporter: Exporter) -> App:
    exporter.up = True
    exporter.values.clear()
    exporter.values.update({"broken": 0.0, "slow": 0.0, "load": 1.0})
    made = App(f"requests_{next(_NUMBER)}_total", exporter, Counting(prometheus.client()))
    made.serve(1000)
    wait(lambda: bool(prometheus.client().instant(made.name, time.time()).series), 10)
    scraped()
    return made


def scraped(seconds: float = 2.2) -> None:
    """Two scrapes later everything is there."""
    time.sleep(seconds)


def test_counts_resets_and_new_series_are_all_there_and_increase_would_have_missed_some(
    app, prometheus
):
    began = time.time()
    app.serve(60)
    app.serve(7, 503)  # a series that was never there before
    time.sleep(1.5)
    app.exporter.values[app.series(200)] = 20.0  # the process started anew and counted 20
    app.serve(30, pod="b")  # a pod came
    scraped()
    del app.exporter.values[app.series(200, "b")]  # and went
    scraped(3)
    end = time.time() - 1

    found = app.counting.count(app.slo, began, end)

    assert (found.bad, found.total) == (7, 60 + 7 + 20 + 30), found
    theirs = prometheus.client().instant(f"sum(increase({app.name}[{int(end - began)}s]))", end)
    assert theirs.series[0].samples[0][1] < 100  # the born series' first values are missing there


def test_a_server_that_lost_its_data_in_the_middle_gives_no_count(app):
    began = time.time()
    app.exporter.up = False
    time.sleep(7)
    app.exporter.up = True
    app.serve(50)
    scraped(3)

    found = app.counting.count(app.slo, began, time.time() - 1)

    assert found.good is None
    assert f"no sample of {app.name} for" in found.why


def test_a_target_that_is_scraped_no_more_gives_no_count(app):
    began = time.time()
    time.sleep(3)
    app.exporter.up = False
    time.sleep(4)

    found = app.counting.count(app.slo, began, time.time())

    assert found.good is None
    assert "is it still scraped" in found.why


def test_selectors_that_match_nothing_are_no_zeroes(app):
    start = time.time()
    scraped(4.5)
    end = time.time()

    no_total = app.counting.count(
        slo(Ratio(bad=Counter('nothing{a="b"}'), total=Counter("nothing"))), start, end
    )
    no_label = app.counting.count(app.events(bad='{status="500"}'), start, end)
    no_good = app.counting.count(app.events(good='{code="201"}'), start, end)
    no_bad = app.counting.count(app.slo, start, end)

    assert "matched nothing within the last day" in no_total.why
    assert "nobody knows whether it ever could" in no_label.why
    assert "nobody knows whether it ever could" in no_good.why
    assert no_bad.why == "no events in the window"
    assert no_bad.notes == ("no bad event was ever counted; the labels that would tell are there",)


def test_a_latency_limit_is_a_bucket_whatever_its_spelling_and_between_two_it_is_a_range(app):
    series = 'took_bucket{{le="{}"}}'
    for le in ("250.0", "500.0", "+Inf"):
        app.exporter.values[series.format(le)] = 0
    app.exporter.values["took_count"] = 0
    scraped()
    began = time.time()
    for le, within in (("250.0", 80), ("500.0", 90), ("+Inf", 100)):
        app.exporter.values[series.format(le)] = within
    app.exporter.values["took_count"] = 100
    scraped(5)
    end = time.time() - 1

    def at_most(limit: str) -> Count:
        bucket = Counter(f'took_bucket{{le="{limit}"}}')
        return app.counting.count(slo(Ratio(good=bucket, total=Counter("took_count"))), began, end)

    exact, inside = at_most("500"), at_most("300")

    assert (exact.good, exact.total) == (90, 100)
    assert (inside.good, inside.good_most, inside.total) == (80, 90, 100)
    assert inside.edges == ("250.0", "500.0")


def test_windowed_queries_and_rates_are_counted_by_the_server(app):
    for _ in range(6):
        app.serve(10)
        time.sleep(1)
    end = time.time() - 1
    twice = Windowed(
        f"sum(rate({app.name}[{{{{.window}}}}])) + sum(rate({app.name}[{{{{.window}}}}]))",
        per_second=True,
    )

    found = app.counting.count(slo(Ratio(good=twice, total=twice)), end - 5, end)

    assert found.total == pytest.approx(100, rel=0.35)
    assert "[5s]" in found.queries[0] or "[5000ms]" in found.queries[0]


def test_slices_of_a_value_are_good_or_bad_as_a_whole(app):
    length = Slices(timedelta(seconds=1), 1.0)
    began = time.time()
    time.sleep(3)
    app.exporter.values["load"] = 9.0
    scraped(3)

    found = app.counting.count(slo(Threshold("load", "lte", 5.0), slices=length), began, began + 6)

    assert found.total == 6
    assert found.good in (3, 4)  # the change is seen one scrape later at most


def test_what_is_read_piece_by_piece_adds_up_to_the_whole(app):
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.05):
            app.serve(3)
            app.serve(1, 500)

    thread = threading.Thread(target=work)
    began = time.time()
    running = Cumulative(app.counting, app.slo, began)
    thread.start()
    for _ in range(6):
        time.sleep(1.3)
        running.read(time.time() - 1)
    stop.set()
    thread.join()
    scraped(3)
    end = time.time() - 1

    whole, pieces = app.counting.count(app.slo, began, end), running.read(end)

    assert (pieces.good, pieces.total) == (whole.good, whole.total)
    assert pieces.bad == app.exporter.values[app.series(500)]


def test_firing_alerts_are_dated_from_when_they_fired(app, prometheus):
    client = prometheus.client()
    before = time.time()
    app.exporter.values.update({"broken": 1.0, "slow": 1.0})
    wait(lambda: {"Broken", "Slow"} <= {alert.name for alert in client.firing()}, 12)
    found = {alert.name: alert for alert in client.firing()}

    assert found["Broken"].labels["severity"] == "critical"
    assert 0 <= found["Broken"].since.timestamp() - before <= 3
    assert found["Slow"].since.timestamp() - found["Broken"].since.timestamp() == pytest.approx(
        2, abs=1.1
    )
    app.exporter.values["broken"] = 0.0
    wait(lambda: "Broken" not in {alert.name for alert in client.firing()}, 10)


def test_its_clock_is_compared_with_ours(prometheus):
    assert abs(prometheus.client().clock_offset_s()) < 0.5


def test_how_an_objective_stands_now(app, prometheus):
    for _ in range(5):
        app.serve(90)
        app.serve(10, 500)
        time.sleep(1)
    scraped()

    found = stand(prometheus.client(), app.slo, time.time() - 1)

    assert found.answer.holds.value == "violated"
    assert 4 < found.covered_s < 60
    assert not found.whole
    assert found.consumed is not None
    assert found.consumed < 0.01  # seconds of thirty days, however bad
    page = found.burning[0]
    assert page.alarm.factor == pytest.approx(14.4)
    assert (
        page.fires_in_s == 0.0
    )  # a burn of about 20 in both windows, since both hold the same few seconds
    assert page.outage_s == pytest.approx(259.2)
