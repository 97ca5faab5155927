"""A run as a trace: one span for the run, below it one for each step, below these one for each
effect, from its plan to the end of its undo. In OTLP's JSON form (opentelemetry-proto 1), which
needs no library: ids in hex, times as texts of nanoseconds, enumerations as numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from drillkit import __version__
from drillkit.judge import judge
from drillkit.model.records import EffectIrreversible, History, Record, RunOpened, UndoPlanned
from drillkit.model.verdict import Holds, StepVerdict, UndoState, Verdict

_INTERNAL = 1
_UNSET, _OK, _ERROR = 0, 1, 2


def trace_of(history: History, verdict: Verdict | None = None) -> dict[str, Any] | None:
    """The body of a request to `/v1/traces`; None: the run ended before it opened. A second request
    of the same run has the same ids.
    """
    opened = next((record for record in history if isinstance(record.entry, RunOpened)), None)
    if opened is None:
        return None
    verdict = verdict or judge(history)
    service = {"service.name": "drillkit", "service.version": __version__}
    spans = list(_Trace(history, opened, verdict).spans())
    scope = {"name": "drillkit", "version": __version__}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(service)},
                "scopeSpans": [{"scope": scope, "spans": spans}],
            }
        ]
    }


class _Trace:
    def __init__(self, history: History, opened: Record, verdict: Verdict) -> None:
        self._verdict = verdict
        self._began, self._ended = opened.at, max(record.at for record in history)
        self._ahead = opened.at - opened.mono
        """Seconds from the monotonic clock of the run to the date: a clock that is set meanwhile
        bends no span.
        """
        self._steps = {
            record.n: record.step
            for record in history
            if isinstance(record.entry, UndoPlanned | EffectIrreversible)
        }

    def spans(self) -> Iterator[Mapping[str, Any]]:
        """The run's first."""
        verdict = self._verdict
        about = {
            "drillkit.run": verdict.run,
            "drillkit.drill": verdict.drill,
            "drillkit.target": verdict.target,
            "drillkit.verdict": str(verdict.holds),
            "drillkit.exit_code": verdict.exit_code,
            "drillkit.owner": verdict.owner,
        }
        status = _status(verdict.holds, verdict.headline)
        if verdict.exit_code == 5:
            status = {"code": _ERROR, "message": verdict.headline}
        name = f"drill {verdict.drill}"
        yield self._span("run", "", name, self._began, self._ended, about, status)
        began = {step.name for step in verdict.steps if step.started is not None}
        for step in verdict.steps:
            if step.started is not None:
                yield self._step(step)
        for undo in verdict.undos:
            step_name = self._steps.get(undo.record, "")
            parent = f"step {step_name}" if step_name in began else "run"
            yield self._effect(undo, parent)

    def _step(self, step: StepVerdict) -> Mapping[str, Any]:
        assert step.started is not None
        about: dict[str, str | int | float] = {
            "drillkit.uses": step.uses,
            "drillkit.outcome": step.outcome,
            "drillkit.verdict": str(step.holds),
        }
        for key in ("rto_s", "rpo_s", "recovery_s", "detect_s"):
            if (seconds := getattr(step, key)) is not None:
                about[f"drillkit.{key}"] = float(seconds)
        key = f"step {step.name}"
        ended = self._at(step.ended)
        status = _status(step.holds, step.why)
        return self._span(key, "run", key, self._at(step.started), ended, about, status)

    def _effect(self, undo: UndoState, parent: str) -> Mapping[str, Any]:
        about: dict[str, str | int | float] = {
            "drillkit.effect": undo.kind,
            "drillkit.resource": undo.resource,
            "drillkit.phase": undo.phase,
            "drillkit.undo": undo.outcome,
            "drillkit.attempts": undo.attempts,
        }
        planned = self._at(undo.planned)
        ended = planned if undo.outcome == "irreversible" else self._at(undo.ended)
        status: dict[str, Any] = {"code": _UNSET}
        if undo.outcome == "open":
            status = {"code": _ERROR, "message": f"its undo is open: {undo.detail}"}
        key, name = f"effect {undo.record}", f"{undo.kind} {undo.resource}"
        return self._span(key, parent, name, planned, ended, about, status)

    def _at(self, mono: float | None) -> float:
        """As a date; the run's end for what has none, or one of another boot."""
        at = self._ended if mono is None else mono + self._ahead
        return min(max(at, self._began), self._ended)

    def _span(
        self,
        key: str,
        parent: str,
        name: str,
        began: float,
        ended: float,
        about: Mapping[str, str | int | float],
        status: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        run = self._verdict.run
        above = {"parentSpanId": _id(f"{run} {parent}", 8)} if parent else {}
        return {
            "traceId": _id(run, 16),
            "spanId": _id(f"{run} {key}", 8),
            **above,
            "name": name,
            "kind": _INTERNAL,
            "startTimeUnixNano": _nanos(began),
            "endTimeUnixNano": _nanos(max(began, ended)),
            "attributes": _attributes(about),
            "status": dict(status),
        }


def _status(holds: Holds, why: str) -> dict[str, Any]:
    if holds is Holds.MET:
        return {"code": _OK}
    if holds is Holds.VIOLATED:
        return {"code": _ERROR, "message": why}
    return {"code": _UNSET}


def _id(text: str, size: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[: 2 * size]


def _nanos(at: float) -> str:
    # A float holds no nanoseconds of today: what it has is microseconds.
    return f"{round(at * 1e6)}000"


def _attributes(values: Mapping[str, str | int | float]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: str | float) -> dict[str, Any]:
    if isinstance(value, int):
        return {"intValue": str(value)}  # 64 bits are texts in protobuf's JSON
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": value}
