"""How punctual the prober is at 1,000 requests a second, and how well it measures an outage.

Run it as `python tests/bench/prober.py`; it takes about 40 s and needs nothing but loopback. Prints

- the schedule error (actual minus intended send): p99 of the median and of the worst second, beside
  the same figures of a bare loop that only sleeps until its times come, before and after (the
  machine's own timer);
- outages of known length: whether the bracket holds the truth, and the error of the estimate in the
  bracket's middle.

Ends with 1 when a figure misses its bound.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from drillkit.model.codec import decode_evidence
from drillkit.model.drill import Probe
from drillkit.model.evidence import Sample
from drillkit.model.units import Rate
from drillkit.sampler.process import Sampler

RATE = 1000
SECONDS = 10
BEYOND_TIMER_US = 1000
OUTAGES_S = (0.05, 0.15, 0.3, 0.5, 0.8, 1.2)
SLACK_S = 0.010


def main() -> int:
    before = timer_error()
    print(f"machine's timer, before  {_p99s(before)}")
    late, dropped, bad = schedule_error()
    print(
        f"prober at {RATE}/s        {_p99s(late)}; {dropped} dropped, {bad} bad "
        f"of {RATE * len(late)}"
    )
    after = timer_error()
    print(f"machine's timer, after   {_p99s(after)}")
    timer_us = statistics.median(before + after)
    ours_us = statistics.median(late)
    print(
        f"schedule error p99       {ours_us / 1000:.2f} ms, {ours_us / timer_us:.1f} x the "
        f"timer's, {(ours_us - timer_us) / 1000:+.2f} ms beyond it (bound "
        f"+{BEYOND_TIMER_US / 1000:g} ms)"
    )
    fine = ours_us - timer_us <= BEYOND_TIMER_US and dropped == 0
    for rate in (20, 100):
        fine = outages(rate) and fine
    return 0 if fine else 1


def _p99s(per_second_us: list[int]) -> str:
    return (
        f"p99 of a second: median {statistics.median(per_second_us) / 1000:.2f} ms, "
        f"worst {max(per_second_us) / 1000:.2f} ms"
    )


def timer_error() -> list[int]:
    """p99 in microseconds, second by second, of a loop that does nothing but wait for its
    next time.
    """
    code = f"from tests.bench.prober import bare_loop; bare_loop({RATE}, {SECONDS // 2})"
    root = Path(__file__).parents[2]
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, check=True, timeout=60
    )
    result: list[int] = json.loads(out.stdout)
    return result


def bare_loop(rate: int, seconds: int) -> None:
    start = time.monotonic() + 0.05
    p99s = []
    for second in range(seconds):
        late = []
        for n in range(rate):
            due = start + second + n / rate
            while (wait := due - time.monotonic()) > 0:
                select.select((), (), (), wait)
            late.append(time.monotonic() - due)
        p99s.append(round(sorted(late)[(rate * 99 - 1) // 100] * 1e6))
    print(json.dumps(p99s))


def schedule_error() -> tuple[list[int], int, int]:
    with server() as (port, _), sampling({"web": _web(port, RATE)}) as samples:
        time.sleep(SECONDS + 0.5)
        seen = list(samples)[:SECONDS]
    return (
        [s.lateness_p99_us for s in seen],
        sum(s.dropped for s in seen),
        sum(sum(s.bad.values()) for s in seen),
    )


def _web(port: int, rate: int) -> Probe:
    return Probe(http=f"http://127.0.0.1:{port}/", rate=Rate(rate))


def outages(rate: int) -> bool:
    """Whether every bracket held the truth, and every estimate was within one interval and
    10 ms.
    """
    with server() as (port, ask), sampling({"web": _web(port, rate)}) as samples:
        time.sleep(0.5)
        truths = []
        for length in OUTAGES_S:
            truths.append(ask(length))
            time.sleep(0.3)
        time.sleep(1.2)
        found = brackets(list(samples))
    bound = 1 / rate + SLACK_S
    fine = True
    for down, up in truths:
        truth = up - down
        mine = [b for b in found if b[0] < up and b[3] > down]
        if not mine:
            fine = (
                fine and truth < 1 / rate
            )  # shorter than an interval: it may hide between two probes
            print(f"outage at {rate}/s: truth {truth:.3f} s, not seen")
            continue
        before, first, last, after = mine[0]
        low, high = last - first, after - before
        error = (low + high) / 2 - truth
        good = low - SLACK_S <= truth <= high + SLACK_S and abs(error) <= bound
        fine = fine and good
        print(
            f"outage at {rate}/s: truth {truth:.3f} s, bracket {low:.3f} to {high:.3f} s, "
            f"error {error * 1000:+.1f} ms (bound {bound * 1000:.0f} "
            f"ms){'' if good else '  MISSED'}"
        )
    return fine


def brackets(samples: list[Sample]) -> list[tuple[float, float, float, float]]:
    """(last good before, first bad, last bad, first good after) of each outage."""
    points = sorted({p for s in samples for p in (*s.flips, *s.last)})
    found = []
    for n, (at, good) in enumerate(points):
        if good or n == 0 or not points[n - 1][1]:
            continue
        end = next((m for m in range(n, len(points)) if points[m][1]), None)
        if end is not None:
            found.append((points[n - 1][0], at, points[end - 1][0], points[end][0]))
    return found


@contextlib.contextmanager
def sampling(probes: dict[str, Probe]) -> Iterator[list[Sample]]:
    """Samples as they come, while a real sampler runs."""
    ours, theirs = socket.socketpair()
    samples: list[Sample] = []

    def read() -> None:
        with ours, ours.makefile("rb") as lines:
            for line in lines:
                evidence = decode_evidence(json.loads(line)["data"])
                assert isinstance(evidence, Sample)
                samples.append(evidence)

    reader = threading.Thread(target=read)
    with theirs:
        sampler = Sampler.start(probes, theirs.fileno())
    reader.start()
    try:
        yield samples
    finally:
        sampler.stop()
        reader.join(5)


@contextlib.contextmanager
def server() -> Iterator[tuple[int, Any]]:
    """A server process: its port, and a call that takes it down for so many seconds and tells the
    truth about it.
    """
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def down(length_s: float) -> tuple[float, float]:
        assert process.stdin is not None
        assert process.stdout is not None
        print(length_s, file=process.stdin, flush=True)
        began, ended = json.loads(process.stdout.readline())
        return began, ended

    try:
        yield int(process.stdout.readline()), down
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


class _Ok(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert isinstance(self._transport, asyncio.Transport)
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
        )
        self._transport.close()


async def serve() -> None:
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(_Ok, "127.0.0.1", 0, backlog=4096)
    port = listening.sockets[0].getsockname()[1]
    print(port, flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        began = time.monotonic()
        listening.close()
        await asyncio.sleep(float(line))
        listening = await loop.create_server(_Ok, "127.0.0.1", port, backlog=4096)
        print(json.dumps([began, time.monotonic()]), flush=True)
    listening.close()


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        asyncio.run(serve())
    else:
        sys.exit(main())
