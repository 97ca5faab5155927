"""`schedule`: what to install so that a drill starts by itself."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drillkit.cli.options import OUT, Out, with_shared
from drillkit.clock import now_utc

if TYPE_CHECKING:
    from drillkit.cli.resolve import Asked
    from drillkit.model.drill import Drill
    from drillkit.schedule import ScheduledDrill


@click.command()
@with_shared
@click.option("--cron", "form", flag_value="cron", help="A line of a crontab.")
@click.option("--systemd", "form", flag_value="systemd", help="A service and its timer.")
@click.option("--kubernetes", "form", flag_value="kubernetes", help="A CronJob and what it needs.")
@click.option("--github", "form", flag_value="github", help="A workflow of GitHub Actions.")
@click.option(
    "--wait", default="30m", show_default=True, metavar="DURATION", help="As `run` has it."
)
@click.option("--jitter", default="0s", metavar="DURATION", help="As `run` has it.")
@click.option("--image", metavar="IMAGE", help="With --kubernetes: the image that runs.")
@click.option(
    "--namespace", default="drillkit", show_default=True, help="With --kubernetes: where it runs."
)
@OUT
@click.option(
    "--write",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the files into this folder instead of printing them.",
)
def schedule(
    name: str,
    target: str | None,
    sets: tuple[str, ...],
    var_files: tuple[Path, ...],
    form: str | None,
    wait: str,
    jitter: str,
    image: str | None,
    namespace: str,
    out: Out,
    folder: Path | None,
) -> int:
    """Print what to install so that a drill with a `cadence` starts by itself.

    Each start is `drillkit run --scheduled`: it passes over what is not due, tries a refused start
    again within the drill's window and nothing else, and is silent while all is well.

    With --kubernetes the target is looked at: the CronJob's account is allowed exactly what the
    drill needs there, as `drillkit permissions` computes it.
    """
    from drillkit.cli import resolve
    from drillkit.model.errors import UsageError

    if form is None:
        raise UsageError("expected one of --cron, --systemd, --kubernetes and --github")
    if sets or var_files:
        raise UsageError("a drill that runs by itself takes its values from its file, not --set")
    if form == "kubernetes" and not image:
        raise UsageError("--kubernetes needs --image: the image that holds drillkit")
    asked = resolve.ask(name, sets, var_files, target, need=True)
    drill = asked.parsed.resolve(asked.sets)
    here = form in ("cron", "systemd")
    job = _job(name, asked, drill, _span(wait, "--wait"), _span(jitter, "--jitter"), out, here)
    try:
        files = _files(form, job, asked, image or "", namespace)
    except ValueError as error:
        raise UsageError(str(error)) from error
    _gap(job)
    if folder is not None:
        _write(folder, files)
        return 0
    for path, text in files.items():
        if len(files) > 1:
            click.echo(f"# {path}")
        click.echo(text)
    return 0


def _job(
    name: str, asked: Asked, drill: Drill, wait: timedelta, jitter: timedelta, out: Out, here: bool
) -> ScheduledDrill:
    """`here`: it starts on this machine."""
    import getpass

    from drillkit.cli.runs import place_of, reports_folder
    from drillkit.cli.unattended import times_of_drill
    from drillkit.journal.runs import home
    from drillkit.schedule import ScheduledDrill

    project = asked.roots.project
    place = place_of(out, asked.roots)
    program = shutil.which(sys.argv[0])
    words = (program,) if program else (sys.executable, "-m", "drillkit")
    bucket = ""
    if not isinstance(place, Path):
        bucket = place.text if here else place.elsewhere
    return ScheduledDrill(
        drill=_known_as(name, asked),
        target=asked.target.name,
        times=times_of_drill(drill),
        limit=drill.limit,
        cleanup_limit=drill.cleanup_limit,
        wait=wait,
        jitter=jitter,
        program=tuple(os.path.abspath(word) if word == program else word for word in words),
        project=project.folder.resolve() if project is not None else Path.cwd(),
        reports=reports_folder(out, asked.roots).resolve(),
        bucket=bucket,
        state=home().resolve(),
        user=getpass.getuser(),
        home=Path.home(),
    )


def _known_as(name: str, asked: Asked) -> str:
    """The drill as it is found wherever its project is; a file that is in none, from anywhere."""
    if "/" not in name and not name.endswith((".yaml", ".yml")):
        return name
    found, project = asked.parsed.source.found, asked.roots.project
    if (
        found is not None
        and project is not None
        and project.drills.resolve() in found.path.resolve().parents
    ):
        return asked.parsed.name
    return str(Path(name).resolve())


def _files(
    form: str, job: ScheduledDrill, asked: Asked, image: str, namespace: str
) -> Mapping[str, str]:
    now = now_utc()
    if form == "cron":
        from drillkit.schedule.cron import crontab

        return {f"{job.name}.cron": crontab(job, now)}
    if form == "systemd":
        from drillkit.schedule.systemd import units

        return units(job, now)
    if form == "github":
        from drillkit.schedule.github import workflow

        return {f"{job.name}.yml": workflow(job, now)}
    from drillkit.schedule.kubernetes import manifests

    text = manifests(
        job,
        now,
        image=image,
        namespace=namespace,
        files={**project_files(asked), **_target_file(asked)},
        roles=_roles(job, asked, namespace),
    )
    return {f"{job.name}.yaml": text}


def _roles(job: ScheduledDrill, asked: Asked, namespace: str) -> str:
    """What the account of the CronJob is allowed, as YAML: what the drill needs on its target. A
    target that cannot be looked at from here is told of, there and here.
    """
    from drillkit.cli import resolve
    from drillkit.model.errors import DrillError
    from drillkit.plan.least_privilege import least_privilege
    from drillkit.plan.rbac import KINDS, Subject, rbac_yaml
    from drillkit.runner.dry_run import plan_of

    account = Subject(KINDS["serviceaccount"], job.name, namespace)
    by_hand = (
        f"drillkit permissions {job.drill} --target {job.target} "
        f"--to serviceaccount:{namespace}/{job.name}"
    )
    try:
        with resolve.standing_target(asked) as (standing, _):
            if standing.kubernetes is None:
                return ""
            names = resolve.new_run(asked.parsed.name)
            drill = asked.parsed.resolve(asked.sets, standing, names)
            found = least_privilege(
                plan_of(resolve.request_of(asked, drill, standing, names, None))
            )
    except DrillError as why:
        said = f"the roles of {job.name} are not here, since the target could not be looked at"
        click.secho(f"{said}: {why}\nadd them: {by_hand}", err=True, fg="yellow")
        return f"# {said[0].upper()}{said[1:]}: {by_hand}\n"
    for each in (*found.problems, *found.gaps):
        click.echo(f"drillkit: {each}", err=True)
    return rbac_yaml(found, account, job.name)


def _target_file(asked: Asked) -> Mapping[str, str]:
    """The targets as the pod sees them, where the target names a kubeconfig of this machine: in the
    pod it is its own account that leads to the cluster.
    """
    from drillkit.schedule.pod import in_pod, targets_yaml

    project, kubernetes = asked.roots.project, asked.target.kubernetes
    if project is None or kubernetes is None or not (kubernetes.kubeconfig or kubernetes.context):
        return {}
    return {project.project.targets: targets_yaml(in_pod(asked.target, own_token=True))}


def project_files(asked: Asked) -> Mapping[str, str]:
    """What of the project is written by hand: its marker, drills, targets, experiments, SLOs."""
    project = asked.roots.project
    if project is None:
        return {}
    found = {}
    for path in sorted(project.folder.rglob("*.y*ml")):
        if any(part.startswith(".") for part in path.relative_to(project.folder).parts):
            continue
        if project.folder / project.project.reports in path.parents:
            continue
        found[path.relative_to(project.folder).as_posix()] = path.read_text(encoding="utf-8")
    return found


def _gap(job: ScheduledDrill) -> None:
    skipped = job.times.in_gap(now_utc())
    if skipped is not None:
        click.secho(
            f"`{job.times.expression}` names an hour that the clocks of {job.times.zone.key} skip: "
            f"cron starts at {skipped:%Y-%m-%d %H:%M} then, systemd and Kubernetes may not. Prefer "
            "another hour",
            err=True,
            fg="yellow",
        )


def _write(folder: Path, files: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
        click.echo(f"written: {folder / name}")


def _span(text: str, option: str) -> timedelta:
    from drillkit.model.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error
