"""Open loop: what the service or the machine does to the answers does nothing to the schedule."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from typing import Any

import pytest

from drillkit.model.drill import Probe
from drillkit.model.units import Rate

pytestmark = pytest.mark.realtime


def test_200_a_second_are_200_a_second(service: Any, watcher: Any) -> None:
    with watcher({"web": Probe(http=service.url(), rate=Rate(200))}) as watch:
        time.sleep(2.3)
    first, second, *_ = watch.samples("web")
    for sample in (first, second):
        assert (sample.sent, sample.good, sample.dropped) == (200, 200, 0)
        assert (
            sample.lateness_p99_us < 50_000
        )  # milliseconds even on a busy machine; the benchmark has the figure
    assert first.flips[0][0] == round(watch.sampler.started, 6)
    assert round(second.last[-1][0] - first.flips[0][0], 6) == 399 / 200


def test_a_second_is_in_the_journal_as_soon_as_it_is_over(service: Any, watcher: Any) -> None:
    with watcher({"web": Probe(http=service.url(), rate=Rate(20))}) as watch:
        time.sleep(1.3)
        arrived = watch.arrived[0] - watch.sampler.started
    assert 1.0 <= arrived < 1.25


def test_probes_of_one_rate_do_not_leave_at_the_same_time(service: Any, watcher: Any) -> None:
    probe = Probe(http=service.url(), rate=Rate(10))
    with watcher({"a": probe, "b": probe}) as watch:
        time.sleep(0.3)
    apart = watch.total("b").flips[0][0] - watch.total("a").flips[0][0]
    assert abs(apart - 0.05) < 1e-5


def test_a_service_that_never_answers_does_not_slow_the_schedule(
    service: Any, watcher: Any
) -> None:
    probe = Probe(http=service.url("/never"), rate=Rate(50), timeout=timedelta(milliseconds=800))
    with watcher({"web": probe}) as watch:
        time.sleep(1.3)
    first = watch.samples("web")[0]
    assert (first.sent, first.bad, first.dropped) == (50, {"timeout": 50}, 0)
    # Known only when the last of them has timed out, and then at once.
    assert 1.75 <= watch.arrived[0] - watch.sampler.started < 2.0


def test_a_stall_of_the_service_is_seen_by_every_probe_that_was_meant_to_leave_in_it(
    own_service: Any, watcher: Any
) -> None:
    stall_s, rate = 1.5, 40
    with watcher(
        {"web": Probe(http=own_service.url(), rate=Rate(rate), timeout=timedelta(seconds=5))}
    ) as watch:
        time.sleep(0.3)
        own_service.go.clear()
        time.sleep(stall_s)
        own_service.go.set()
        time.sleep(0.3)
    total = watch.total("web")
    assert (total.good, total.dropped) == (total.sent, 0)
    waited = sorted(
        us / 1e6 for us, count in total.latency_us.items() for _ in range(count) if us > 50_000
    )
    # A closed loop would have seen one. Here they lie evenly between nothing and the whole stall.
    assert abs(len(waited) - rate * stall_s) < 6
    assert abs(waited[-1] - stall_s) < 0.15
    assert abs(sum(waited) / len(waited) - stall_s / 2) < 0.15


def test_a_prober_that_was_stopped_says_so_and_blames_nobody(service: Any, watcher: Any) -> None:
    probes = {
        "web": Probe(http=service.url(), rate=Rate(50), timeout=timedelta(seconds=1)),
        "lag": Probe(http=service.url("/lag"), rate=Rate(50), timeout=timedelta(seconds=1)),
    }
    with watcher(probes) as watch:
        time.sleep(0.4)
        os.kill(watch.sampler.pid, signal.SIGSTOP)
        time.sleep(1.0)
        os.kill(watch.sampler.pid, signal.SIGCONT)
        time.sleep(1.0)
    for name in probes:
        total = watch.total(name)
        assert total.bad == {}
        assert 40 <= total.dropped < 65
        assert [s.sent + s.dropped for s in watch.samples(name)[:2]] == [50, 50]
        assert max(total.latency_us) < 600_000
    # Those that were in flight when it fell asleep are among the dropped: nobody saw when their
    # answers came.
    assert watch.total("lag").dropped > watch.total("web").dropped


def test_a_rate_below_one_a_second_still_writes_every_second(service: Any, watcher: Any) -> None:
    with watcher({"web": Probe(http=service.url(), rate=Rate.parse("30/m"))}) as watch:
        time.sleep(2.2)
    assert [s.sent for s in watch.samples("web")] == [1, 0, 1]
