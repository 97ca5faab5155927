"""`validate`: every mistake that can be told without a target."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from drillkit.model.drill import Drill
    from drillkit.spec.drills import Parsed
    from drillkit.spec.files import FoundFile
    from drillkit.spec.roots import Roots


@click.command()
@click.argument("names", nargs=-1)
def validate(names: tuple[str, ...]) -> int:
    """Check drills, experiments and targets; without NAMES, everything found from here.
    Touches nothing.
    """
    from drillkit.model.errors import DrillError
    from drillkit.spec import find, find_roots
    from drillkit.spec.files import unmarked

    roots = find_roots()
    if not names and (hidden := unmarked()):
        click.secho(f"wrong  {hidden}", fg="red", err=True)
        return 2
    wrong = 0
    for name in names or _everything(roots):
        try:
            notes = _check(find(name, roots), roots)
        except DrillError as error:
            wrong += 1
            _tell_wrong(name, error)
            continue
        click.echo(f"ok     {name}")
        for note in notes:
            click.echo(f"       note: {note}")
    if not names:
        wrong += _project(roots) + _targets(roots) + _slos(roots)
    return 2 if wrong else 0


def _everything(roots: Roots) -> list[str]:
    """The files that are somebody's own; only where there are none, those that ship."""
    from drillkit.spec import list_drills, list_experiments

    found = [*list_drills(roots), *list_experiments(roots)]
    own = [each for each in found if each.origin != "package"]
    if not own:
        click.echo("no drill of your own is found from here: what ships with drillkit is checked")
    return [str(each.path) for each in own or found]


def _project(roots: Roots) -> int:
    """Whom `drillkit.yaml` tells; what else stands there was bound when it was read."""
    if roots.project is None:
        return 0
    from drillkit.model.errors import SpecError
    from drillkit.spec.notify import project_mistakes

    mistakes = project_mistakes(roots)
    if mistakes:
        _tell_wrong("drillkit.yaml", SpecError(list(mistakes)))
    return 1 if mistakes else 0


def _targets(roots: Roots) -> int:
    from drillkit.model.errors import SpecError
    from drillkit.spec import all_targets

    try:
        all_targets(roots)
    except SpecError as error:
        _tell_wrong("targets", error)
        return 1
    click.echo("ok     targets")
    return 0


def _slos(roots: Roots) -> int:
    from drillkit.spec.files import folder_files

    if not any(folder_files(roots)):
        return 0
    from drillkit.spec.openslo import list_slos

    found, wrong = list_slos(roots)
    for error in wrong:
        _tell_wrong("SLOs", error)
    if found and not wrong:
        click.echo("ok     SLOs")
    for note in dict.fromkeys(note for each in found for note in each.notices):
        click.echo(f"       note: {note}")
    return len(wrong)


def _tell_wrong(name: str, error: Exception) -> None:
    click.secho(f"wrong  {name}", fg="red")
    for line in str(error).splitlines():
        click.echo(f"       {line}")


def _check(found: FoundFile, roots: Roots) -> tuple[str, ...]:
    """Check one file. Notes on what may keep it from working. Raises SpecError."""
    from drillkit.model.errors import SpecError
    from drillkit.spec import parse, source_of
    from drillkit.spec.experiments import check_experiment, experiment_finder, read_experiment
    from drillkit.spec.files import other_name

    if found.sort == "experiment":
        checked = check_experiment(read_experiment(found))
        if checked.mistakes:
            raise SpecError(list(checked.mistakes))
        return checked.notes

    parsed = parse(source_of(found, roots))
    drill = parsed.resolve()
    look = experiment_finder(parsed)
    notes = [text] if (text := other_name(found.path, parsed.name)) else []
    for step in drill.every_step:
        name = step.with_.get("experiment")
        if isinstance(name, str) and "${" not in name:
            checked = check_experiment(look(name))
            if checked.mistakes:
                raise SpecError(list(checked.mistakes))
            notes += checked.notes
    return (*notes, *_offline(parsed, drill))


def _offline(parsed: Parsed, drill: Drill) -> list[str]:
    """Notes of the kinds on their steps, as far as they are known by now. Raises SpecError."""
    from drillkit.cli.resolve import binder
    from drillkit.model.drill import Step
    from drillkit.spec.arguments import steps_in
    from drillkit.spec.document import Mistakes, lookup
    from drillkit.steps.base import kind_named

    mistakes, notes = Mistakes(), list[str]()
    bind = binder(parsed.source.label)
    for path, step in steps_in(drill):
        if not isinstance(step, Step):
            continue
        if "${" in json.dumps(step.with_, default=str):  # a target, a run or a step will tell
            continue
        found = kind_named(step.uses).offline(bind(step, None))
        at = (*path, "with")
        for what in found.problems:
            mistakes.add(lookup(parsed.tree, at), at, what)
        notes += [f"step `{step.name}`: {what}" for what in found.notes]
    mistakes.settle()
    return notes
