"""The verdict as GitHub Actions shows it: a summary of the step, annotations, outputs.

The summary is Markdown of tables only, below GitHub's 1 MiB for a step; more would fail the upload.
"""

from __future__ import annotations

from collections.abc import Iterator

from drillkit.judge.wording import title
from drillkit.model.records import WeaknessesFound
from drillkit.model.units import format_duration
from drillkit.model.verdict import Holds, Judged, Verdict

_MOST_BYTES = 1_000_000
_MOST_ANNOTATIONS = 10
"""GitHub shows ten of a kind for each step."""
_SIGNS = {Holds.MET: "✅", Holds.UNKNOWN: "❔", Holds.VIOLATED: "❌"}


def summary(verdict: Verdict, weak: WeaknessesFound | None = None) -> str:
    """For the file that $GITHUB_STEP_SUMMARY names. `weak`: what was fragile before anything was
    broken, where anybody looked.
    """
    head = [
        f"## {_SIGNS[verdict.holds]} {_cell(verdict.drill)} on {_cell(verdict.target)}",
        "",
        f"**{_cell(verdict.headline)}** (run `{verdict.run}`, exit {verdict.exit_code})",
        "",
    ]
    lines = [*head, *_steps(verdict), *_judged(verdict), *_findings(verdict), *_unproven(verdict)]
    lines += _fragile(weak or WeaknessesFound())
    kept: list[str] = []
    size = 0
    for line in lines:
        size += len(line.encode()) + 1
        if size > _MOST_BYTES:
            kept.append("")
            kept.append("More is in the report.")
            break
        kept.append(line)
    return "\n".join(kept) + "\n"


def workflow_commands(verdict: Verdict) -> Iterator[str]:
    """Workflow commands, one a line, for stdout."""
    for finding in verdict.findings[:_MOST_ANNOTATIONS]:
        level = "error" if finding.holds is Holds.VIOLATED else "warning"
        text = f"expected {finding.expected}, observed {finding.observed}. {finding.advice}"
        yield f"::{level} title={_property(title(finding.about))}::{_message(text.strip())}"


def outputs(verdict: Verdict, report: str) -> str:
    """For the file that $GITHUB_OUTPUT names."""
    values = {
        "run": verdict.run,
        "verdict": str(verdict.holds),
        "exit-code": str(verdict.exit_code),
        "headline": " ".join(verdict.headline.split()),
        "report": report,
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _steps(verdict: Verdict) -> Iterator[str]:
    if not verdict.steps:
        return
    yield "| step | kind | verdict | RTO | RPO | recovered in |"
    yield "|---|---|---|---|---|---|"
    for step in verdict.steps:
        numbers = (step.rto_s, step.rpo_s, step.recovery_s)
        shown = ("" if value is None else format_duration(value) for value in numbers)
        sign = f"{_SIGNS[step.holds]} {step.holds}"
        yield f"| {_cell(step.name)} | {_cell(step.uses)} | {sign} | {' | '.join(shown)} |"
    yield ""


def _judged(verdict: Verdict) -> Iterator[str]:
    judged: list[Judged] = [*verdict.gates, *verdict.bounds]
    for step in verdict.steps:
        judged.extend(step.judged)
    if not judged:
        return
    yield "| what | verdict | expected | observed |"
    yield "|---|---|---|---|"
    for each in judged:
        cells = (title(each.about), f"{_SIGNS[each.holds]} {each.holds}", each.expected)
        yield f"| {' | '.join(map(_cell, (*cells, each.observed)))} |"
    yield ""


def _findings(verdict: Verdict) -> Iterator[str]:
    if not verdict.findings:
        return
    yield "| finding | observed | what to do |"
    yield "|---|---|---|"
    for finding in verdict.findings:
        about = f"{_SIGNS[finding.holds]} {title(finding.about)}"
        yield f"| {_cell(about)} | {_cell(finding.observed)} | {_cell(finding.advice)} |"
    yield ""


def _unproven(verdict: Verdict) -> Iterator[str]:
    if verdict.not_proven:
        yield "| not proven |"
        yield "|---|"
        yield from (f"| {_cell(text)} |" for text in verdict.not_proven)


def _fragile(weak: WeaknessesFound) -> Iterator[str]:
    if weak.found:
        yield ""
        yield "| fragile before anything was broken | severity | what to do |"
        yield "|---|---|---|"
        for each in weak.found:
            cells = (f"{each.subject}: {each.what}", each.severity, each.mend)
            yield f"| {' | '.join(map(_cell, cells))} |"
    more = [f"{weak.more} more weaknesses: `drillkit advise` tells them"] if weak.more else []
    if untold := [*more, *(f"not looked at: {text}" for text in weak.unread)]:
        yield ""
        yield "| not told of weaknesses |"
        yield "|---|"
        yield from (f"| {_cell(text)} |" for text in untold)


def _cell(text: str) -> str:
    """One cell of a table, whatever stands in it."""
    plain = " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
    return plain.replace("<", "&lt;").replace(">", "&gt;")


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
