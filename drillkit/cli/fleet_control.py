"""Whoever works at a fleet: its controller, what signals mean to it, and who stops it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drillkit.cli.fleet_bucket import worker_of
from drillkit.cli.fleet_status import tell, write_report
from drillkit.model.errors import UsageError

if TYPE_CHECKING:
    from drillkit.clients.bucket import BucketUrl
    from drillkit.fleet.controller import FleetController, FleetWorker
    from drillkit.fleet.plan import FleetPlan
    from drillkit.fleet.store import FleetStore


def stop_all(worker: FleetWorker) -> bool:
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


def take_on(plan: FleetPlan, store: FleetStore, place: BucketUrl) -> int:
    """Be the fleet's controller, to its end. Raises Refused while another one is, CallError."""
    from drillkit.cli import resolve
    from drillkit.fleet.controller import FleetController
    from drillkit.fleet.rows import table_of
    from drillkit.runner.abort import signals_stop

    worker = worker_of(plan, store, place)
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
        table = table_of(state)
        write_report(table, store, place)
    tell(table)
    return table.exit_code


def _lost(controller: FleetController, why: str) -> None:
    click.secho(f"the fleet is another process's now: {why}", err=True, fg="yellow")
    controller.leave(why)


def refuse_forgotten(plan: FleetPlan) -> None:
    """Raises UsageError for a fleet that is so old that its Jobs are forgotten."""
    from drillkit.clock import SYSTEM_CLOCK
    from drillkit.schedule.pod import KEPT_S

    if SYSTEM_CLOCK.now() - plan.begun > KEPT_S:
        raise UsageError(
            f"fleet {plan.id} was begun more than a week ago: its clusters have forgotten its "
            "Jobs; begin a new one"
        )
