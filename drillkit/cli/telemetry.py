"""What a run came to, sent on: gauges to a Pushgateway, a trace to an OpenTelemetry collector. The
run is over and judged; what does not arrive is told, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from drillkit.model.records import History
    from drillkit.model.verdict import Verdict
    from drillkit.spec.project import Telemetry

_TEXT = "text/plain; version=0.0.4; charset=utf-8"


def send(folder: Path, telemetry: Telemetry, push: str | None, warn: Callable[[str], None]) -> None:
    """Send what came of the run in a folder. `push`: another Pushgateway than the project's."""
    from drillkit.journal.file import salvage
    from drillkit.journal.runs import JOURNAL
    from drillkit.judge import judge
    from drillkit.model.errors import DrillError

    push = push or telemetry.push
    if push is None and telemetry.traces is None:
        return
    try:
        history = salvage(folder / JOURNAL).history
        verdict = judge(history)
        headers = _headers(telemetry)
    except (OSError, DrillError) as error:
        warn(f"nothing was sent of the run: {error}")
        return
    if push is not None:
        try:
            _push(push, history, verdict, headers)
        except DrillError as error:
            warn(f"the metrics were not pushed: {error}")
    if telemetry.traces is not None:
        try:
            _trace(telemetry.traces, history, verdict, headers)
        except DrillError as error:
            warn(f"the trace was not sent: {error}")


def _headers(telemetry: Telemetry) -> Mapping[str, str]:
    """Raises UsageError for a reference that leads nowhere."""
    from drillkit.secrets import is_reference, one_line, resolve

    found = {
        name: resolve(value, f"telemetry.headers.{name}") if is_reference(value) else value
        for name, value in telemetry.headers.items()
    }
    for name, value in found.items():
        one_line(value, f"telemetry.headers.{name}")
    return found


def _push(url: str, history: History, verdict: Verdict, headers: Mapping[str, str]) -> None:
    """POST replaces gauges of the same names only: when the drill was met last stays there."""
    from drillkit import __version__
    from drillkit.archive.metrics import exposition
    from drillkit.archive.summary import summarize
    from drillkit.clients.http_post import post

    run = summarize(history, verdict)
    if run is None or run.emulated or run.refused:
        return
    group = f"drill/{quote(run.drill, safe='')}/target/{quote(run.target, safe='')}"
    where = f"{url.rstrip('/')}/metrics/job/drillkit/{group}"
    post(
        where,
        exposition([run], (), {}, __version__).encode(),
        headers={"Content-Type": _TEXT, **headers},
    )


def _trace(url: str, history: History, verdict: Verdict, headers: Mapping[str, str]) -> None:
    from drillkit.clients.http_post import post_json
    from drillkit.report.trace import trace_of

    body = trace_of(history, verdict)
    if body is None:
        return
    where = url if url.rstrip("/").endswith("/v1/traces") else f"{url.rstrip('/')}/v1/traces"
    post_json(where, body, headers=headers)
