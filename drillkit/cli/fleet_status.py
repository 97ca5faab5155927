"""How a fleet stands: as it is read again, told at the terminal and written beside its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drillkit.cli.fleet_bucket import store_of, worker_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drillkit.clients.bucket import BucketUrl
    from drillkit.fleet.plan import FleetPlan
    from drillkit.fleet.rows import FleetTable
    from drillkit.fleet.store import FleetStore

_WIDTH = 110


def refreshed(plan: FleetPlan, store: FleetStore, place: BucketUrl) -> FleetTable:
    """The fleet as it is now: what was left somewhere may have been cleaned up since."""
    from dataclasses import replace

    from drillkit.fleet.rows import table_of

    worker = worker_of(plan, store, place)
    state = worker.state()
    outcomes = {
        name: worker.read_run(state.submitted[name])
        if each.result == "dirty" and name in state.submitted
        else each
        for name, each in state.outcomes.items()
    }
    return table_of(replace(state, outcomes=outcomes))


def write_report(table: FleetTable, store: FleetStore, place: BucketUrl) -> dict[str, bytes]:
    """Put the report beside the fleet, there and in the copy here."""
    from drillkit.clients.bucket import copy_of
    from drillkit.journal.files import make_folder, write_file
    from drillkit.report.fleet_page import fleet_files
    from drillkit.spec.roots import find_roots

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


def tell(table: FleetTable) -> None:
    """A line for each target, and what it comes to."""
    for row in table.rows:
        why = row.why if len(row.why) <= _WIDTH else f"{row.why[: _WIDTH - 1]}…"
        click.echo(f"  wave {row.wave}  {row.target:24} ", nl=False)
        click.secho(f"{row.standing:9}", nl=False, fg=_COLORS.get(row.standing))
        click.echo(f" {why}")
    click.echo(table.headline + (f"; nothing more begins: {table.halted}" if table.halted else ""))


def tell_all(place: BucketUrl) -> int:
    """A line for each fleet of the bucket; the exit code."""
    from drillkit.clients.bucket import Bucket
    from drillkit.clock import SYSTEM_CLOCK
    from drillkit.fleet.rows import table_of
    from drillkit.fleet.store import fleets_in

    names = fleets_in(Bucket(place), SYSTEM_CLOCK)
    if not names:
        click.echo(f"no fleet was begun in {place.place}")
    for name in names:
        store = store_of(place, name)
        table = table_of(worker_of(store.plan(), store, place).state())
        click.echo(f"{name}  {table.drill}  {table.headline}")
    return 0
