"""What is said when a run is over: the verdict, what to do next, where the report is."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drillkit.model.subjects import WholeRun

if TYPE_CHECKING:
    from drillkit.model.records import WeaknessesFound
    from drillkit.model.verdict import Finding, Verdict
    from drillkit.runner.request import Finished

FINDINGS = 8
"""Findings that are listed; the report has them all."""
_COLORS = {"met": "green", "unknown": "yellow", "violated": "red"}


def tell(
    finished: Finished,
    *,
    as_json: bool,
    quiet: bool = False,
    scheduled: bool = False,
    github: bool = False,
    metrics_push: str | None = None,
) -> int:
    """Write the reports and say what came of the run: `quiet`, in few lines; `scheduled`, only when
    something is wrong; `github`, as a step of a workflow, too; `metrics_push` names a Pushgateway.
    The exit code.
    """
    from drillkit.cli.sealing import write_and_seal

    try:
        verdict, paths = write_and_seal(finished.folder, lambda text: _say(text, fg="yellow"))
    except OSError as error:
        verdict, paths = finished.verdict, ()
        _say(
            f"the report could not be written: {error}; the journal is whole: drillkit "
            f"report {verdict.run}",
            fg="red",
        )
    if finished.journal_lost:
        _say(f"the journal is incomplete: {finished.journal_lost}; what followed is lost", fg="red")
    if finished.unsent:
        _say(
            f"the bucket does not have all of this run: {finished.unsent}. Its journal is whole in "
            f"{finished.folder}; to put it there: drillkit recover {verdict.run}",
            fg="red",
        )
    if as_json:
        _print_json(verdict, paths)
    if github:
        _tell_github(verdict, paths, finished.folder)
    _send(finished.folder, metrics_push)
    if scheduled:
        if verdict.exit_code:
            _say(_paragraph(verdict, paths, finished.left))
    elif not as_json:
        lines = _few if quiet else _lines
        for text, style in lines(verdict, paths, finished.left):
            _say(text, **style)
    return verdict.exit_code


def _send(folder: Path, metrics_push: str | None) -> None:
    from drillkit.spec import find_roots
    from drillkit.spec.project import Telemetry

    project = find_roots().project
    telemetry = project.project.telemetry if project is not None else Telemetry()
    if telemetry == Telemetry() and metrics_push is None:
        return
    from drillkit.cli.telemetry import send

    send(folder, telemetry, metrics_push, lambda text: _say(f"warning: {text}", fg="yellow"))


def _paragraph(verdict: Verdict, paths: tuple[Path, ...], left: tuple[str, ...]) -> str:
    """What a mail should say: what happened, where, what to do next."""
    from drillkit.report import EXIT_TEXT

    said = [f"drill {verdict.drill} on {verdict.target}, run {verdict.run}: {verdict.headline}"]
    said += [f"{finding.observed}. {finding.advice}" for finding in verdict.findings[:1]]
    if left:
        said.append(f"Left behind: {', '.join(left)}. Run: drillkit recover {verdict.run}")
    said += [f"Report: {path.resolve()}" for path in paths if path.suffix == ".md"]
    said.append(f"(exit {verdict.exit_code}, {EXIT_TEXT[verdict.exit_code]})")
    return " ".join(said)


def _tell_github(verdict: Verdict, paths: tuple[Path, ...], folder: Path) -> None:
    from drillkit.report.github import outputs, summary, workflow_commands

    for line in workflow_commands(verdict):
        click.echo(line)
    page = next((str(path) for path in paths if path.suffix == ".html"), "")
    for variable, text in (
        ("GITHUB_STEP_SUMMARY", summary(verdict, _weak(folder))),
        ("GITHUB_OUTPUT", outputs(verdict, page)),
    ):
        name = os.environ.get(variable)
        try:
            if name:
                with Path(name).open("a", encoding="utf-8") as file:
                    file.write(text)
        except OSError as error:
            _say(f"{variable} ({name}) cannot be written: {error.strerror}", fg="yellow")


def _weak(folder: Path) -> WeaknessesFound | None:
    """What was fragile before anything was broken."""
    from drillkit.journal.file import read
    from drillkit.journal.runs import JOURNAL
    from drillkit.model.errors import DrillError
    from drillkit.model.records import WeaknessesFound

    try:
        history = read(folder / JOURNAL)
    except (OSError, DrillError):
        return None  # that it cannot be read has been told by whoever wrote the report
    return next((r.entry for r in history if isinstance(r.entry, WeaknessesFound)), None)


def _print_json(verdict: Verdict, paths: tuple[Path, ...]) -> None:
    from drillkit.model.codec import to_data

    last = {"kind": "verdict", "data": to_data(verdict), "reports": [str(path) for path in paths]}
    try:
        sys.stdout.write(json.dumps(last, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the records has gone; the exit code still says what came of the run.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _lines(
    verdict: Verdict, paths: tuple[Path, ...], left: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, Any]]]:
    from drillkit.report import EXIT_TEXT
    from drillkit.spec.project import shown

    yield "", {}
    yield verdict.headline, {"fg": _COLORS[verdict.holds], "bold": True}
    for finding in verdict.findings[:FINDINGS]:
        yield from _finding(finding, told=verdict.refused)
    if len(verdict.findings) > FINDINGS:
        yield f"  and {len(verdict.findings) - FINDINGS} more in the report", {}
    for text in verdict.not_proven[:3]:
        yield f"  not proven: {text}", {}
    yield from _left(verdict, left)
    for path in paths:
        if path.suffix in (".html", ".md"):
            yield f"report: {shown(path)}", {}
    yield f"exit {verdict.exit_code}: {EXIT_TEXT[verdict.exit_code]}", {}


def _few(
    verdict: Verdict, paths: tuple[Path, ...], left: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, Any]]]:
    from drillkit.spec.project import shown

    yield f"{verdict.drill}: {verdict.headline}", {"fg": _COLORS[verdict.holds]}
    yield from _left(verdict, left)
    yield from ((f"report: {shown(path)}", {}) for path in paths if path.suffix == ".md")


def _left(verdict: Verdict, left: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    if left:
        yield f"left behind: {', '.join(left)}", {"fg": "red"}
        yield f"run: drillkit recover {verdict.run}", {"fg": "red"}


def _finding(finding: Finding, *, told: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A finding and what to do next; `told`: what the headline says already."""
    from drillkit.judge.wording import title

    if finding.observed in told:
        yield f"  next: {finding.advice}", {}
        return
    word = "to do" if finding.about == WholeRun("action-item") else str(finding.holds)
    style = {"fg": _COLORS[finding.holds]} if word != "to do" else {}
    yield (
        f"  {word}: {title(finding.about)}: expected {finding.expected}, observed "
        f"{finding.observed}",
        style,
    )
    if finding.fault:
        yield f"    nearest fault: {finding.fault}", {}
    if finding.advice:
        yield f"    next: {finding.advice}", {}


def _say(text: str, **style: Any) -> None:
    """A line to the terminal, without colours where nobody wants them (https://no-color.org)."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    click.secho(clean, err=True, color=False if os.environ.get("NO_COLOR") else None, **style)
