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
from collections import deque
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol, assert_never

from drillkit.judge.evidence import passes
from drillkit.judge.histogram import merge, percentile_s
from drillkit.judge.people import people_words
from drillkit.model.drill import Drill
from drillkit.model.evidence import Activity, Alert, Check, Evidence, Mark, Note, Sample
from drillkit.model.records import (
    ActivityEnded,
    DecisionEntry,
    EffectConfirmed,
    EffectEntry,
    EffectIrreversible,
    Entry,
    ExperimentEnded,
    GateDecided,
    GuardDecided,
    JournalTorn,
    PeopleEntry,
    PhaseEnded,
    PhaseStarted,
    Progress,
    Record,
    RunAborted,
    RunClosed,
    RunEntry,
    RunOpened,
    RunRecovered,
    RunSettled,
    StepEnded,
    StepEntry,
    StepStarted,
    StrangeRecord,
    UndoEnded,
    UndoFailed,
    UndoPlanned,
    UnknownRecord,
)
from drillkit.model.units import format_duration
from drillkit.model.verdict import Holds

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.spinner import Spinner

WINDOW_S = 5
"""Seconds of samples behind the live success rate and p95."""
STOPPING = "undoing everything; Ctrl-C again leaves what is slow to remove to `drillkit recover`"


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


class Rates:
    """Success rate and p95 of the last seconds, per probe."""

    def __init__(self) -> None:
        self._last: dict[str, deque[Sample]] = {}
        self._total: dict[str, list[int]] = {}

    def take(self, record: Record) -> bool:
        """Whether the record was a sample."""
        sample = record.entry
        if not isinstance(sample, Sample):
            return False
        self._last.setdefault(sample.sli, deque(maxlen=WINDOW_S)).append(sample)
        total = self._total.setdefault(sample.sli, [0, 0])
        total[0] += sample.sent
        total[1] += sample.sent - sample.good
        return True

    def rows(self) -> list[Rate]:
        """Every probe now, controls last."""
        found = []
        for sli, samples in list(self._last.items()):
            latencies: dict[int, int] = {}
            for sample in samples:
                merge(latencies, sample.latency_us)
            sent, good = sum(s.sent for s in samples), sum(s.good for s in samples)
            control, (all_sent, all_bad) = samples[-1].control, self._total[sli]
            found.append(
                Rate(
                    sli,
                    good / sent if sent else None,
                    percentile_s(latencies, 0.95),
                    all_bad,
                    all_sent,
                    control,
                )
            )
        return sorted(found, key=lambda rate: rate.control)


@dataclass(frozen=True, slots=True)
class Rate:
    """One probe over the last seconds, and its counts since the run began."""

    sli: str
    good_share: float | None
    p95_s: float | None
    bad: int
    sent: int
    control: bool = False

    @property
    def name(self) -> str:
        return f"{self.sli} (control)" if self.control else self.sli

    @property
    def good(self) -> str:
        """`99.50 % good`; never 100 % where one was bad."""
        if self.good_share is None:
            return "no data"
        percent = self.good_share * 100
        return f"{min(percent, 99.99) if percent < 100 else percent:.2f} % good"

    @property
    def p95(self) -> str:
        return "p95 -" if self.p95_s is None else f"p95 {self.p95_s * 1000:.1f} ms"

    @property
    def count(self) -> str:
        return f"{self.bad:,} bad of {self.sent:,} so far"


class Sentences:
    """One line for a person from each record; remembers what an undo's number stands for."""

    def __init__(self) -> None:
        self._resources: dict[int, str] = {}

    def of(self, record: Record) -> str:
        """The line, or '' for what is not worth one."""
        return _printable(self._of(record.n, record.step, record.entry))

    def _of(self, n: int, step: str, entry: Entry) -> str:
        if isinstance(entry, Evidence):
            return _evidence(entry, step)
        if isinstance(entry, RunEntry):
            return _of_run(entry, step)
        if isinstance(entry, StepEntry):
            return _of_step(entry, step)
        if isinstance(entry, DecisionEntry):
            return _decided(entry)
        if isinstance(entry, EffectEntry):
            return self._effect(n, step, entry)
        if isinstance(entry, PeopleEntry):
            return people_words(entry, step)
        if isinstance(entry, UnknownRecord | StrangeRecord):
            return ""  # the verdict tells of it
        assert_never(entry)

    def _effect(self, n: int, step: str, entry: EffectEntry) -> str:
        match entry:
            case UndoPlanned():
                self._resources[n] = entry.resource
                return ""
            case EffectIrreversible():
                what = entry.effect.partition(".")[2].replace("-", " ")
                return f"{step}: {what} {entry.resource}"
            case EffectConfirmed():
                return ""
            case UndoEnded():
                detail = f" ({entry.detail})" if entry.detail else ""
                return f"{self._resource(entry.of)}: {entry.outcome.replace('-', ' ')}{detail}"
            case UndoFailed():
                return f"{self._resource(entry.of)}: NOT undone: {entry.why}"
            case other:
                assert_never(other)

    def _resource(self, of: int) -> str:
        return self._resources.get(of, f"undo {of}")


def _of_run(entry: RunEntry, step: str) -> str:
    match entry:
        case RunOpened():
            return f"run {entry.run} on target {entry.target_name}"
        case PhaseStarted(phase=phase):
            return _PHASES.get(phase, "")
        case Progress(about=ActivityEnded() | ExperimentEnded()):
            return ""  # the evidence says it
        case Progress(text=text):
            return f"{step}: {text}" if step else text
        case RunClosed() | RunRecovered() | RunSettled() | PhaseEnded() | JournalTorn():
            return ""
        case other:
            assert_never(other)


def _of_step(entry: StepEntry, step: str) -> str:
    match entry:
        case StepStarted():
            return f"step {step} started ({entry.uses})"
        case StepEnded():
            return f"step {step} {entry.outcome}" + (f": {entry.why}" if entry.why else "")
        case other:
            assert_never(other)


def _decided(entry: DecisionEntry) -> str:
    match entry:
        case GuardDecided(holds=Holds.MET):
            return ""
        case GuardDecided():
            return f"guard {entry.guard}: {entry.why}"
        case GateDecided():
            return f"{entry.sli} {entry.place}: {entry.holds} ({entry.bad} bad of {entry.total})"
        case RunAborted():
            return f"aborting ({entry.by}): {entry.why}; {STOPPING}"
        case other:
            assert_never(other)


_PHASES = {"before": "steady state before", "after": "steady state after", "cleanup": "cleaning up"}


def _printable(text: str) -> str:
    """Without what would move a terminal's cursor; a traceback keeps its lines."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def _evidence(evidence: Evidence, step: str) -> str:
    match evidence:
        case Activity() as activity:
            targets = f", {len(activity.targets)} targets" if len(activity.targets) > 1 else ""
            error = f": {activity.error}" if activity.error else ""
            outcome = "out of tolerance" if activity.tolerated is False else activity.outcome
            return (
                f"{step}: {activity.name} {outcome} in "
                f"{format_duration(activity.took_s)}{targets}{error}"
            )
        case Check() as check if passes(check) is not True:
            found = (
                f"could not be read: {check.why}"
                if check.found is None
                else f"found {check.found} {check.why}"
            )
            return f"{step}: {check.name}: expected {check.op} {check.expected}, {found}".rstrip()
        case Alert() as alert:
            return f"alert {alert.name} {alert.state}{' (expected)' if alert.expected else ''}"
        case Mark(by=by, moment=moment) if by:
            return f"{step}: {moment}, {by} said" if step else f"{moment}, {by} said"
        case Note(by=by, text=text):
            return f"{step}: {by}: {text}" if step else f"{by}: {text}"
    return ""


def _is_loud(entry: Entry) -> bool:
    match entry:
        case RunAborted() | UndoFailed():
            return True
        case GateDecided(holds=holds) | GuardDecided(holds=holds):
            return holds is not Holds.MET
        case _:
            return False


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


class Screen:
    """A live view: the step, elapsed against limit, rates; what happened stands above it
    and stays.
    """

    def __init__(self, drill: Drill) -> None:
        from rich.console import Console
        from rich.live import Live

        self._drill, self._rates, self._began = drill, Rates(), time.monotonic()
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
                self._steps[record.step] = time.monotonic()
            case StepEnded():
                self._steps.pop(record.step, None)
            case RunAborted():
                self._stopping = True

    def _print(self, record: Record, text: str) -> None:
        from rich.text import Text

        line = Text.assemble(
            (_clock(record), "dim"), "  ", (text, "red" if _is_loud(record.entry) else "")
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
            elapsed = time.monotonic() - self._began
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
        at = time.monotonic()
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


def _rates_table(rates: list[Rate], width: int) -> RenderableType:
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
        return Screen(drill)
    return PlainLines(sys.stderr)
