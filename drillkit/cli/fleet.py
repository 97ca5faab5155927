"""`fleet`: one drill on many targets, each as a Job in its own cluster, in waves."""

from __future__ import annotations

import click

from drillkit.cli.fleet_bucket import bucket_of, store_of, worker_of
from drillkit.cli.fleet_control import refuse_forgotten, stop_all, take_on
from drillkit.cli.fleet_plan import chosen_targets, confirmed, planned, show_waves
from drillkit.cli.fleet_status import refreshed, tell, tell_all, write_report
from drillkit.cli.options import OUT, YES, Out

_TARGETS = click.option(
    "--targets",
    multiple=True,
    metavar="PATTERN",
    help="Names of targets, such as 'prod-*'; may be given several times.",
)


@click.group()
def fleet() -> None:
    """Run one drill on many targets: a canary, then 10 %, then the rest.

    Each target's drill is a Kubernetes Job in the cluster that it tests (or in a hub's, see
    `drillkit docs unattended`), with credentials of its own. A violated or dirty target stops the
    fleet. What is known of it is in the bucket of its runs: any machine goes on with it.
    """


@fleet.command()
@click.argument("name", required=False)
@_TARGETS
@OUT
@YES
@click.option("--image", metavar="IMAGE", help="The image that holds drillkit.")
@click.option(
    "--waves",
    default="1,10%,100%",
    show_default=True,
    metavar="LIST",
    help="How many targets each wave has: numbers, or shares of all.",
)
@click.option("--canary", metavar="TARGET", help="Begins before all others.")
@click.option(
    "--at-once",
    type=click.IntRange(1, 500),
    default=10,
    show_default=True,
    help="So many run at the same time, and never two in one AWS account and region.",
)
@click.option("--dry-run", is_flag=True, help="Show the waves; touch nothing.")
@click.option(
    "--continue", "again", metavar="FLEET", help="Go on with a fleet whose controller has ended."
)
def run(
    name: str | None,
    targets: tuple[str, ...],
    out: Out,
    yes: bool,
    image: str | None,
    waves: str,
    canary: str | None,
    at_once: int,
    dry_run: bool,
    again: str | None,
) -> int:
    """Run a drill on all targets that match, wave by wave.

    The first Ctrl-C lets begin no more and waits for what runs; the second leaves at once. Jobs
    that run end by themselves either way: `drillkit fleet abort` stops them. Ends as a run does: 0
    all are met, 1 one is violated, 5 one is dirty, 4 nothing began anywhere, else 3.
    """
    from drillkit.model.errors import UsageError

    place = bucket_of(out)
    if again is not None:
        if name is not None or targets:
            raise UsageError("--continue takes drill and targets from the fleet as it was begun")
        store = store_of(place, again)
        plan = store.plan()
        refuse_forgotten(plan)
        return take_on(plan, store, place)
    if name is None or not targets or not image:
        raise UsageError("expected DRILL, --targets and --image; or --continue FLEET")
    asked, drill, chosen, known = chosen_targets(name, targets)
    plan = planned(asked, drill, chosen, known, place, image, waves, canary, at_once)
    show_waves(plan, chosen)
    if dry_run:
        return 0
    plan = confirmed(plan, chosen, " ".join(targets), yes=yes)
    store = store_of(place, plan.id)
    store.begin(plan)
    return take_on(plan, store, place)


@fleet.command()
@click.argument("name", required=False)
@OUT
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def status(name: str | None, out: Out, as_json: bool) -> int:
    """How a fleet stands, as the bucket knows it; without FLEET: of all fleets there, a line each.

    Ends as `fleet run` would now.
    """
    place = bucket_of(out)
    if name is None:
        return tell_all(place)
    store = store_of(place, name)
    table = refreshed(store.plan(), store, place)
    if as_json:
        from drillkit.report.fleet_page import fleet_json

        click.echo(fleet_json(table), nl=False)
        return table.exit_code
    writer = store.controller()
    at_work = f"{writer} is at work on it" if writer else "nobody is at work on it"
    click.echo(f"fleet {table.fleet}: {table.drill} from {place.place}; {at_work}")
    tell(table)
    unfinished = {"running", "waiting"} & table.sums.keys()
    if unfinished and not writer:
        click.echo(f"go on: drillkit fleet run --continue {table.fleet} --out '{place.text}'")
    return table.exit_code


@fleet.command()
@click.argument("name")
@OUT
@click.option("--why", default="no reason given", help="What the report says of it.")
def abort(name: str, out: Out, why: str) -> int:
    """Stop a fleet: nothing more begins, and each drill that runs is told to stop by SIGTERM. Waits
    until all are relieved; what does not answer is told. Ends with 5 then.
    """
    from drillkit.cli.stoppable import stoppable
    from drillkit.clock import SYSTEM_CLOCK
    from drillkit.fleet.store import FleetAbort
    from drillkit.runner.run_start import operator

    place = bucket_of(out)
    store = store_of(place, name)
    plan = store.plan()
    table = refreshed(plan, store, place)
    if not {"running", "waiting"} & table.sums.keys():
        click.echo(f"{name} has ended; there is nothing to stop")
        tell(table)
        return table.exit_code
    asked = store.ask_abort(FleetAbort(operator(), why, SYSTEM_CLOCK.now()))
    click.echo(f"nothing more of {name} begins: {asked.who} aborted it: {asked.why}", err=True)
    afterwards = f"to wait again: drillkit fleet abort {name} --out '{place.text}'"
    with stoppable("what was told to stop goes on stopping by itself", afterwards) as stop:
        silent = stop_all(worker_of(plan, store, place, stop.clock))
    table = refreshed(plan, store, place)
    write_report(table, store, place)
    tell(table)
    return 5 if silent else table.exit_code


@fleet.command()
@click.argument("name")
@OUT
@click.option(
    "--format",
    "form",
    type=click.Choice(["md", "html", "json"]),
    default="md",
    show_default=True,
    help="What is printed.",
)
def report(name: str, out: Out, form: str) -> int:
    """Read a fleet's runs again, write its report beside them and print it. Ends as the fleet."""
    place = bucket_of(out)
    store = store_of(place, name)
    table = refreshed(store.plan(), store, place)
    files = write_report(table, store, place)
    click.echo(files[f"fleet.{form}"].decode(), nl=False)
    return table.exit_code


@fleet.command()
@click.argument("name")
@_TARGETS
def accounts(name: str, targets: tuple[str, ...]) -> int:
    """Print the ServiceAccount of each target's Job with the least that the drill needs there, for
    `kubectl apply`. Looks at the targets; changes nothing.
    """
    from drillkit.cli.fleet_accounts import account_yaml
    from drillkit.model.errors import UsageError

    if not targets:
        raise UsageError("expected --targets, such as --targets 'prod-*'")
    asked, drill, chosen, _ = chosen_targets(name, targets)
    whole = True
    for target in chosen:
        text, found = account_yaml(asked, drill, target)
        click.echo(text, nl=False)
        if found is not None:
            for each in (*found.problems, *found.gaps):
                click.echo(f"drillkit: {target.name}: {each}", err=True)
            whole = whole and not found.problems
    return 0 if whole else 4
