"""The pages: templates filled with a story and a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from drillkit.model.records import History
from drillkit.model.units import format_duration
from drillkit.model.verdict import Verdict
from drillkit.report import EXIT_TEXT
from drillkit.report.charts import timeline
from drillkit.report.story import Story


def _duration_or(seconds: float | None) -> str:
    return "-" if seconds is None else format_duration(seconds)


def _latency(seconds: float | None) -> str:
    """Milliseconds, with a decimal below ten."""
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:,.0f} ms"


def _offset(seconds: float) -> str:
    sign = "-" if seconds < 0 else "+"
    minutes, rest = divmod(abs(seconds), 60)
    return f"{sign}{int(minutes)}:{rest:05.2f}"


def _causes(bad: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {cause}" for cause, count in sorted(bad.items(), key=lambda item: -item[1]) if count)


def _records(numbers: Iterable[int]) -> str:
    found = list(numbers)
    shown = ", ".join(map(str, found[:6]))
    return shown + (f" and {len(found) - 6} more" if len(found) > 6 else "")


def _cell(text: object) -> str:
    """Text in a cell of a Markdown table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def _environment(*, escape: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("drillkit.report"), autoescape=escape, undefined=StrictUndefined,
        trim_blocks=False, lstrip_blocks=False, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters.update(
        latency=_latency, duration=format_duration, duration_or=_duration_or, offset=_offset, causes=_causes,
        records=_records, thousands=lambda n: f"{n:,}", cell=_cell,
    )  # fmt: skip
    return environment


def _names(story: Story, verdict: Verdict, history: History, last_hash: str) -> dict[str, Any]:
    opened = {"identities": {}, "vantage": {"host": "-", "platform": "-"}, "versions": {}, "digests": {},
              "operator": "-", "trigger": "-", **story.opened}  # fmt: skip
    target = {"emulated": [], "protected": False, **opened.get("target", {})}
    drill = {"owner": "", "description": "", **opened.get("drill", {})}
    identities = {"cluster_uid": "", **opened["identities"]}
    return {
        "v": verdict, "s": story, "begin": history[0].mono, "records_total": len(history), "last_hash": last_hash,
        "opened": {**opened, "target": target, "drill": drill, "identities": identities},
        "exit_text": EXIT_TEXT[verdict.exit_code],
    }  # fmt: skip


def markdown(story: Story, verdict: Verdict, history: History, last_hash: str) -> str:
    """`report.md`."""
    text = _environment(escape=False).get_template("report.md.j2").render(_names(story, verdict, history, last_hash))
    lines: list[str] = []
    for line in text.splitlines():
        if line.strip() or (lines and lines[-1].strip()):  # never two empty lines
            lines.append(line.rstrip())
    return "\n".join(lines).strip() + "\n"


def html(story: Story, verdict: Verdict, history: History, last_hash: str) -> str:
    """`report.html`: one file that needs no other."""
    names = {**_names(story, verdict, history, last_hash), "timeline": Markup(timeline(story))}
    return _environment(escape=True).get_template("report.html.j2").render(names)
