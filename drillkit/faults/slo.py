"""Service levels as probes: an experiment's own steady-state hypothesis can be an SLO, under plain
`chaos run`, too.

They ask as `drillkit slo check` does, in a process of its own, and never take missing data for a
success: nothing known is a failed activity and no value. Which metrics server is asked: the
argument `prometheus` (a URL) or `target` (a name of targets.yaml), else the drill's target, else
what `drillkit slo check` would choose (DRILLKIT_TARGET).
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from drillkit.clients.chaostoolkit.session import WorkerSession, current_session
from drillkit.model.errors import Refused, StepUnknown
from drillkit.model.units import parse_duration, written_duration

LIMIT_S = 60.0
"""One look takes no longer than this."""


def slo_holds(
    slo: str, over: str = "5m", target: str | None = None, prometheus: str | None = None
) -> bool:
    """Whether an SLO (a name, or a file with one) held over the last `over`: at least its target of
    events were good.

    Raises StepUnknown when there is no data to tell, Refused for arguments that make no sense.
    """
    return bool(_ask(slo, over, target, prometheus)["holds"] == "met")


def good_percent(
    slo: str, over: str = "5m", target: str | None = None, prometheus: str | None = None
) -> float:
    """Good events of an SLO over the last `over`, in percent, for a tolerance of your
    own: `range: [99.5, 100]`.

    Raises StepUnknown when there is no data to tell, Refused for arguments that make no sense.
    """
    found = _ask(slo, over, target, prometheus)
    return 100.0 * float(found["good"]) / float(found["total"])


def budget_left_percent(
    slo: str, target: str | None = None, prometheus: str | None = None
) -> float:
    """What is left of an SLO's error budget over its own window, in percent; below 0 it
    is overspent.

    Raises StepUnknown when there is no data to tell, Refused for arguments that make no sense.
    """
    return 100.0 * float(_ask(slo, None, target, prometheus)["budget_left"])


def _ask(slo: str, over: str | None, target: str | None, prometheus: str | None) -> Any:
    if not slo:
        raise Refused("expected the name of an SLO, or a file with one")
    command = [
        sys.executable,
        "-m",
        "drillkit",
        "slo",
        "check",
        "--json",
        *_where(current_session(), target, prometheus),
    ]
    if over is not None:
        command += ["--over", _duration(over)]
    try:
        done = subprocess.run(
            [*command, "--", slo],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise StepUnknown(
            f"SLO {slo}: no answer within {LIMIT_S:g} s; is its metrics server slow?"
        ) from error
    if done.returncode not in (0, 1, 3):
        raise Refused(f"SLO {slo}: {done.stderr.strip() or 'it cannot be checked'}")
    try:
        found = json.loads(done.stdout)[0]
    except (ValueError, IndexError) as error:
        raise StepUnknown(f"SLO {slo}: {done.stderr.strip() or 'no answer'}") from error
    if found["holds"] == "unknown" or not found["total"]:
        raise StepUnknown(f"SLO {slo}: {found['why'] or found['found']}")
    return found


def _duration(over: str) -> str:
    try:
        return written_duration(parse_duration(str(over)))
    except ValueError as error:
        raise Refused(f"over: {error}") from error


def _where(session: WorkerSession | None, target: str | None, prometheus: str | None) -> list[str]:
    """Options that choose the metrics server."""
    if prometheus is not None:
        return ["--prometheus", prometheus, *(["--target", target] if target is not None else [])]
    if target is not None:
        return ["--target", target]
    known = session.target if session is not None else None
    if known is None or known.prometheus is None:
        return []
    if known.launch is None:
        return ["--target", known.name]
    every = written_duration(known.prometheus.scrape_interval)
    return [
        "--prometheus",
        known.prometheus.url,
        "--scrape",
        every,
    ]  # started for this run: in no file
