"""Summaries of runs that were read before, so that thousands are not judged again.

A summary is kept by its journal's size and time and by the version that judged it. It is a
convenience: what cannot be read or written is made anew, and never an error.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from drillkit import __version__
from drillkit.archive.summary import RunSummary, StepMeasure, StepSummary
from drillkit.journal.files import make_folder, write_file
from drillkit.journal.runs import home
from drillkit.model.json_text import load_json
from drillkit.model.verdict import Holds

FORMAT = 7

Stamp: TypeAlias = tuple[int, int]
"""Size in bytes and time of change in nanoseconds of a journal."""


def stamp_of(journal: Path) -> Stamp:
    """What must be the same for a summary to be still true. Raises OSError."""
    found = journal.stat()
    return found.st_size, found.st_mtime_ns


def load(reports: Path) -> dict[str, tuple[Stamp, RunSummary | None]]:
    """What is kept of a folder of reports, by the journal's path in it."""
    found: dict[str, tuple[Stamp, RunSummary | None]] = {}
    try:
        with _file(reports).open(encoding="utf-8") as lines:
            if load_json(next(lines, "null")) != [FORMAT, __version__]:
                return {}
            for line in lines:
                path, size, time_ns, summary = load_json(line)
                found[path] = ((size, time_ns), _decoded(summary) if summary else None)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # what is not kept is judged again
    return found


def save(reports: Path, kept: Iterable[tuple[str, Stamp, RunSummary | None]]) -> None:
    """Keep them for the next time."""
    file = _file(reports)
    rows: list[Any] = [[FORMAT, __version__]]
    for path, (size, time_ns), summary in kept:
        rows.append([path, size, time_ns, _encoded(summary) if summary else None])
    content = "".join(f"{json.dumps(row, separators=(',', ':'))}\n" for row in rows)
    with contextlib.suppress(OSError):
        make_folder(file.parent)
        write_file(file, content.encode())


def _file(reports: Path) -> Path:
    name = hashlib.sha256(str(reports.resolve()).encode()).hexdigest()[:24]
    return home() / "cache" / f"runs-{name}.jsonl"


def _encoded(summary: RunSummary) -> list[Any]:
    steps = [
        [
            step.name,
            step.uses,
            str(step.holds),
            step.outcome,
            step.system,
            {name: [m.value_s, m.bound_s] for name, m in step.measured.items()},
            step.region,
            step.way,
            step.apart,
        ]
        for step in summary.steps
    ]
    plain: Mapping[str, Any] = {
        name: getattr(summary, name)
        for name in RunSummary.__dataclass_fields__
        if name not in ("steps", "holds")
    }
    return [str(summary.holds), steps, plain]


def _decoded(data: list[Any]) -> RunSummary:
    """By hand: `from_data` would take a second for a few thousand."""
    holds, steps, plain = data
    plain["findings"] = tuple(plain["findings"])
    return RunSummary(
        holds=Holds(holds),
        steps=tuple(
            StepSummary(
                name,
                uses,
                Holds(step_holds),
                outcome,
                system,
                {key: StepMeasure(*numbers) for key, numbers in measured.items()},
                *apart,
            )
            for name, uses, step_holds, outcome, system, measured, *apart in steps
        ),
        **plain,
    )
