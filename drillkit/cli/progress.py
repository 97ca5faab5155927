"""What a person sees while a drill runs. A reader of the journal's records, nothing more.

Three forms of the same: a live view on a terminal, plain lines elsewhere, one JSON object a line
with `--json`. None of them raises, whatever a record holds and whether or not anybody still reads:
abort guards are fed by the same thread.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import IO, TYPE_CHECKING, Protocol

from drillkit.clock import SYSTEM_CLOCK, Clock
from drillkit.live.rates import ProbeRate, Rates
from drillkit.live.sentences import STOPPING, Sentences, is_loud
from drillkit.model.drill import Drill
from drillkit.model.records import (
    PhaseStarted,
    Record,
    RunAborted,
    StepEnded,
    StepStarted,
)
from drillkit.model.units import format_duration

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.spinner import Spinner


class Watcher(Protocol):
    """Something that shows records as they come."""

    def __call__(self, record: Record) -> None: ...

    def close(self) -> None:
        """Nothing is shown after this."""


class Lines:
    """Text that goes out line by line until nobody reads it any more."""

    def __init__(self, out: IO[str]) -> None:
        self._out, self._open = out, True

    def put(self, line: str) -> None:
        """Write a line, unless the reader is gone."""
        if not self._open:
            return
        try:
            self._out.write(line + "\n")
            self._out.flush()
        except (OSError, ValueError):  # a closed pipe or terminal must not end the run
            self._open = False

    def close(self) -> None:
        self._open = False


class JsonLines:
    """`--json`: every record as one object a line, without the chain's hashes."""

    def __init__(self, out: IO[str]) -> None:
        self._lines = Lines(out)

    def __call__(self, record: Record) -> None:
        line = {
            "n": record.n,
            "at": record.at,
            "kind": record.kind,
            "step": record.step,
            "data": record.data,
        }
        self._lines.put(json.dumps(line, ensure_ascii=False))

    def close(self) -> None:
        self._lines.close()


def _clock(record: Record) -> str:
    return time.strftime("%H:%M:%S", time.localtime(record.at))


class PlainLines:
    """One line for each thing that happens; the samples once every `every_s` seconds."""

    def __init__(self, out: IO[str], every_s: float = 5.0) -> None:
        self._lines, self._every_s, self._rates, self._due = Lines(out), every_s, Rates(), 0.0
        self._sentences = Sentences()

    def __call__(self, record: Record) -> None:
        if self._rates.take(record):
            if record.mono >= self._due:
                self._due = record.mono + self._every_s
                for rate in self._rates.rows():
                    words = ", ".join((rate.good, rate.p95, rate.count))
                    self._lines.put(f"{_clock(record)}  {rate.name}: {words}")
        elif text := self._sentences.of(record):
            self._lines.put(f"{_clock(record)}  {text}")

    def close(self) -> None:
        self._lines.close()


class LiveScreen:
    """A live view: the step, elapsed against limit, rates; what happened stands above it
    and stays.
    """

    def __init__(self, drill: Drill, clock: Clock = SYSTEM_CLOCK) -> None:
        from rich.console import Console
        from rich.live import Live

        self._drill, self._rates = drill, Rates()
        self._clock, self._began = clock, clock.mono()
        self._steps: dict[str, float] = {}
        self._phase = "opening"
        self._stopping = False
        self._closed = False
        self._sentences = Sentences()
        self._spinner: Spinner | None = None
        self._lock = threading.Lock()
        self._console = Console(stderr=True, highlight=False)
        self._view = Live(
            console=self._console, refresh_per_second=8, get_renderable=self._render, transient=True
        )
        self._view.start()

    def __call__(self, record: Record) -> None:
        with self._lock:
            if self._closed:
                return
            if self._rates.take(record):
                return
            self._follow(record)
        if text := self._sentences.of(record):
            self._print(record, text)

    def _follow(self, record: Record) -> None:
        match record.entry:
            case PhaseStarted(phase=phase):
                self._phase = phase
            case StepStarted():
                self._steps[record.step] = self._clock.mono()
            case StepEnded():
                self._steps.pop(record.step, None)
            case RunAborted():
                self._stopping = True

    def _print(self, record: Record, text: str) -> None:
        from rich.text import Text

        line = Text.assemble(
            (_clock(record), "dim"), "  ", (text, "red" if is_loud(record.entry) else "")
        )
        try:
            self._console.print(line, soft_wrap=True)
        except (
            OSError,
            ValueError,
        ):  # the terminal is gone; the run is told so by a signal of its own
            self._closed = True

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        with self._lock:
            now, rates, hint = (
                self._doing(),
                self._rates.rows(),
                STOPPING if self._stopping else "Ctrl-C stops it",
            )
            elapsed = self._clock.mono() - self._began
        limit = self._drill.limit.total_seconds()
        width = self._console.width
        if self._spinner is None:
            self._spinner = Spinner("dots")
        first = Table.grid(padding=(0, 1))
        first.add_column(no_wrap=True)
        first.add_column(no_wrap=True, overflow="ellipsis", max_width=max(10, width - 3))
        first.add_row(self._spinner, Text(f"{self._drill.drill} · {now}"))
        second = Table.grid(padding=(0, 1))
        second.add_column(no_wrap=True)
        second.add_column(no_wrap=True, overflow="ellipsis")
        bar = ProgressBar(
            total=limit, completed=min(elapsed, limit), width=min(30, max(8, width // 4))
        )
        second.add_row(
            bar, Text(f"{format_duration(round(elapsed))} of {format_duration(limit)} · {hint}")
        )
        return Group(first, second, _rates_table(rates, width))

    def _doing(self) -> str:
        if not self._steps:
            return _DOING.get(self._phase, self._phase)
        at = self._clock.mono()
        return ", ".join(
            f"{name} ({format_duration(round(at - since))})" for name, since in self._steps.items()
        )

    def close(self) -> None:
        with self._lock:
            self._closed = True
        try:
            self._view.stop()
        except (OSError, ValueError):
            return  # nobody is left to look at it


_DOING = {
    "opening": "starting",
    "guards": "looking at the target",
    "before": "is the steady state there?",
    "steps": "between steps",
    "after": "is the steady state back?",
    "cleanup": "cleaning up",
}


def _rates_table(rates: list[ProbeRate], width: int) -> RenderableType:
    """A row for each probe; a narrow terminal loses the ends of names first."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    name_width = max((len(rate.name) for rate in rates), default=0)
    table.add_column(
        no_wrap=True, overflow="ellipsis", max_width=max(8, min(name_width, width - 50))
    )
    for _ in range(3):
        table.add_column(no_wrap=True, overflow="ellipsis")
    for rate in rates:
        bad = rate.good_share is not None and rate.good_share < 1
        table.add_row(
            Text(f"  {rate.name}"),
            Text(rate.good, "red" if bad else ""),
            Text(rate.p95),
            Text(rate.count),
        )
    return table


class Silent:
    """`--quiet`: nothing is shown while a drill runs."""

    def __call__(self, record: Record) -> None:
        pass

    def close(self) -> None:
        pass


def watcher(drill: Drill, *, as_json: bool, quiet: bool = False) -> Watcher:
    """The form that fits where the output goes."""
    if quiet:
        return Silent()
    if as_json:
        return JsonLines(sys.stdout)
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return LiveScreen(drill)
    return PlainLines(sys.stderr)
