"""Commands that look, and the one that writes a first drill: none of them touches a target."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from drillkit.model.drill import Drill
    from drillkit.spec.drills import Parsed


@click.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def list_(as_json: bool) -> None:
    """Drills, experiments and targets that are found from this folder, and where each
    comes from.
    """
    from drillkit.spec import all_targets, find_roots, list_drills, list_experiments
    from drillkit.spec.files import shown

    roots = find_roots()
    rows: dict[str, list[tuple[str, str, Path]]] = {
        "drills": [(f.name, f.origin, f.path) for f in list_drills(roots)],
        "experiments": [(f.name, f.origin, f.path) for f in list_experiments(roots)],
        "targets": [(name, "", file) for name, (_, file) in sorted(all_targets(roots).items())],
    }
    if as_json:
        click.echo(
            json.dumps(
                {k: [{"name": n, "path": str(p)} for n, _, p in v] for k, v in rows.items()},
                indent=2,
            )
        )
        return
    for title, found in rows.items():
        click.secho(title, bold=True)
        width = max((len(name) for name, _, _ in found), default=0)
        for name, origin, path in found:
            click.echo(
                f"  {name:{width}}  {shown(path)}" + (f" ({origin})" if origin == "package" else "")
            )


@click.command()
@click.argument("name")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Give a variable a value.")
@click.option(
    "--var-file",
    "var_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="YAML of variables.",
)
@click.option("--target", "-t", metavar="NAME", help="Put this target's values in.")
def show(name: str, sets: tuple[str, ...], var_files: tuple[Path, ...], target: str | None) -> None:
    """A drill as it resolves, with variables put in and defaults left out, as YAML."""
    import yaml

    from drillkit.cli.compose import ask
    from drillkit.spec.writing import as_written

    asked = ask(name, sets, var_files, target, need=False)
    # A target that is started for a run has no addresses yet: its references stay as they are.
    known = asked.target if asked.chosen is not None and asked.target.launch is None else None
    drill = asked.parsed.resolve(asked.sets, known)
    click.echo(
        f"# {asked.parsed.source.label}" + (f", target {asked.chosen}" if asked.chosen else "")
    )
    click.echo(
        yaml.safe_dump(as_written(drill), sort_keys=False, allow_unicode=True, width=120), nl=False
    )


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
    from drillkit.cli.compose import binder
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


@click.command()
@click.argument("name", required=False)
@click.option("--markdown", is_flag=True, help="As Markdown, all of them.")
def kinds(name: str | None, markdown: bool) -> None:
    """Reference of the step kinds: what each does, what it takes, whom it disturbs."""
    from drillkit.spec.reference import as_markdown, as_text, kind_reference, kind_references

    if name is not None:
        click.echo(as_text(kind_reference(name)))
    elif markdown:
        click.echo(as_markdown(kind_references()), nl=False)
    else:
        found = kind_references()
        width = max(len(kind.name) for kind in found)
        for kind in found:
            click.echo(f"{kind.name:{width}}  {kind.summary}")


@click.command()
@click.argument("what", type=click.Choice(["drill", "targets", "project"]), default="drill")
def schema(what: str) -> None:
    """JSON Schema of a drill (or of targets.yaml, drillkit.yaml), so that editors complete and
    check it.
    """
    from drillkit.spec.schema import drill_schema, project_schema, targets_schema

    made = {"drill": drill_schema, "targets": targets_schema, "project": project_schema}[what]()
    click.echo(json.dumps(made, indent=2))


@click.command()
@click.argument("name", default="first")
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), default=Path("."), help="Where."
)
def init(name: str, folder: Path) -> None:
    """Write a commented first drill and what a project needs; existing files stay as they are."""
    from drillkit.spec.files import shown
    from drillkit.spec.init import write_first

    for path in write_first(folder, name):
        click.echo(f"wrote {shown(path.resolve())}")
    click.echo(f"next: drillkit run {name} --target sandbox")


@click.command()
def version() -> None:
    """Versions of drillkit and of what it drives."""
    from drillkit.runner.run_start import versions

    for name, number in versions().items():
        click.echo(f"{name} {number}")
