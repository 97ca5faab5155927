"""What a fleet is begun with: drill, targets and waves, shown and confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drillkit.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from drillkit.cli.resolve import Asked
    from drillkit.clients.bucket import BucketUrl
    from drillkit.fleet.plan import FleetPlan
    from drillkit.model.drill import Drill
    from drillkit.model.target import Target


def chosen_targets(
    name: str, patterns: Sequence[str]
) -> tuple[Asked, Drill, list[Target], Mapping[str, Target]]:
    """The drill, the targets that match, and all that are known. Raises UsageError, SpecError."""
    from drillkit.cli import resolve
    from drillkit.fleet.plan import complaints, matching
    from drillkit.spec.targets import all_targets

    asked = resolve.ask(name, (), (), None, need=False)
    drill = asked.parsed.resolve(asked.sets)
    known = {key: target for key, (target, _) in all_targets(asked.roots).items()}
    words = [word.strip() for pattern in patterns for word in pattern.split(",")]
    chosen = matching(words, known)
    wrong = list(complaints(drill.drill, chosen, known))
    if wrong:
        raise UsageError("these targets are no fleet:\n" + "\n".join(f"  {each}" for each in wrong))
    return asked, drill, chosen, known


def planned(
    asked: Asked,
    drill: Drill,
    chosen: Sequence[Target],
    known: Mapping[str, Target],
    place: BucketUrl,
    image: str,
    waves: str,
    canary: str | None,
    at_once: int,
) -> FleetPlan:
    import hashlib

    from drillkit.cli import resolve
    from drillkit.clock import SYSTEM_CLOCK
    from drillkit.fleet.plan import FORMAT, FleetPlan, members_of
    from drillkit.runner.run_start import operator
    from drillkit.schedule.job import longest_s, stop_s
    from drillkit.schedule.pod import files_fit

    files, targets_file = _project(asked)
    try:
        files_fit(files.items())
    except ValueError as error:
        raise UsageError(str(error)) from error
    hubs = {each.fleet.hub for each in chosen if each.fleet.hub is not None}
    taken = {each.name: each for each in chosen} | {name: known[name] for name in hubs}
    return FleetPlan(
        format=FORMAT,
        id=resolve.new_run(drill.drill).id,
        drill=_known_as(asked),
        folder=drill.drill,
        sha256=hashlib.sha256(resolve.source_bytes(asked.parsed)).hexdigest(),
        operator=operator(),
        begun=SYSTEM_CLOCK.now(),
        image=image,
        place=place.elsewhere,
        at_once=at_once,
        longest_s=longest_s(drill.limit, drill.cleanup_limit),
        stop_s=stop_s(drill.cleanup_limit),
        members=members_of(chosen, waves, canary),
        targets={key: resolve.without_secrets(target) for key, target in taken.items()},
        files=files,
        targets_file=targets_file,
    )


def _known_as(asked: Asked) -> str:
    """The drill as it is found in a pod. Raises UsageError for one that is not there."""
    found, project = asked.parsed.source.found, asked.roots.project
    if found is None or found.origin == "package":
        return asked.parsed.source.label if found is None else found.name
    if project is not None and project.drills.resolve() in found.path.resolve().parents:
        return found.name
    raise UsageError(
        f"{found.path}: a fleet runs drills of the project that it is called in, or those that "
        "come with drillkit; put it into the project's folder of drills"
    )


def _project(asked: Asked) -> tuple[dict[str, str], str]:
    """The project's files without its targets, and where the targets are in it."""
    from drillkit.cli.schedule import project_files

    project = asked.roots.project
    if project is None:
        return {"drillkit.yaml": "{}\n"}, "drills/targets.yaml"
    targets = project.project.targets
    files = dict(project_files(asked))
    files.pop(targets, None)
    return files, targets


def show_waves(plan: FleetPlan, chosen: Sequence[Target]) -> None:
    from drillkit.fleet.plan import remarks

    count = max(member.wave for member in plan.members) + 1
    click.echo(
        f"{plan.folder} on {len(plan.members)} targets in {count} waves, at most {plan.at_once} at "
        "once",
        err=True,
    )
    for wave in range(count):
        names = [member.target for member in plan.members if member.wave == wave]
        click.echo(f"  wave {wave + 1}: {', '.join(names)}", err=True)
    for each in remarks(chosen):
        click.secho(each, err=True, fg="yellow")


def confirmed(plan: FleetPlan, chosen: Iterable[Target], typed: str, *, yes: bool) -> FleetPlan:
    """Ask whoever is there; `--yes` never stands for protected targets. Raises UsageError."""
    import sys
    from dataclasses import replace

    protected = [target.name for target in chosen if target.protected]
    what = f"run {plan.folder} on {len(plan.members)} targets"
    if protected:
        if not sys.stdin.isatty():
            raise UsageError(
                f"{len(protected)} of these targets are protected ({protected[0]}, ...): somebody "
                "must type the pattern of the targets, at a terminal"
            )
        said = click.prompt(f"{len(protected)} are protected. Type `{typed}` to {what}", err=True)
        if said != typed:
            raise UsageError(f"`{said}` is not `{typed}`; nothing was touched")
        return replace(plan, confirmed=tuple(protected))
    if yes:
        return plan
    if not sys.stdin.isatty():
        raise UsageError(f"nobody can be asked here: add --yes to {what}")
    if not click.confirm(f"{what[0].upper()}{what[1:]}?", err=True):
        raise UsageError("not confirmed; nothing was touched")
    return plan
