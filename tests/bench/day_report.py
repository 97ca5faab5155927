"""A drill of 24 hours: 86,400 samples and 500 events, judged, rendered, and opened in a browser.

Run it as `python tests/bench/day_report.py`; it takes about 20 s. Bounds: 3 s to judge and render
everything, 1 MB of report.html, 1 s until Chromium has drawn it (left out where there is none).
Ends with 1 when a figure misses its bound.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from drillkit.journal.file import Journal, read
from drillkit.judge import judge
from drillkit.model.drill import DEFAULT_RATE
from drillkit.model.evidence import Activity, Note
from drillkit.model.records import (
    EffectIrreversible,
    ListedStep,
    PhaseEnded,
    PhaseStarted,
    RunClosed,
    RunOpened,
    StepEnded,
    StepStarted,
    UndoEnded,
    UndoPlanned,
)
from drillkit.model.target import Target
from drillkit.report import render
from tests.bench.hour import DAY_S, SLO, Clock, drill, samples
from tests.browser import browser, program

EVENTS = 500
RATE = int(DEFAULT_RATE.per_s)
"""Requests a second: what a probe sends that says nothing else."""
BOUND_S, BOUND_BYTES, BOUND_OPEN_S = 3.0, 1_000_000, 1.0


def write(path: Path) -> None:
    """The journal of the day."""
    clock = Clock()
    journal = Journal(path, clock=clock)
    opened = RunOpened(
        run="20261101-030000-aday",
        drill=drill(),
        target=Target(name="bench"),
        operator="bench",
        trigger="bench",
        steps=(ListedStep("wait", "wait", "users"),),
        slos={"api": SLO},
    )
    journal.append(opened, durable=False)
    journal.append(PhaseStarted("steps"), durable=False)
    journal.append(StepStarted("wait", "users"), durable=False, step="wait")
    every = DAY_S // EVENTS
    for second, sample in enumerate(samples(DAY_S, clock.at + 1, RATE)):
        clock.at += 1
        journal.append(sample, durable=False, step="", by="sampler")
        if second % every == 0 and second // every < EVENTS:
            _event(journal, second // every)
    journal.append(StepEnded("ok"), durable=False, step="wait")
    journal.append(PhaseEnded("steps"), durable=False)
    journal.append(RunClosed())
    journal.close()


def _event(journal: Journal, number: int) -> None:
    pod = f"pod/shop/web-5d9c-{number}"
    kind = number % 4
    if kind == 0:
        gone = EffectIrreversible("kube.delete-pod", pod, {}, "it does not come back", "another")
        journal.append(gone, durable=False, step="wait")
    elif kind == 1:
        planned = UndoPlanned("kube.uncordon", "relieve", f"node/n-{number}")
        n = journal.append(planned, durable=False, step="wait")
        journal.append(UndoEnded(n, "undone", "schedulable"), durable=False, step="wait")
    elif kind == 2:
        hit = Activity("delete pods", "method", "action", "succeeded", 1, None, 1.0, targets=(pod,))
        journal.append(hit, durable=False, step="wait")
    else:
        journal.append(Note("ada", f"observation {number}", "observation"), durable=False)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        write(path)
        began = time.perf_counter()
        history = read(path)
        read_s = time.perf_counter() - began
        began = time.perf_counter()
        verdict = judge(history)
        judge_s = time.perf_counter() - began
        began = time.perf_counter()
        texts = render(history, verdict, "0" * 64)
        render_s = time.perf_counter() - began
        page = Path(folder) / "report.html"
        page.write_text(texts["report.html"], encoding="utf-8")
        opened_s = _opened(page, Path(folder) / "profile")
        size = page.stat().st_size
        print(
            f"{len(history):,} records, {path.stat().st_size / 1e6:.1f} MB, read in {read_s:.2f} s"
        )
    total = judge_s + render_s
    print(f"judge {judge_s:.2f} s, render {render_s:.2f} s: {total:.2f} s (bound {BOUND_S:g} s)")
    print(f"report.html {size / 1e3:,.0f} kB (bound {BOUND_BYTES / 1e3:,.0f} kB)")
    print("no Chromium here" if opened_s is None else f"opened in {opened_s:.2f} s")
    fine = total <= BOUND_S and size <= BOUND_BYTES
    return 0 if fine and (opened_s is None or opened_s <= BOUND_OPEN_S) else 1


def _opened(page: Path, profile: Path) -> float | None:
    """Seconds from asking for it to having a picture of it; None without a browser."""
    if program() is None:
        return None
    with browser(profile) as found:
        began = time.perf_counter()
        found.open(page)
        found.call("Page.captureScreenshot", format="png")
        return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
