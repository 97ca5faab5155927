"""What a person sees while a drill runs. A reader of the journal's records, nothing more.

Three forms of the same: a live view on a terminal, plain lines elsewhere, one JSON object a line with `--json`.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any, Protocol

from drillkit.judge.histogram import percentile_s
from drillkit.model.codec import decode_evidence
from drillkit.model.drill import Drill
from drillkit.model.evidence import Activity, Check, Sample
from drillkit.model.records import Record
from drillkit.model.units import format_duration

if TYPE_CHECKING:
    from rich.console import RenderableType

WINDOW_S = 5
"""Seconds of samples behind the live success rate and p95."""


class Watcher(Protocol):
    """Something that shows records as they come."""

    def __call__(self, record: Record) -> None: ...

    def close(self) -> None:
        """Nothing more comes."""


class JsonLines:
    """`--json`: every record as one object a line, without the chain's hashes."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def __call__(self, record: Record) -> None:
        line = {"n": record.n, "at": record.at, "kind": record.kind, "step": record.step, "data": record.data}
        self._out.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._out.flush()

    def close(self) -> None:
        pass


class Live:
    """Success rate and p95 of the last seconds, per probe."""

    def __init__(self) -> None:
        self._last: dict[str, deque[Sample]] = {}
        self.total: dict[str, list[int]] = {}

    def add(self, sample: Sample) -> None:
        self._last.setdefault(sample.sli, deque(maxlen=WINDOW_S)).append(sample)
        total = self.total.setdefault(sample.sli, [0, 0])
        total[0] += sample.sent
        total[1] += sample.sent - sample.good

    def rows(self) -> list[tuple[str, float | None, float | None, int, int]]:
        """(probe, share of good ones, p95 in seconds, bad in all, sent in all)."""
        rows = []
        for sli, samples in self._last.items():
            sent, good = sum(s.sent for s in samples), sum(s.good for s in samples)
            merged: dict[int, int] = {}
            for sample in samples:
                for bucket, count in sample.latency_us.items():
                    merged[bucket] = merged.get(bucket, 0) + count
            share = good / sent if sent else None
            rows.append((sli, share, percentile_s(merged, 0.95), self.total[sli][1], self.total[sli][0]))
        return rows


class Sentences:
    """One line for a person from each record; remembers what an undo's number stands for."""

    def __init__(self) -> None:
        self._resources: dict[int, str] = {}

    def of(self, record: Record) -> str:
        """The line, or '' for what is not worth one."""
        data, step = record.data, record.step
        match record.kind:
            case "run.opened":
                return f"run {data['run']} on target {data['target'].get('name')}"
            case "phase.started":
                return _PHASES.get(data["phase"], "")
            case "guard.decided" if data["holds"] != "met":
                return f"guard {data['guard']}: {data['why']}"
            case "gate.decided":
                return f"{data['sli']} {data['place']}: {data['holds']} ({data['bad']} bad of {data['total']})"
            case "step.started":
                return f"step {step} started ({data['uses']})"
            case "step.ended":
                return f"step {step} {data['outcome']}" + (f": {data['why']}" if data.get("why") else "")
            case "evidence":
                return _evidence(data, step)
            case "undo.planned":
                self._resources[record.n] = data["resource"]
            case "undo.ended":
                detail = f" ({data['detail']})" if data.get("detail") else ""
                return f"{self._resource(data)}: {data['outcome']}{detail}"
            case "undo.failed":
                return f"{self._resource(data)}: NOT undone: {data['why']}"
            case "effect.irreversible":
                return f"{step}: {data['effect'].partition('.')[2]} {data['resource']}"
            case "abort":
                return f"aborting ({data['by']}): {data['why']}"
            case "progress" if data.get("activity") == "ended" or "ended" in data:
                return ""  # the evidence says it
            case "progress":
                return f"{step}: {data['text']}" if step else str(data["text"])
        return ""

    def _resource(self, data: Mapping[str, Any]) -> str:
        return self._resources.get(data["of"], f"undo {data['of']}")


_PHASES = {"before": "steady state before", "after": "steady state after", "cleanup": "cleaning up"}


def _evidence(data: Mapping[str, Any], step: str) -> str:
    if data["type"] not in ("Activity", "Check"):
        return ""
    match decode_evidence(data):
        case Activity() as activity:
            targets = f", {len(activity.targets)} targets" if activity.targets else ""
            error = f": {activity.error}" if activity.error else ""
            took = format_duration(activity.took_s)
            return f"{step}: {activity.name} {activity.outcome} in {took}{targets}{error}"
        case Check() as check if check.found is None or check.found != check.expected:
            return (
                f"{step}: {check.name}: expected {check.op} {check.expected}, found {check.found} {check.why}".rstrip()
            )
    return ""


class PlainLines:
    """One line for each thing that happens; the samples once every `every_s` seconds."""

    def __init__(self, out: IO[str], every_s: float = 5.0) -> None:
        self._out, self._every_s, self._live, self._due = out, every_s, Live(), 0.0
        self._sentences = Sentences()

    def __call__(self, record: Record) -> None:
        if record.kind == "evidence" and record.data["type"] == "Sample":
            sample = decode_evidence(record.data)
            assert isinstance(sample, Sample)
            self._live.add(sample)
            if record.mono >= self._due:
                self._due = record.mono + self._every_s
                for row in self._live.rows():
                    self._print(record, _row(row))
        elif text := self._sentences.of(record):
            self._print(record, text)

    def _print(self, record: Record, text: str) -> None:
        clock = time.strftime("%H:%M:%S", time.localtime(record.at))
        self._out.write(f"{clock}  {text}\n")
        self._out.flush()

    def close(self) -> None:
        pass


def _row(row: tuple[str, float | None, float | None, int, int]) -> str:
    sli, share, p95, bad, sent = row
    rate = "no data" if share is None else f"{share * 100:.2f} % good"
    return f"{sli}: {rate}, p95 {'-' if p95 is None else f'{p95 * 1000:.1f} ms'}, {bad} bad of {sent:,} so far"


class Screen:
    """A live view: the step, elapsed against limit, rates, what happened last."""

    def __init__(self, drill: Drill) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self._drill, self._live, self._began = drill, Live(), time.monotonic()
        self._steps: dict[str, str] = {}
        self._phase = "opening"
        self._sentences = Sentences()
        self._lock = threading.Lock()
        self._console = Console(stderr=True, highlight=False)
        self._view = RichLive(console=self._console, refresh_per_second=8, get_renderable=self._render, transient=True)
        self._view.start()

    def __call__(self, record: Record) -> None:
        from rich.markup import escape

        with self._lock:
            if record.kind == "evidence" and record.data["type"] == "Sample":
                sample = decode_evidence(record.data)
                assert isinstance(sample, Sample)
                self._live.add(sample)
                return
            if record.kind == "phase.started":
                self._phase = record.data["phase"]
            elif record.kind == "step.started":
                self._steps[record.step] = "running"
            elif record.kind == "step.ended":
                self._steps.pop(record.step, None)
        if text := self._sentences.of(record):
            clock = time.strftime("%H:%M:%S", time.localtime(record.at))
            style = "red" if record.kind in ("abort", "undo.failed") else "default"
            self._console.print(f"[dim]{clock}[/dim]  [{style}]{escape(text)}[/{style}]", soft_wrap=True)

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.spinner import Spinner
        from rich.table import Table

        with self._lock:
            elapsed, limit = time.monotonic() - self._began, self._drill.limit.total_seconds()
            now = ", ".join(self._steps) or self._phase
            line = Table.grid(padding=(0, 2))
            line.add_row(
                Spinner("dots", text=f"{self._drill.drill} · {now}"),
                f"{format_duration(round(elapsed))} of {format_duration(limit)}",
                ProgressBar(total=limit, completed=elapsed, width=24),
            )
            return Group(line, *(f"   {_row(row)}" for row in self._live.rows()))

    def close(self) -> None:
        self._view.stop()


def watcher(drill: Drill, *, as_json: bool) -> Watcher:
    """The form that fits where the output goes."""
    if as_json:
        return JsonLines(sys.stdout)
    if sys.stderr.isatty():
        return Screen(drill)
    return PlainLines(sys.stderr)
