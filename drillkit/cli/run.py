"""`run`: a drill, from its name to its verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drillkit.cli.options import OUT, RECOVER, YES, Out, refuse_unsafe, with_shared
from drillkit.cli.serving import Serving, entering, served, told, with_serve
from drillkit.cli.starting import (
    announce,
    enter,
    prepare_report,
    see_to_leftovers,
    telling_who_must_act,
)
from drillkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from drillkit.cli import resolve
    from drillkit.live.launch import PageProcess
    from drillkit.model.drill import Drill
    from drillkit.model.target import Target
    from drillkit.prestart import Prestarted
    from drillkit.runner.request import Finished


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """How a run is told."""

    as_json: bool
    quiet: bool
    page: PageProcess | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a run is bound to, or freed from."""

    plan_file: Path | None
    """It does what this saved plan says."""
    allow_unsafe: bool
    fleet: str | None = None
    """It is this fleet's run on its target."""


@click.command()
@with_shared
@OUT
@YES
@click.option(
    "--json", "as_json", is_flag=True, help="Print every record as one JSON object a line."
)
@click.option("--quiet", "-q", is_flag=True, help="Say nothing but what came of it.")
@click.option("--dry-run", is_flag=True, help="Resolve and show; touch nothing.")
@RECOVER
@click.option(
    "--wait", metavar="DURATION", help="Wait so long for another run on this target to end."
)
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Do what this saved plan says and nothing else; see `drillkit approve`.",
)
@click.option(
    "--allow-unsafe",
    is_flag=True,
    help="Let calls pass that are known to be dangerous; never on a protected target.",
)
@click.option(
    "--trigger", default="operator", metavar="TEXT", help="What started this, for the report."
)
@click.option(
    "--scheduled",
    is_flag=True,
    help="A timer started this: pass over what is not due, say nothing while all is well.",
)
@click.option(
    "--jitter", metavar="DURATION", help="First wait a random part of this (for many machines)."
)
@click.option(
    "--github",
    is_flag=True,
    help="As a step of GitHub Actions: its summary, annotations and outputs.",
)
@click.option(
    "--metrics-push",
    metavar="URL",
    help="Push what came of it to this Pushgateway; no verdict depends on it.",
)
@click.option(
    "--fleet", metavar="FLEET", help="The Job of this fleet (see `drillkit fleet`) started it."
)
@with_serve
def run(
    name: str,
    target: str | None,
    sets: tuple[str, ...],
    var_files: tuple[Path, ...],
    out: Out,
    yes: bool,
    as_json: bool,
    quiet: bool,
    dry_run: bool,
    recover_first: bool,
    wait: str | None,
    plan_file: Path | None,
    allow_unsafe: bool,
    trigger: str,
    scheduled: bool,
    jitter: str | None,
    github: bool,
    metrics_push: str | None,
    fleet: str | None,
    serve: str | None,
    serve_cert: Path | None,
    serve_key: Path | None,
) -> int:
    """Run a drill, or a Chaos Toolkit experiment as a drill of one step.

    NAME is a file, or a name found in this project, the user's configuration or the drills that
    come with drillkit.
    """
    if dry_run:
        from drillkit.cli.plan import look_ahead

        return look_ahead(name, target, sets, var_files, as_json, allow_unsafe=allow_unsafe)
    from drillkit.prestart import prestarted

    wait_s, jitter_s = _seconds(wait, "--wait"), _seconds(jitter, "--jitter")
    if scheduled:
        if _passed_over(name, target, sets, var_files, out, jitter_s, recover_first):
            return 0
        trigger = "schedule" if trigger == "operator" else trigger
    serving = Serving(serve, serve_cert, serve_key)
    # What the entry point has started already, where it was sure of a run.
    waiting = click.get_current_context().obj
    with prestarted(waiting) as process, _silenced(scheduled), served(serving) as page:
        finished = _run(
            name,
            target,
            sets,
            var_files,
            out,
            yes,
            OutputOptions(as_json, quiet, page),
            recover_first,
            wait_s,
            trigger,
            process,
            Terms(plan_file, allow_unsafe, fleet),
        )
        told(page, finished)
    from drillkit.cli.summary import tell

    return tell(
        finished,
        as_json=as_json,
        quiet=quiet,
        scheduled=scheduled,
        github=github,
        metrics_push=metrics_push,
    )


def _passed_over(
    name: str,
    target: str | None,
    sets: tuple[str, ...],
    var_files: tuple[Path, ...],
    out: Out,
    jitter_s: float,
    recover_first: bool,
) -> bool:
    """Whether a timer's start is not due; what an earlier run left is cleaned up all the same."""
    from drillkit.cli.unattended import clean_up_all_the_same, passed_over

    if not passed_over(name, target, sets, var_files, out, jitter_s):
        return False
    if recover_first:
        clean_up_all_the_same(name, target, sets, var_files, out)
    return True


def _silenced(on: bool) -> AbstractContextManager[object]:
    from contextlib import nullcontext

    if not on:
        return nullcontext()
    from drillkit.cli.unattended import silenced

    return silenced()


def _run(
    name: str,
    target: str | None,
    sets: tuple[str, ...],
    var_files: tuple[Path, ...],
    out: Out,
    yes: bool,
    telling: OutputOptions,
    recover_first: bool,
    wait_s: float,
    trigger: str,
    process: Prestarted | None,
    terms: Terms,
) -> Finished:
    from drillkit.cli import resolve
    from drillkit.cli.runs import reports_folder

    asked = resolve.ask(name, sets, var_files, target, need=True)
    if process is not None and "chaostoolkit" not in resolve.kinds_of(asked.parsed):
        process.close()
        process = None
    if not telling.quiet:
        announce(asked)
    with resolve.standing_target(asked) as (standing, pid):
        names = resolve.new_run(asked.parsed.name)
        if terms.fleet is not None:
            from drillkit.cli.fleet_member import member_of

            member = member_of(terms.fleet, asked, out)
            names, trigger = replace(names, id=member.run), member.trigger
        drill = asked.parsed.resolve(asked.sets, standing, names)
        if terms.fleet is None or not member.confirmed:
            resolve.confirm(drill, standing, yes=yes)
        reports = reports_folder(out, found=asked.parsed.source.found)
        with telling_who_must_act(asked, drill, names):
            see_to_leftovers(standing, recover_first, reports, wait_s)
        return _execute(
            asked, drill, standing, pid, names, out, telling, trigger, wait_s, process, terms
        )


def _seconds(text: str | None, option: str) -> float:
    from drillkit.model.units import parse_duration

    if text is None:
        return 0.0
    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _execute(
    asked: resolve.Asked,
    drill: Drill,
    target: Target,
    launched_pid: int | None,
    names: Any,
    out: Out,
    telling: OutputOptions,
    trigger: str,
    wait_s: float,
    process: Prestarted | None,
    terms: Terms,
) -> Finished:
    from drillkit.cli import resolve
    from drillkit.cli.progress import watcher
    from drillkit.runner.execute import execute

    request = resolve.request_of(asked, drill, target, names, out)
    if terms.allow_unsafe:
        refuse_unsafe(target)
        request = replace(request, allow_unsafe=True)
        trigger = f"{trigger}, with --allow-unsafe"
    if terms.plan_file is not None or target.approvals:
        from drillkit.cli.approve import admitted

        request = admitted(terms.plan_file, asked, request)
    show = watcher(drill, as_json=telling.as_json, quiet=telling.quiet)
    try:
        return execute(
            replace(
                request,
                trigger=trigger,
                launched_pid=launched_pid,
                watch=show,
                prestarted=process,
                ahead=prepare_report,
                enter=entering(telling.page, enter),
                wait_for_lock_s=wait_s,
            )
        )
    finally:
        show.close()
