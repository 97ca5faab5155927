"""`run` and `plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from drillkit.cli import compose
    from drillkit.clients.prestart import Prestarted
    from drillkit.model.drill import Drill, Target
    from drillkit.plan import Plan
    from drillkit.runner.execute import Finished

_shared = [
    click.argument("name"),
    click.option("--target", "-t", metavar="NAME", help="Where to run it; see targets.yaml."),
    click.option(
        "--set", "sets", multiple=True, metavar="KEY=VALUE", help="Give a variable a value."
    ),
    click.option(
        "--var-file",
        "var_files",
        multiple=True,
        type=click.Path(path_type=Path),
        help="YAML file of variables.",
    ),
]


def _with_shared(command: Any) -> Any:
    for option in reversed(_shared):
        command = option(command)
    return command


@click.command()
@_with_shared
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of reports.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask; protected targets still do.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print every record as one JSON object a line."
)
@click.option("--dry-run", is_flag=True, help="Resolve and show; touch nothing.")
@click.option(
    "--recover",
    "recover_first",
    is_flag=True,
    help="First clean up what earlier runs left on this target.",
)
@click.option(
    "--wait", metavar="DURATION", help="Wait so long for another run on this target to end."
)
@click.option(
    "--trigger", default="operator", metavar="TEXT", help="What started this, for the report."
)
def run(
    name: str,
    target: str | None,
    sets: tuple[str, ...],
    var_files: tuple[Path, ...],
    out: Path | None,
    yes: bool,
    as_json: bool,
    dry_run: bool,
    recover_first: bool,
    wait: str | None,
    trigger: str,
) -> int:
    """Run a drill, or a Chaos Toolkit experiment as a drill of one step.

    NAME is a file, or a name found in this project, the user's configuration or the drills that
    come with drillkit.
    """
    if dry_run:
        return _plan(name, target, sets, var_files, as_json)
    from drillkit.clients.prestart import prestarted

    with prestarted() as process:
        return _run(
            name,
            target,
            sets,
            var_files,
            out,
            yes,
            as_json,
            recover_first,
            _seconds(wait),
            trigger,
            process,
        )


def _run(
    name: str,
    target: str | None,
    sets: tuple[str, ...],
    var_files: tuple[Path, ...],
    out: Path | None,
    yes: bool,
    as_json: bool,
    recover_first: bool,
    wait_s: float,
    trigger: str,
    process: Prestarted | None,
) -> int:
    from drillkit.cli import compose
    from drillkit.cli.summary import tell

    asked = compose.ask(name, sets, var_files, target, need=True)
    if process is not None and "chaostoolkit" not in compose.kinds_of(asked.parsed):
        process.close()
        process = None
    click.echo(
        f"drill {asked.parsed.name} from {asked.parsed.source.label}, target {asked.chosen}",
        err=True,
    )
    with compose.standing_target(asked) as (standing, pid):
        names = compose.new_run(asked.parsed.name)
        drill = asked.parsed.resolve(asked.sets, standing, names)
        compose.confirm(drill, standing, yes=yes)
        _leftovers(standing, recover_first)
        finished = _execute(
            asked, drill, standing, pid, names, out, as_json, trigger, wait_s, process
        )
    return tell(finished, as_json=as_json)


def _seconds(text: str | None) -> float:
    from drillkit.model.units import parse_duration

    if text is None:
        return 0.0
    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--wait") from error


def _leftovers(target: Target, recover_first: bool) -> None:
    from drillkit.model.errors import Refused
    from drillkit.runner.recover import in_doubt, leftovers, nothing_left, recover

    for doubt in in_doubt(target.name):
        click.secho(f"in doubt: {doubt}", err=True, fg="yellow")
    for run in leftovers(target.name):
        if not recover_first and not nothing_left(run):
            raise Refused(
                f"an earlier run left target `{target.name}` unfinished: {run.id} in {run.folder}. "
                f"Clean it up first: drillkit recover {run.id} (or add --recover)"
            )
        done = recover(run, 900.0, lambda text: click.echo(f"  {text}", err=True))
        click.echo(f"recovered {run.id}: {done.state}, {done.detail}", err=True)
        if done.left:
            raise Refused(
                f"run {run.id} could not be cleaned up: {', '.join(done.left)}. What you undo by "
                f"hand: drillkit settle {run.id} RESOURCE --why TEXT"
            )


def _execute(
    asked: compose.Asked,
    drill: Drill,
    target: Target,
    launched_pid: int | None,
    names: Any,
    out: Path | None,
    as_json: bool,
    trigger: str,
    wait_s: float,
    process: Prestarted | None,
) -> Finished:
    from drillkit.cli import compose
    from drillkit.cli.places import reports_folder
    from drillkit.cli.progress import watcher
    from drillkit.runner.execute import Request, execute
    from drillkit.spec.experiments import experiment_finder

    find_experiment = experiment_finder(asked.parsed)
    slos = compose.slos_of(drill, asked.roots)
    freezes = compose.freezes_of(drill, asked.parsed)
    show = watcher(drill, as_json=as_json)
    try:
        return execute(
            Request(
                drill=drill,
                source=compose.source_bytes(asked.parsed),
                target=compose.without_secrets(target),
                names=names,
                reports=reports_folder(out),
                bind=compose.binder(asked.parsed.source.label),
                find_experiment=find_experiment,
                trigger=trigger,
                launched_pid=launched_pid,
                digests=compose.digests_of(drill, find_experiment, slos, freezes),
                watch=show,
                prestarted=process,
                ahead=_prepare_report,
                enter=_enter,
                wait_for_lock_s=wait_s,
                slos={name: found.slo for name, found in slos.items()},
                freezes=freezes,
            )
        )
    finally:
        show.close()


def _enter(folder: Path) -> None:
    import time

    from drillkit.attest.seal import enter

    enter(folder, time.time())


def _prepare_report() -> None:
    import importlib

    from drillkit.report.pages import prepare

    importlib.import_module("drillkit.judge.verdict")
    prepare()


@click.command()
@_with_shared
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def plan(
    name: str, target: str | None, sets: tuple[str, ...], var_files: tuple[Path, ...], as_json: bool
) -> int:
    """Show what a drill would touch, how each thing is undone, and what keeps it from starting."""
    return _plan(name, target, sets, var_files, as_json)


def _plan(
    name: str, target: str | None, sets: tuple[str, ...], var_files: tuple[Path, ...], as_json: bool
) -> int:
    from drillkit.cli import compose
    from drillkit.runner.dry_run import plan_only
    from drillkit.spec.experiments import experiment_finder

    asked = compose.ask(name, sets, var_files, target, need=True)
    with compose.standing_target(asked) as (standing, _):
        names = compose.new_run(asked.parsed.name)
        drill = asked.parsed.resolve(asked.sets, standing, names)
        made = plan_only(
            drill,
            standing,
            names,
            compose.binder(asked.parsed.source.label),
            experiment_finder(asked.parsed),
        )
    _print_plan(made, as_json)
    return 4 if made.problems else 0


def _print_plan(made: Plan, as_json: bool) -> None:
    import json

    from drillkit.model.codec import to_data

    if as_json:
        steps = [
            {"step": p.step.name, "uses": p.step.uses, **to_data(p.prospect)} for p in made.steps
        ]
        click.echo(
            json.dumps(
                {
                    "drill": made.drill.drill,
                    "target": made.target.name,
                    "steps": steps,
                    "problems": list(made.problems),
                },
                indent=2,
            )
        )
        return
    click.secho(f"{made.drill.drill} against {made.target.name}; nothing was touched", bold=True)
    for item in made.steps:
        click.echo(
            f"\n{item.step.name} ({item.step.uses})" + (f" in {item.group}" if item.group else "")
        )
        for title, rows in (
            ("targets", item.prospect.targets),
            ("does", item.prospect.effects),
            ("needs", item.prospect.permissions),
            ("note", item.prospect.notes),
        ):
            for row in rows:
                click.echo(f"  {title:8} {row}")
    for problem in made.problems:
        click.secho(f"\nproblem: {problem}", fg="red")
    click.echo("\nit would refuse to start" if made.problems else "\nit would start")
