"""The journal's lines as nouns. `History` is all of a run: the judge and the report need
nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

RecordKind: TypeAlias = Literal[
    "run.opened",
    # run, drill and target (plain data of model.drill, no secrets), operator, trigger, versions,
    # digests, identities, vantage, clock_offsets ({system: seconds}), boot, steps: [{name, uses,
    # disturbs: users | none, group}], and of the SLOs in use slos: {name: {target: 0.995, window_s,
    # kind: probe | prometheus, probe, n_window, slow_s}} (probe: name of the probe, default the
    # SLO's own; n_window: users' events in its window, where they are known).
    "run.closed",  # the last line of a run that ended by itself
    "run.recovered",  # `drillkit recover` took it over
    "phase.started",  # phase: guards | before | steps | after | cleanup
    "phase.ended",
    "step.started",  # step, uses, disturbs, group
    "step.ended",  # step, outcome: ok | failed | unknown | skipped | cut, why
    # type and the fields of drillkit.model.evidence; the record's step says whose it is
    "evidence",
    # Readings of place `during` cover everything from the first step to their own time, so that the
    # last one counts; Readings of the SLI `alerts` (total: how many were firing) prove that alerts
    # could be read.
    "undo.planned",  # undo (kind), args, phase, resource
    "effect.irreversible",  # effect (kind), args, resource, reason, wait_for
    "effect.confirmed",  # of (record number of the plan), identity...
    "undo.ended",  # of, outcome, detail, attempts, took_s
    "undo.failed",  # of, why, attempts: the undo is still open
    "gate.decided",
    # place: before | between | after, sli, holds: met | unknown | violated, bad, total, expected,
    # why, and of the samples it rests on records: [first, last]. Written once, when it is final;
    # the step is that whose hypothesis it is of, or ''.
    "guard.decided",  # place: start | abort, guard, holds, why
    "abort",  # by: operator | guard | bound | blind | deadline | journal | bug, why
    "journal.torn",  # bytes, text
    "progress",  # what a person watching should read; never judged
]


@dataclass(frozen=True, slots=True)
class Record:
    """One line."""

    n: int
    """Number, from 1."""
    at: float
    """Date: seconds since the epoch."""
    mono: float
    """Monotonic seconds; durations come from these. Comparable only within one `boot`."""
    by: str
    """Writer: `runner`, `worker:STEP`, `sampler`, `recover`."""
    kind: str
    """One of `RecordKind`, or something this version does not know (which makes the
    verdict unknown).
    """
    step: str
    """Name of the step it belongs to, or ''."""
    data: Mapping[str, Any]


History: TypeAlias = tuple[Record, ...]
