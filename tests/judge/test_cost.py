"""What judging costs: an hour at once, a day without a day's memory."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from drillkit.judge import judge
from drillkit.judge.histogram import bucket_us
from drillkit.model.records import History, Record
from tests.judge.histories import HYPOTHESIS, KILL, Tape, drill


def long_run(seconds: int, rate: int) -> History:
    """A run of that many seconds whose samples are one minute's, over and over, moved along
    in time.
    """
    of = drill(probes={"web": {"http": "http://shop/health"}}, hypothesis=HYPOTHESIS, steps=[KILL])
    minute = Tape(None).probe("web", 0, 60, rate=rate, bad=[(30, 30.1)]).history()
    frame = (
        Tape(of)
        .phase("steps", 1, seconds - 30)
        .gate(0.5, "before", "web")
        .step("kill", 1, seconds - 30)
    )
    frame.mark("kill", disrupted=2, recovered=4).gate(seconds - 1.0, "after", "web").closed(
        seconds + 1
    )
    samples = [
        Record(
            0,
            r.at + offset,
            r.mono + offset,
            "sampler",
            r.kind,
            "",
            {**r.data, **_moved(r, offset)},
        )
        for offset in range(0, seconds, 60)
        for r in minute
    ]
    lines = sorted([*frame.history(), *samples], key=lambda r: r.mono)
    return tuple(
        Record(n, r.at, r.mono, r.by, r.kind, r.step, r.data) for n, r in enumerate(lines, 1)
    )


def _moved(record: Record, offset: float) -> dict[str, object]:
    good = record.data["good"]
    latencies = [bucket_us(2000 + round(20_000 * i / good)) for i in range(good)]
    spread = {str(bucket): latencies.count(bucket) for bucket in dict.fromkeys(latencies)}
    moved = {
        key: [[at + offset, state] for at, state in record.data[key]] for key in ("flips", "last")
    }
    return {**moved, "latency_us": spread}


@pytest.mark.realtime
def test_an_hour_at_100_per_second_is_judged_well_under_a_second() -> None:
    history = long_run(3600, 100)
    began = time.process_time()
    verdict = judge(history)
    took_s = time.process_time() - began
    assert verdict.slis[-1].sent == 360_000
    assert len(verdict.slis[-1].outages) == 60
    assert took_s < 1.0


def test_memory_does_not_grow_with_the_length_of_the_run() -> None:
    peaks = []
    for seconds in (600, 3600):
        history = long_run(seconds, 10)
        tracemalloc.start()
        judge(history)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Outages are kept (up to a number), samples are not: fifty minutes of these would be megabytes.
    assert peaks[1] - peaks[0] < 200_000
