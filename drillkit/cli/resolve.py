"""From what was typed to a drill with a target: the part that run, plan, show and
validate share.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Drill, Step
from drillkit.model.errors import UsageError
from drillkit.model.target import Target

if TYPE_CHECKING:
    from drillkit.cli.options import Out
    from drillkit.model.evidence import Scalar
    from drillkit.notify import Receiver
    from drillkit.runner.request import Request
    from drillkit.spec.drills import Parsed
    from drillkit.spec.freezes import Freeze
    from drillkit.spec.openslo import FoundSlo
    from drillkit.spec.roots import Roots
    from drillkit.spec.targets import ChosenTarget
    from drillkit.steps.base import Experiment, RunNames


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed, read and found."""

    parsed: Parsed
    roots: Roots
    sets: Mapping[str, Any]
    chosen: ChosenTarget | None

    @property
    def target(self) -> Target:
        """The chosen target."""
        assert self.chosen is not None
        return self.chosen.target


def ask(
    name: str, sets: tuple[str, ...], var_files: tuple[Path, ...], target: str | None, *, need: bool
) -> Asked:
    """Find and parse a drill (or wrap an experiment) and choose its target. Raises
    SpecError, UsageError.

    `need`: without a target there is nothing to do.
    """
    from drillkit.cli.targets import typed
    from drillkit.spec import choose_target, find_roots, open_drill, parse, parse_sets

    roots = find_roots()
    given = parse_sets(sets, var_files)
    source = open_drill(name, roots, given)
    parsed = parse(source)
    chosen = None
    own = parsed.target_name(given)
    if need or target or own:
        chosen = choose_target(typed(), source.roots, option=target, own=own)
    return Asked(parsed, source.roots, given, chosen)


def kinds_of(parsed: Parsed) -> frozenset[str]:
    """Names of the kinds of a drill's steps."""
    from drillkit.spec.document import Text
    from drillkit.spec.drills import steps_of

    used = (node.get("uses") for _, node in steps_of(parsed.tree))
    return frozenset(uses.text for uses in used if isinstance(uses, Text))


def needs_of(parsed: Parsed) -> frozenset[str]:
    """What the kinds of a drill's steps need of a target: `kubernetes`, `aws`."""
    from drillkit.steps.base import kind_named

    return frozenset[str]().union(*(kind_named(kind).needs for kind in kinds_of(parsed)))


@contextmanager
def standing_target(asked: Asked) -> Iterator[tuple[Target, int | None]]:
    """The target with everything it needs running, and its process if drillkit started it."""
    from drillkit.runner.target_process import launched

    needs = needs_of(asked.parsed) - {"kubernetes"}
    if asked.target.launch is not None:
        from drillkit.runner.run_start import learn_secrets
        from drillkit.spec.experiments import experiment_finder

        drill = asked.parsed.resolve(asked.sets)
        # What is launched is handed no secret of the drill, so these are known before.
        learn_secrets(drill, experiment_finder(asked.parsed))
        needs |= {"prometheus"} if _wants_prometheus(asked, drill) else set()
    more = tuple(f"--{need}" for need in sorted(needs))
    with launched(asked.target, more) as found:
        yield found


def _wants_prometheus(asked: Asked, drill: Drill) -> bool:
    from drillkit.spec.mentions import mentions_alerts, mentions_slos

    if not mentions_slos(drill):
        return mentions_alerts(drill)
    from drillkit.spec.openslo import wants_prometheus

    return wants_prometheus(drill, asked.roots)


def slos_of(drill: Drill, roots: Roots) -> Mapping[str, FoundSlo]:
    """The objectives that a resolved drill refers to, by name. Raises SpecError, UsageError."""
    from drillkit.spec.mentions import mentions_slos

    if not mentions_slos(drill):
        return {}
    from drillkit.spec.openslo import slos_of

    return slos_of(drill, roots)


def freezes_of(drill: Drill, parsed: Parsed) -> Mapping[str, Freeze]:
    """The freezes of a drill's guards, by their text. Raises UsageError."""
    if all(guard.freeze is None for guard in drill.guards.start):
        return {}
    from drillkit.spec.freezes import freezes_of

    try:
        return freezes_of(drill, parsed.source.folder)
    except ValueError as error:  # it was sound when the drill was read
        raise UsageError(str(error)) from error


def binder(drill_label: str) -> Any:
    """A function that makes the arguments of a step's kind out of its `with`."""
    from drillkit.spec.arguments import bind_arguments
    from drillkit.spec.drills import output_references
    from drillkit.steps.base import kind_named

    def bind(step: Step, outputs: Mapping[str, Mapping[str, Scalar]] | None) -> object | None:
        if outputs is None and output_references(step.with_):
            return None
        where = f"{drill_label}: step `{step.name}`"
        return bind_arguments(kind_named(step.uses).Arguments, step.with_, where, outputs or {})

    return bind


def confirm(drill: Drill, target: Target, *, yes: bool) -> None:
    """Ask whoever is there; without a terminal `--yes` stands for it, but never for a protected
    target's name.

    Raises UsageError when nobody can be asked.
    """
    if target.protected:
        if not sys.stdin.isatty():
            if not yes or not drill.target:
                raise UsageError(
                    f"target `{target.name}` is protected: without a terminal it runs only drills "
                    f"that name it themselves (`target: {target.name}`) and with --yes"
                )
            return
        typed = click.prompt(
            f"`{target.name}` is protected. Type its name to run {drill.drill}", err=True
        )
        if typed != target.name:
            raise UsageError(f"`{typed}` is not `{target.name}`; nothing was touched")
        return
    if yes or target.launch is not None:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            f"nobody can be asked here: add --yes to run {drill.drill} against `{target.name}`"
        )
    if not click.confirm(f"Run {drill.drill} against `{target.name}`?", err=True):
        raise UsageError("not confirmed; nothing was touched")


def digests_of(
    drill: Drill,
    find_experiment: Any,
    slos: Mapping[str, FoundSlo],
    freezes: Mapping[str, Freeze],
) -> dict[str, str]:
    """SHA-256 of every file that takes part, by what it is."""

    found: dict[str, str] = {}
    for step in drill.every_step:
        name = step.with_.get("experiment")
        if isinstance(name, str):
            experiment: Experiment = find_experiment(name)
            found[f"experiment {experiment.name}"] = experiment.sha256
    if slos:
        from drillkit.spec.openslo import digests

        found |= digests(slos)
    if freezes:
        from drillkit.spec.freezes import digests_of

        found |= digests_of(freezes)
    return found


def without_secrets(target: Target) -> Target:
    """The target as the journal may hold it. Values are references already; URLs lose what stands
    before an `@`.
    """
    return replace(target, urls={name: _bare(url) for name, url in target.urls.items()})


def _bare(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def source_bytes(parsed: Parsed) -> bytes:
    """What was read, for its digest."""
    raw = parsed.source.raw
    return raw if isinstance(raw, bytes) else raw.encode()


def new_run(name: str) -> RunNames:
    """Names for a run that is about to begin."""
    from drillkit.runner.run_start import new_names

    return new_names(name)


def request_of(asked: Asked, drill: Drill, target: Target, names: RunNames, out: Out) -> Request:
    """What a run and a look ahead are made of: the drill with everything it refers to."""
    from drillkit.cli.runs import reports_folder
    from drillkit.runner.request import Request
    from drillkit.spec.experiments import experiment_finder

    find_experiment = experiment_finder(asked.parsed)
    slos = slos_of(drill, asked.roots)
    freezes = freezes_of(drill, asked.parsed)
    return Request(
        drill=drill,
        source=source_bytes(asked.parsed),
        target=without_secrets(target),
        names=names,
        reports=reports_folder(out, found=asked.parsed.source.found),
        bind=binder(asked.parsed.source.label),
        find_experiment=find_experiment,
        digests=digests_of(drill, find_experiment, slos, freezes),
        slos={name: found.slo for name, found in slos.items()},
        freezes=freezes,
        receivers=receivers_of(asked.roots, drill),
        report_url=_report_url(asked.roots),
    )


def receivers_of(roots: Roots, drill: Drill | None = None) -> tuple[Receiver, ...]:
    """Who is told what happens to drills, or to this one. From here on it is known that what they
    are reached by is secret. Raises SpecError.
    """
    project = roots.project
    given = (
        *(project.project.notify if project is not None else ()),
        *(drill.notify if drill is not None else ()),
    )
    if not given:
        return ()
    from drillkit.model.codec import to_data
    from drillkit.secrets import learn
    from drillkit.spec.notify import receivers_of

    learn(to_data(given))
    return receivers_of(roots, drill)


def _report_url(roots: Roots) -> str | None:
    return roots.project.project.report_url if roots.project is not None else None
