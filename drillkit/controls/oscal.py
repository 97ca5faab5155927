"""OSCAL assessment results 1.2.2 as JSON: the required fields, and what a reader needs.

Identifiers are derived from the runs, so that the same runs give the same document.
Model: https://github.com/usnistgov/OSCAL (v1.2.2, assessment-results).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from drillkit import __version__
from drillkit.archive.summary import RunSummary
from drillkit.controls.assess import Assessed, Matrix
from drillkit.model.units import how_many

VERSION = "1.2.2"
_SPACE = uuid.UUID("6e0f1a5e-8d1c-5a3b-9d53-3c1f0a7b2c44")
"""Name space of our identifiers; made once, for good."""


def assessment_results(matrix: Matrix, made: datetime) -> str:
    """The document. `made`: when, as its metadata say."""
    name = matrix.framework.name
    key = f"{name}/{matrix.period.begin}/{matrix.period.end}"
    plan = _id("plan", key)
    document = {
        "assessment-results": {
            "uuid": _id("results", key),
            "metadata": {
                "title": f"Recovery drills against {matrix.framework.title}",
                "last-modified": _date(made.timestamp()),
                "version": _date(made.timestamp()),
                "oscal-version": VERSION,
                "remarks": f"Made by drillkit {__version__}. Runs support controls; nothing here "
                "states compliance.",
            },
            "import-ap": {"href": f"#{plan}"},
            "results": [_result(matrix, key)],
            "back-matter": {
                "resources": [
                    {
                        "uuid": plan,
                        "title": "Recovery drills",
                        "description": "The drill files that stand in record 1 of each journal.",
                    }
                ]
            },
        }
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _result(matrix: Matrix, key: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "uuid": _id("result", key),
        "title": matrix.framework.title,
        "description": f"{how_many(len(matrix.counted), 'rehearsal counts', 'rehearsals count')}, "
        f"{how_many(len(matrix.excluded), 'does', 'do')} not.",
        "start": _date(matrix.period.begin),
        "end": _date(matrix.period.end),
        "reviewed-controls": {
            "control-selections": [
                {
                    "include-controls": [
                        {"control-id": _token(each.control.id)} for each in matrix.controls
                    ]
                }
            ]
        },
        "findings": [_finding(matrix, each, key) for each in matrix.controls],
    }
    if observations := list(_observations(matrix)):
        result["observations"] = observations
    return result


def _observations(matrix: Matrix) -> Iterator[dict[str, Any]]:
    for run in matrix.counted:
        yield {
            "uuid": _observation(run.run),
            "title": f"{run.drill} on {run.target}",
            "description": run.headline,
            "methods": ["TEST"],
            "types": ["control-objective"],
            "collected": _date(run.started),
            "relevant-evidence": [{"href": _href(run), "description": f"journal of run {run.run}"}],
            "remarks": _told(run),
        }


def _told(run: RunSummary) -> str:
    """Who was told of it; the journal says who, when and by what."""
    if not run.told and not run.untold:
        return "No message was sent of it."
    sent = how_many(run.told, "message of it was", "messages of it were")
    lost = f", {how_many(run.untold, 'was', 'were')} not" if run.untold else ""
    return f"{sent} accepted{lost}."


def _finding(matrix: Matrix, assessed: Assessed, key: str) -> dict[str, Any]:
    control = assessed.control
    satisfied = assessed.shown == "supported"
    finding: dict[str, Any] = {
        "uuid": _id("finding", f"{key}/{control.id}"),
        "title": control.id,
        "description": "; ".join(each.why for each in assessed.needs),
        "target": {
            "type": "objective-id",
            "target-id": _token(control.id),
            "status": {
                "state": "satisfied" if satisfied else "not-satisfied",
                "reason": "pass" if satisfied else "other",
            },
        },
    }
    counted = {run.run for run in matrix.counted}
    related = [{"observation-uuid": _observation(r)} for r in assessed.runs if r in counted]
    if related:
        finding["related-observations"] = related
    return finding


def _href(run: RunSummary) -> str:
    from urllib.parse import quote

    return f"{quote(run.drill, safe='')}/{quote(run.run, safe='')}/journal.jsonl"


def _observation(run: str) -> str:
    return _id("observation", run)


def _id(kind: str, key: str) -> str:
    return str(uuid.uuid5(_SPACE, f"{kind}:{key}"))


def _token(text: str) -> str:
    """A control's id as OSCAL's token: letters, digits, `-`, `_`, `.`."""
    token = "".join(c if c.isalnum() or c in "-_." else "_" for c in text.lower())
    return token if token[:1].isalpha() or token[:1] == "_" else f"_{token}"


def _date(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
