"""`watch`: the care of the first minutes after a change, judged like a drill that does nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from drillkit.cli.options import OUT, Out
from drillkit.cli.slo import server_target, with_target

if TYPE_CHECKING:
    from datetime import timedelta

    from drillkit.model.drill import Drill
    from drillkit.model.target import Target
    from drillkit.runner.request import Finished
    from drillkit.spec.openslo import FoundSlo


@click.command()
@click.argument("slos", nargs=-1, required=True, metavar="SLO...")
@click.option("--for", "length", default="15m", metavar="DURATION", help="How long. Default: 15m.")
@click.option(
    "--burn",
    default=1.0,
    metavar="NUMBER",
    help="Tolerated burn rate over all that time. Default: 1.",
)
@click.option(
    "--change",
    default="one made outside of drillkit",
    metavar="TEXT",
    help="What was changed, for the report, such as a version.",
)
@click.option(
    "--owner", default="", metavar="TEXT", help="Who answers for the change, for the report."
)
@with_target
@OUT
@click.option(
    "--json", "as_json", is_flag=True, help="Print every record as one JSON object a line."
)
def watch(
    slos: tuple[str, ...],
    length: str,
    burn: float,
    change: str,
    owner: str,
    target: str | None,
    prometheus: str | None,
    scrape: str | None,
    out: Out,
    as_json: bool,
) -> int:
    """Watch SLOs for a while, as after a rollout, and judge them like a drill without a fault.

    Ends early, with 1, when the error budget for that time is spent. 0: they held; 3: nobody could
    see it.
    """
    from drillkit.cli.slo import _duration, _find
    from drillkit.cli.summary import tell

    found = [_find(name) for name in slos]
    time = _duration(length, "--for")
    assert time is not None
    drill = _drill(found, time, burn, change, owner)
    standing, _ = server_target(target, prometheus, scrape)
    # Nothing is touched, so nothing is locked, and no cluster or account is looked at.
    standing = replace(standing, kubernetes=None, launch=None)
    return tell(_run(drill, found, standing, out, as_json), as_json=as_json)


def _drill(found: list[FoundSlo], length: timedelta, burn: float, change: str, owner: str) -> Drill:
    """The drill that only waits: each SLO may burn `burn` times its budget for that time, and must
    hold at the end.
    """
    from datetime import timedelta

    from drillkit.model.drill import Bounds, Drill, GateSet, Guard, Guards, Hypothesis, Step
    from drillkit.model.errors import UsageError
    from drillkit.model.slo import Probed
    from drillkit.model.units import Share, written_duration
    from drillkit.runner.run_start import operator

    for each in found:
        if isinstance(each.slo.sli, Probed):
            raise UsageError(
                f"SLO `{each.slo.name}` is seen by a probe of a drill; `watch` reads a "
                "metrics server"
            )
    shares = {each.slo.name: Share(min(1.0, burn * (length / each.slo.window))) for each in found}
    return Drill(
        drill="watch",
        owner=owner,
        description=f"{', '.join(shares)} for {written_duration(length)} after a change",
        limit=length + timedelta(minutes=10),
        settle=timedelta(minutes=2),
        hypothesis=Hypothesis(
            before=GateSet(slo=()),
            during={name: Bounds(budget=share) for name, share in shares.items()},
            after=GateSet(slo=tuple(shares)),
        ),
        guards=Guards(
            abort=tuple(Guard(budget=name, spent=share) for name, share in shares.items())
        ),
        steps=(
            Step(
                name="watch",
                uses="wait",
                with_={
                    "for": written_duration(length),
                    "change": change.replace("${", "$${"),
                    "by": operator().replace("${", "$${"),
                },
            ),
        ),
    )


def _run(drill: Drill, found: list[FoundSlo], target: Target, out: Out, as_json: bool) -> Finished:
    from drillkit.cli import resolve
    from drillkit.cli.progress import watcher
    from drillkit.cli.runs import reports_folder
    from drillkit.model.codec import to_data
    from drillkit.model.errors import UsageError
    from drillkit.runner.execute import execute
    from drillkit.runner.request import Request
    from drillkit.spec.openslo import digests
    from drillkit.steps.base import Experiment

    def no_experiment(name: str) -> Experiment:
        raise UsageError(f"watching runs no experiment such as {name}")

    slos = {each.slo.name: each for each in found}
    show = watcher(drill, as_json=as_json)
    try:
        return execute(
            Request(
                drill=drill,
                source=json.dumps(to_data(drill)).encode(),
                target=target,
                names=resolve.new_run("watch"),
                reports=reports_folder(out),
                bind=resolve.binder("watch"),
                find_experiment=no_experiment,
                digests=digests(slos),
                watch=show,
                slos={name: each.slo for name, each in slos.items()},
            )
        )
    finally:
        show.close()
