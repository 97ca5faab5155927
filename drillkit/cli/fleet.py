"""`fleet`: one drill on many targets, each as a Job in its own cluster, in waves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drillkit.cli.options import OUT, YES, Out

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from drillkit.cli.resolve import Asked
    from drillkit.clients.bucket import BucketUrl
    from drillkit.clock import Clock
    from drillkit.fleet.controller import FleetController, FleetState, FleetWorker
    from drillkit.fleet.plan import FleetPlan
    from drillkit.fleet.rows import FleetTable
    from drillkit.fleet.store import FleetStore
    from drillkit.model.drill import Drill
    from drillkit.model.target import Target

_TARGETS = click.option(
    "--targets",
    multiple=True,
    metavar="PATTERN",
    help="Names of targets, such as 'prod-*'; may be given several times.",
)
_WIDTH = 110


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

    place = _bucket(out)
    if again is not None:
        if name is not None or targets:
            raise UsageError("--continue takes drill and targets from the fleet as it was begun")
        store = _store(place, again)
        plan = store.plan()
        _still_there(plan)
        return _take_on(plan, store, place)
    if name is None or not targets or not image:
        raise UsageError("expected DRILL, --targets and --image; or --continue FLEET")
    asked, drill, chosen, known = _chosen(name, targets)
    plan = _planned(asked, drill, chosen, known, place, image, waves, canary, at_once)
    _show(plan, chosen)
    if dry_run:
        return 0
    plan = _confirmed(plan, chosen, " ".join(targets), yes=yes)
    store = _store(place, plan.id)
    store.begin(plan)
    return _take_on(plan, store, place)


@fleet.command()
@click.argument("name", required=False)
@OUT
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def status(name: str | None, out: Out, as_json: bool) -> int:
    """How a fleet stands, as the bucket knows it; without FLEET: of all fleets there, a line each.

    Ends as `fleet run` would now.
    """
    place = _bucket(out)
    if name is None:
        return _list(place)
    store = _store(place, name)
    table = _refreshed(store.plan(), store, place)
    if as_json:
        from drillkit.report.fleet_page import fleet_json

        click.echo(fleet_json(table), nl=False)
        return table.exit_code
    writer = store.controller()
    at_work = f"{writer} is at work on it" if writer else "nobody is at work on it"
    click.echo(f"fleet {table.fleet}: {table.drill} from {place.place}; {at_work}")
    _tell(table)
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

    place = _bucket(out)
    store = _store(place, name)
    plan = store.plan()
    table = _refreshed(plan, store, place)
    if not {"running", "waiting"} & table.sums.keys():
        click.echo(f"{name} has ended; there is nothing to stop")
        _tell(table)
        return table.exit_code
    asked = store.ask_abort(FleetAbort(operator(), why, SYSTEM_CLOCK.now()))
    click.echo(f"nothing more of {name} begins: {asked.who} aborted it: {asked.why}", err=True)
    afterwards = f"to wait again: drillkit fleet abort {name} --out '{place.text}'"
    with stoppable("what was told to stop goes on stopping by itself", afterwards) as stop:
        silent = _stop_all(_worker(plan, store, place, stop.clock))
    table = _refreshed(plan, store, place)
    _write(table, store, place)
    _tell(table)
    return 5 if silent else table.exit_code


def _stop_all(worker: FleetWorker) -> bool:
    """Stop whatever runs and tell what comes of it; whether something did not answer."""
    from concurrent.futures import ThreadPoolExecutor

    state, silent = worker.state(), False
    try:
        with ThreadPoolExecutor(16) as several:
            for target in state.running:
                click.echo(f"{target}: told to stop", err=True)
            stopped = several.map(worker.stop, [state.submitted[each] for each in state.running])
            for target, (outcome, trouble) in zip(state.running, stopped, strict=True):
                if outcome is None:
                    silent = True
                    click.secho(f"{target}: did not answer: {trouble}", err=True, fg="red")
                else:
                    click.echo(f"{target}: {outcome.result}: {outcome.why}", err=True)
    finally:
        worker.close()
    return silent


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
    place = _bucket(out)
    store = _store(place, name)
    table = _refreshed(store.plan(), store, place)
    files = _write(table, store, place)
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
    asked, drill, chosen, _ = _chosen(name, targets)
    whole = True
    for target in chosen:
        text, found = account_yaml(asked, drill, target)
        click.echo(text, nl=False)
        if found is not None:
            for each in (*found.problems, *found.gaps):
                click.echo(f"drillkit: {target.name}: {each}", err=True)
            whole = whole and not found.problems
    return 0 if whole else 4


# -- what was typed --------------------------------------------------------------------------------


def _bucket(out: Out) -> BucketUrl:
    """`--out`, or where the project's runs are. Raises UsageError for a folder."""
    from drillkit.cli.places import place_of
    from drillkit.model.errors import UsageError

    place = place_of(out)
    if isinstance(place, Path):
        raise UsageError(
            "expected --out s3://BUCKET/PREFIX: what is known of a fleet lives beside its runs, "
            "where every Job and every machine can reach it"
        )
    return place


def _chosen(
    name: str, patterns: Sequence[str]
) -> tuple[Asked, Drill, list[Target], Mapping[str, Target]]:
    """The drill, the targets that match, and all that are known. Raises UsageError, SpecError."""
    from drillkit.cli import resolve
    from drillkit.fleet.plan import complaints, matching
    from drillkit.model.errors import UsageError
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


def _planned(
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
        raise _usage(str(error)) from error
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
    raise _usage(
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


def _show(plan: FleetPlan, chosen: Sequence[Target]) -> None:
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


def _confirmed(plan: FleetPlan, chosen: Iterable[Target], typed: str, *, yes: bool) -> FleetPlan:
    """Ask whoever is there; `--yes` never stands for protected targets. Raises UsageError."""
    import sys
    from dataclasses import replace

    protected = [target.name for target in chosen if target.protected]
    what = f"run {plan.folder} on {len(plan.members)} targets"
    if protected:
        if not sys.stdin.isatty():
            raise _usage(
                f"{len(protected)} of these targets are protected ({protected[0]}, ...): somebody "
                "must type the pattern of the targets, at a terminal"
            )
        said = click.prompt(f"{len(protected)} are protected. Type `{typed}` to {what}", err=True)
        if said != typed:
            raise _usage(f"`{said}` is not `{typed}`; nothing was touched")
        return replace(plan, confirmed=tuple(protected))
    if yes:
        return plan
    if not sys.stdin.isatty():
        raise _usage(f"nobody can be asked here: add --yes to {what}")
    if not click.confirm(f"{what[0].upper()}{what[1:]}?", err=True):
        raise _usage("not confirmed; nothing was touched")
    return plan


def _usage(text: str) -> Exception:
    from drillkit.model.errors import UsageError

    return UsageError(text)


# -- at work ---------------------------------------------------------------------------------------


def _store(place: BucketUrl, name: str) -> FleetStore:
    from drillkit.clients.bucket import Bucket
    from drillkit.clock import SYSTEM_CLOCK
    from drillkit.fleet.store import FleetStore

    return FleetStore(Bucket(place), SYSTEM_CLOCK, name)


def _worker(
    plan: FleetPlan, store: FleetStore, place: BucketUrl, clock: Clock | None = None
) -> FleetWorker:
    """`clock`: what its waits go by."""
    from drillkit.clients.bucket import Bucket, copy_of
    from drillkit.clock import SYSTEM_CLOCK
    from drillkit.fleet.controller import FleetWorker
    from drillkit.journal.copy import LocalCopy

    copy = LocalCopy(copy_of(place), Bucket(place), SYSTEM_CLOCK)
    return FleetWorker(
        plan, store, copy, clock or SYSTEM_CLOCK, lambda text: click.echo(text, err=True)
    )


class _FleetSignals:
    """What a signal means to the controller of a fleet."""

    def __init__(self, controller: FleetController, going_on: str) -> None:
        self._controller, self._going_on = controller, going_on
        self._asked = 0

    def on_signal(self, name: str) -> None:
        """A first Ctrl-C waits for what runs; whatever else comes does not."""
        self._asked += 1
        if name == "SIGINT" and self._asked == 1:
            click.echo(
                "Ctrl-C: nothing more begins; what runs is waited for. Once more to leave it to "
                f"itself. {self._going_on}",
                err=True,
            )
            self._controller.begin_no_more(name)
            return
        click.echo(f"{name}: what runs ends by itself. {self._going_on}", err=True)
        self._controller.leave(name)


def _take_on(plan: FleetPlan, store: FleetStore, place: BucketUrl) -> int:
    """Be the fleet's controller, to its end. Raises Refused while another one is, CallError."""
    from drillkit.cli import resolve
    from drillkit.fleet.controller import FleetController
    from drillkit.runner.abort import signals_stop

    worker = _worker(plan, store, place)
    controller = FleetController(worker, lambda: resolve.new_run(plan.folder).id)
    where = f"{plan.id} --out '{place.text}'"
    going_on = (
        f"Stop it: drillkit fleet abort {where}; go on: drillkit fleet run --continue {where}"
    )
    click.echo(f"fleet {plan.id} in {store.place}. {going_on}", err=True)
    with store.at_work(lambda why: _lost(controller, why)):
        try:
            with signals_stop(_FleetSignals(controller, going_on)):
                state = controller.run()
        finally:
            worker.close()
        table = _of_state(state)
        _write(table, store, place)
    _tell(table)
    return table.exit_code


def _lost(controller: FleetController, why: str) -> None:
    click.secho(f"the fleet is another process's now: {why}", err=True, fg="yellow")
    controller.leave(why)


def _still_there(plan: FleetPlan) -> None:
    """Raises UsageError for a fleet that is so old that its Jobs are forgotten."""
    from drillkit.clock import SYSTEM_CLOCK
    from drillkit.schedule.pod import KEPT_S

    if SYSTEM_CLOCK.now() - plan.begun > KEPT_S:
        raise _usage(
            f"fleet {plan.id} was begun more than a week ago: its clusters have forgotten its "
            "Jobs; begin a new one"
        )


# -- what is told ----------------------------------------------------------------------------------


def _of_state(state: FleetState) -> FleetTable:
    from drillkit.fleet.rows import table_of

    return table_of(state)


def _refreshed(plan: FleetPlan, store: FleetStore, place: BucketUrl) -> FleetTable:
    """The fleet as it is now: what was left somewhere may have been cleaned up since."""
    from dataclasses import replace

    worker = _worker(plan, store, place)
    state = worker.state()
    outcomes = {
        name: worker.read_run(state.submitted[name])
        if each.result == "dirty" and name in state.submitted
        else each
        for name, each in state.outcomes.items()
    }
    return _of_state(replace(state, outcomes=outcomes))


def _write(table: FleetTable, store: FleetStore, place: BucketUrl) -> dict[str, bytes]:
    """Put the report beside the fleet, there and in the copy here."""
    from drillkit.clients.bucket import copy_of
    from drillkit.journal.files import make_folder, write_file
    from drillkit.report.fleet_page import fleet_files
    from drillkit.spec.files import find_roots

    project = find_roots().project
    files = fleet_files(table, project.project.report_url if project is not None else None)
    folder = copy_of(place) / store.root
    make_folder(folder)
    for name, content in files.items():
        write_file(folder / name, content)
        store.write(name, content)
    click.echo(f"report: {folder / 'fleet.html'}, {store.place}/fleet.html", err=True)
    return files


_COLORS: Mapping[str, str] = {
    "met": "green",
    "violated": "red",
    "dirty": "red",
    "unknown": "yellow",
    "refused": "yellow",
    "not run": "yellow",
}


def _tell(table: FleetTable) -> None:
    for row in table.rows:
        why = row.why if len(row.why) <= _WIDTH else f"{row.why[: _WIDTH - 1]}…"
        click.echo(f"  wave {row.wave}  {row.target:24} ", nl=False)
        click.secho(f"{row.standing:9}", nl=False, fg=_COLORS.get(row.standing))
        click.echo(f" {why}")
    click.echo(table.headline + (f"; nothing more begins: {table.halted}" if table.halted else ""))


def _list(place: BucketUrl) -> int:
    from drillkit.clients.bucket import Bucket
    from drillkit.clock import SYSTEM_CLOCK
    from drillkit.fleet.store import fleets_in

    names = fleets_in(Bucket(place), SYSTEM_CLOCK)
    if not names:
        click.echo(f"no fleet was begun in {place.place}")
    for name in names:
        store = _store(place, name)
        table = _of_state(_worker(store.plan(), store, place).state())
        click.echo(f"{name}  {table.drill}  {table.headline}")
    return 0
