"""`validate`: every mistake that can be told without a target."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from drillkit.model.drill import Drill
    from drillkit.spec.drills import Parsed


@click.command()
@click.argument("names", nargs=-1)
def validate(names: tuple[str, ...]) -> int:
    """Check drills, experiments and targets; without NAMES, everything found from here.
    Touches nothing.
    """
    from drillkit.model.errors import DrillError
    from drillkit.spec import all_targets, find, find_roots, list_drills, list_experiments

    roots = find_roots()
    wrong = 0
    everything = [
        f for f in (*list_drills(roots), *list_experiments(roots)) if f.origin != "package"
    ]
    everything = everything or [*list_drills(roots), *list_experiments(roots)]
    for name in names or [str(f.path) for f in everything]:
        try:
            notes = _check(find(name, roots), roots)
        except DrillError as error:
            wrong += 1
            click.secho(f"wrong  {name}", fg="red")
            for line in str(error).splitlines():
                click.echo(f"       {line}")
            continue
        click.echo(f"ok     {name}")
        for note in notes:
            click.echo(f"       note: {note}")
    if not names:
        all_targets(roots)
        click.echo("ok     targets")
    return 2 if wrong else 0


def _check(found: Any, roots: Any) -> tuple[str, ...]:
    """Check one file. Notes on what may keep it from working. Raises SpecError."""
    from drillkit.model.errors import SpecError
    from drillkit.spec import parse, source_of
    from drillkit.spec.experiments import check_experiment, experiment_finder, read_experiment

    if found.sort == "experiment":
        checked = check_experiment(read_experiment(found))
        if checked.mistakes:
            raise SpecError(list(checked.mistakes))
        return checked.notes
    from drillkit.runner.run_start import each_step

    parsed = parse(source_of(found, roots))
    drill = parsed.resolve()
    look = experiment_finder(parsed)
    notes: list[str] = []
    for step, _ in each_step(drill):
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
    from drillkit.model.errors import Mistake, SpecError
    from drillkit.runner.run_start import each_step
    from drillkit.steps.base import kind_named

    mistakes, notes = [], list[str]()
    bind = binder(parsed.source.label)
    for step, _ in each_step(drill):
        if "${" in json.dumps(step.with_, default=str):  # a target, a run or a step will tell
            continue
        found = kind_named(step.uses).offline(bind(step, None))
        where = f"step `{step.name}`"
        mistakes += [Mistake(parsed.source.label, where, what) for what in found.problems]
        notes += [f"{where}: {what}" for what in found.notes]
    if mistakes:
        raise SpecError(mistakes)
    return notes
