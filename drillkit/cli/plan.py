"""`plan`: what a drill would do, how each thing is undone, and what keeps it from starting."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drillkit.cli.options import refuse_unsafe, with_shared

if TYPE_CHECKING:
    from drillkit.archive.duration import Took
    from drillkit.cli.resolve import Asked
    from drillkit.model.drill import Drill
    from drillkit.plan import Plan, StepPlan
    from drillkit.runner.dry_run import DryRun


@click.command()
@with_shared
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the plan as a page, for whoever decides on changes.",
)
@click.option(
    "--save",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the plan and its hash, to be approved and run as it is.",
)
@click.option(
    "--allow-unsafe",
    is_flag=True,
    help="Let calls pass that are known to be dangerous; never on a protected target.",
)
def plan(
    name: str,
    target: str | None,
    sets: tuple[str, ...],
    var_files: tuple[Path, ...],
    as_json: bool,
    html: Path | None,
    save: Path | None,
    allow_unsafe: bool,
) -> int:
    """Show what a drill would touch, how each thing is undone, and what keeps it from starting.

    Exit codes: 0 it would start, 1 it would start and a step would fail as things are now, 4 it
    would refuse to start.
    """
    return look_ahead(
        name, target, sets, var_files, as_json, save, html=html, allow_unsafe=allow_unsafe
    )


def look_ahead(
    name: str,
    target: str | None,
    sets: tuple[str, ...],
    var_files: tuple[Path, ...],
    as_json: bool,
    save: Path | None = None,
    *,
    html: Path | None = None,
    allow_unsafe: bool = False,
) -> int:
    """Look, tell, and give the exit code."""
    from drillkit.cli import resolve
    from drillkit.runner.dry_run import dry_run

    asked = resolve.ask(name, sets, var_files, target, need=True)
    with resolve.standing_target(asked) as (standing, _):
        if allow_unsafe:
            refuse_unsafe(standing)
        names = resolve.new_run(asked.parsed.name)
        drill = asked.parsed.resolve(asked.sets, standing, names)
        request = replace(
            resolve.request_of(asked, drill, standing, names, None), allow_unsafe=allow_unsafe
        )
        found = dry_run(request)
        if save is not None and not found.problems:
            from drillkit.cli.approve import save as save_plan

            save_plan(save, asked, request, found.plan)
    before = _before(asked, found)
    if html is not None:
        _write_page(html, found, before)
    if as_json:
        click.echo(json.dumps(_data(found, before), indent=2))
    else:
        _tell(found, before)
    if save is not None:
        what = (
            "a plan that would refuse to start is not saved" if found.problems else f"saved {save}"
        )
        click.echo(what, err=True)
    if found.problems:
        return 4
    return 1 if found.plan.fails else 0


def _before(asked: Asked, found: DryRun) -> Took | None:
    """How long earlier runs took, by the reports of the project."""
    from drillkit.archive.duration import took
    from drillkit.archive.scan import scan
    from drillkit.cli.runs import read_reports
    from drillkit.model.errors import CallError

    drill = found.plan.drill.drill
    try:
        archive = scan(read_reports(None, found=asked.parsed.source.found, drill=drill))
    except (CallError, OSError) as error:  # a bucket that is away
        click.secho(f"earlier runs cannot be read: {error}", err=True, fg="red")
        return None
    for text in archive.unread:
        click.secho(f"cannot be read: {text}", err=True, fg="red")
    return took(archive.runs, drill, found.plan.target.name)


def _write_page(file: Path, found: DryRun, before: Took | None) -> None:
    """Raises UsageError where it cannot be written."""
    from drillkit.model.errors import UsageError
    from drillkit.report.plan_page import plan_page
    from drillkit.secrets import KNOWN

    drill = found.plan.drill
    page = plan_page(_data(found, before), _takes(drill, before), _terms(drill))
    try:
        file.write_text(KNOWN.text(page), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}") from error
    click.echo(f"wrote {file}", err=True)


def _data(found: DryRun, before: Took | None) -> dict[str, Any]:
    from drillkit.clock import SystemClock, utc
    from drillkit.judge.abort_guards import guard_text
    from drillkit.model.codec import to_data
    from drillkit.spec.writing import as_written

    made = found.plan
    written = as_written(made.drill)
    steps = [
        {
            "step": p.step.name,
            "uses": p.step.uses,
            **({"group": p.group} if p.group else {}),
            "must": list(_demands(p)),
            **to_data(p.prospect),
            "wishes": to_data(p.wishes),
        }
        for p in made.steps
    ]
    return {
        "drill": made.drill.drill,
        "owner": made.drill.owner,
        "description": made.drill.description,
        "target": made.target.name,
        "protected": made.target.protected,
        "at": utc(SystemClock().now()).isoformat(timespec="seconds"),
        "would": _would(found, made),
        "takes": {
            "limit_s": made.drill.limit.total_seconds(),
            "cleanup_limit_s": made.drill.cleanup_limit.total_seconds(),
            "before": to_data(before) if before is not None else None,
        },
        "probes": written.get("probes", {}),
        "hypothesis": written.get("hypothesis", {}),
        "aborts": [guard_text(guard) for guard in made.drill.guards.abort],
        "guards": [
            {"guard": d.guard, "holds": str(d.holds), "why": d.why} for d in found.decisions
        ],
        "needs": to_data(made.permissions),
        "steps": steps,
        "problems": list(found.problems),
        "fails": list(made.fails),
        "notes": list(made.notes),
    }


def _would(found: DryRun, made: Plan) -> str:
    """What a run would do now."""
    if found.problems:
        return "refuse"
    return "fail" if made.fails else "start"


def _takes(drill: Drill, before: Took | None) -> str:
    """How long at most, and how long it took before."""
    from drillkit.model.units import format_duration

    most = f"{format_duration(drill.limit)} at most"
    most += f", and {format_duration(drill.cleanup_limit)} for clean-up"
    if before is None:
        return f"{most}; it has not come to its end here before"
    if before.runs == 1:
        return f"{most}; the run before took {format_duration(round(before.longest_s, 1))}"
    median, longest = (round(each, 1) for each in (before.median_s, before.longest_s))
    return (
        f"{most}; the last {before.runs} runs took {format_duration(median)} at the median, "
        f"{format_duration(longest)} the longest"
    )


def _tell(found: DryRun, before: Took | None) -> None:
    made = found.plan
    click.secho(f"{made.drill.drill} against {made.target.name}; nothing was touched", bold=True)
    click.echo(f"  {'takes':8} {_takes(made.drill, before)}")
    for title, text in _terms(made.drill):
        click.echo(f"  {title:8} {text}")
    for decision in found.decisions:
        said = "holds" if decision.holds == "met" else str(decision.holds)
        click.echo(f"  {'guard':8} {decision.guard}: {said}" + _because(decision.why))
    for each in made.permissions:
        click.echo(f"  {'needs':8} {each} ({each.reason})")
    for item in made.steps:
        for line in _step(item):
            click.echo(line)
    for note in made.notes:
        click.echo(f"\nnote: {note}")
    for problem in found.problems:
        click.secho(f"\nproblem: {problem}", fg="red")
    for why in made.fails:
        click.secho(f"\nproblem: as things are now it fails: {why}", fg="red")
    if found.problems:
        click.echo("\nit would refuse to start")
    else:
        click.echo("\nit would start, and fail" if made.fails else "\nit would start")


def _because(why: str) -> str:
    return f" ({why})" if why else ""


def _terms(drill: Drill) -> Iterator[tuple[str, str]]:
    """What is measured, what must hold and what aborts it, each as the drill writes it."""
    from drillkit.judge.abort_guards import guard_text
    from drillkit.spec.writing import as_written

    written = as_written(drill)
    for name, probe in written.get("probes", {}).items():
        yield "probe", f"{name}: {_flow(probe)}"
    hypothesis = written.get("hypothesis", {})
    for phase in ("before", "during", "after"):
        if hypothesis.get(phase):
            yield phase, _flow(hypothesis[phase])
    for guard in drill.guards.abort:
        yield "aborts", guard_text(guard)
    if written.get("announce"):
        yield "tells", _flow(written["announce"])


def _step(item: StepPlan) -> Iterator[str]:
    step = item.step
    yield f"\n{step.name} ({step.uses})" + (f" in {item.group}" if item.group else "")
    for title, rows in (
        ("targets", item.prospect.targets),
        ("does", item.prospect.effects),
        ("must", tuple(_demands(item))),
        ("needs", item.prospect.permissions),
        ("likes", item.wishes),
        ("note", item.prospect.notes),
    ):
        for row in rows:
            yield f"  {title:8} {row}"


def _demands(item: StepPlan) -> Iterator[str]:
    """A step's own objectives, checks and hypothesis."""
    from drillkit.model.codec import to_data

    data = to_data(item.step)
    for name, value in data.get("objectives", {}).items():
        yield f"{name}: {_flow(value)}"
    for check in data.get("checks", ()):
        yield f"check {_flow(check)}"
    if data.get("hypothesis"):
        yield f"hypothesis {_flow(data['hypothesis'])}"


def _flow(value: Any) -> str:
    """A value as YAML on one line."""
    import yaml

    if not isinstance(value, Mapping | list):
        return str(value)
    text: str = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000
    )
    return text.strip()
