"""An hour of samples at 100 a second, judged and charted; and what a day of them takes of memory
while it runs.

Run it as `python tests/bench/hour.py`; it takes about 20 s and needs nothing else. Prints

- seconds to read, judge and render a journal of one hour (bound: 2 s in all);
- how much the live side (abort guards, gates, live figures) grows over 24 simulated hours (bound:
  1 MB).

Ends with 1 when a figure misses its bound.
"""

from __future__ import annotations

import math
import random
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from drillkit.model.records import (
    ListedStep,
    PhaseEnded,
    PhaseStarted,
    RunClosed,
    RunOpened,
    StepEnded,
    StepStarted,
)
from drillkit.model.target import Target

sys.path.insert(0, str(Path(__file__).parents[2]))

from drillkit.journal.file import Journal, read
from drillkit.judge import judge
from drillkit.judge.abort_guards import LiveBounds
from drillkit.judge.gates import GateWindow
from drillkit.judge.histogram import bucket_us
from drillkit.model.drill import Bounds, Drill, Gate, Guard, Guards, Hypothesis, Probe, Step
from drillkit.model.evidence import Reading, Sample
from drillkit.model.records import SloTerms
from drillkit.model.units import OutOf, Rate, Share
from drillkit.report import render

RATE = 100
HOUR_S = 3600
DAY_S = 86_400
BOUND_S = 2.0
BOUND_BYTES = 1_000_000
SLO = SloTerms(name="api", target=0.995, window_s=2_592_000.0, kind="probe", probe="web")


def main() -> int:
    fine = hour()
    return 0 if day() and fine else 1


class Clock:
    """Time as the simulation says."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return 1_790_000_000.0 + self.at

    def mono(self) -> float:
        return self.at

    def sleep(self, seconds: float, wake: Any = None) -> bool:
        raise AssertionError("nobody sleeps here")


def drill() -> Drill:
    return Drill(
        drill="hour",
        owner="bench@example.com",
        probes={
            "web": Probe(
                http="http://127.0.0.1:1/", rate=Rate(RATE), slow=timedelta(milliseconds=500)
            )
        },
        hypothesis=Hypothesis(
            during={
                "web": Bounds(
                    bad=100_000, longest_gap=timedelta(seconds=30), p95=timedelta(seconds=1)
                ),
                "api": Bounds(budget=Share(0.5)),
            },
        ),
        guards=Guards(
            abort=(
                Guard(probe="web", longest_gap=timedelta(minutes=1)),
                Guard(budget="api", spent=Share(0.9)),
                Guard(slo="api", burn=1000.0, window=timedelta(minutes=5)),
                Guard(blind=timedelta(seconds=30)),
            )
        ),
        steps=(Step(name="wait", uses="wait", with_={"for": "1h"}),),
    )


def samples(seconds: int, start: float, rate: int = RATE) -> Iterator[Sample]:
    """One a second, with latencies as services have them and an outage of two seconds every
    ten minutes.
    """
    chance = random.Random(1)
    for second in range(seconds):
        at = start + second
        if second % 600 in (300, 301):
            flips, last = ((at, False),), ((at + 0.99, False),)
            yield Sample("web", rate, 0, {"refused": rate}, {}, flips, last, 900, 0)
            continue
        latency: dict[int, int] = {}
        for _ in range(rate):
            bucket = bucket_us(int(1000 * math.exp(chance.gauss(1.0, 0.6))))
            latency[bucket] = latency.get(bucket, 0) + 1
        yield Sample("web", rate, rate, {}, latency, ((at, True),), ((at + 0.99, True),), 900, 0)


def write(path: Path) -> None:
    clock = Clock()
    journal = Journal(path, clock=clock)
    opened = RunOpened(
        run="20261101-030000-hour",
        drill=drill(),
        target=Target(name="bench"),
        operator="bench",
        trigger="bench",
        steps=(ListedStep("wait", "wait", "none"),),
        slos={"api": SLO},
    )
    journal.append(opened, durable=False)
    clock.at += 1
    journal.append(PhaseStarted("steps"), durable=False)
    journal.append(StepStarted("wait", "none"), durable=False, step="wait")
    for second, sample in enumerate(samples(HOUR_S, clock.at)):
        clock.at += 1
        journal.append(sample, durable=False, step="", by="sampler")
        if second % 15 == 14:
            total = float(RATE * second)
            reading = Reading("mesh", "istio_requests_total[...]", float(second), total, total)
            journal.append(reading, durable=False, step="")
    journal.append(StepEnded("ok"), durable=False, step="wait")
    journal.append(PhaseEnded("steps"), durable=False)
    journal.append(RunClosed())
    journal.close()


def hour() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        write(path)
        size = path.stat().st_size
        began = time.perf_counter()
        history = read(path)
        read_s = time.perf_counter() - began
        began = time.perf_counter()
        verdict = judge(history)
        judge_s = time.perf_counter() - began
        began = time.perf_counter()
        texts = render(history, verdict, "0" * 64)
        render_s = time.perf_counter() - began
    total = read_s + judge_s + render_s
    print(
        f"an hour at {RATE}/s        {len(history):,} records, {size / 1e6:.1f} "
        f"MB; {verdict.headline}"
    )
    print(
        f"read {read_s:.2f} s, judge {judge_s:.2f} s, render {render_s:.2f} s "
        f"({sum(map(len, texts.values())) / 1e3:.0f} kB): {total:.2f} s (bound {BOUND_S:g} s)"
    )
    return total <= BOUND_S


def day() -> bool:
    live = LiveBounds(drill(), {"api": SLO})
    window = GateWindow(Gate(bad=OutOf(2, 200)), slow_s=0.5, sli="web")
    live.begin(1000.0)
    one = list(samples(600, 0.0))
    tracemalloc.start()
    after_an_hour = 0
    for second in range(DAY_S):
        at = 1000.0 + second
        base = one[second % len(one)]
        shift = at - base.flips[0][0]
        flips, last = (
            tuple((t + shift, good) for t, good in each) for each in (base.flips, base.last)
        )
        moved = Sample(
            base.sli, base.sent, base.good, base.bad, base.latency_us, flips, last, 900, 0
        )
        live.add(moved, at + 1)
        window.add(moved, second)
        if second == HOUR_S:
            after_an_hour = tracemalloc.get_traced_memory()[0]
    grown = tracemalloc.get_traced_memory()[0] - after_an_hour
    tracemalloc.stop()
    bound = f"bound +{BOUND_BYTES / 1e3:.0f}"
    print(
        f"24 hours live            {grown / 1e3:+.0f} kB between the first hour and the "
        f"last ({bound})"
    )
    return grown <= BOUND_BYTES


if __name__ == "__main__":
    sys.exit(main())
