"""`keep` and `sweep`: what becomes of things that a run has made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drillkit.cli.targets import OPTION

if TYPE_CHECKING:
    from drillkit.runner.sweep import Swept


@click.command()
@click.argument("run")
@click.argument("resource")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of reports.")
def keep(run: str, resource: str, out: Path | None) -> int:
    """Hand a restored copy over, so that nothing removes it.

    RUN is a run's id, its folder or DRILL/latest; RESOURCE is what the report calls it, such as
    `namespace/dr-20261101-030000-x7k2`, or its name. The run's marks are taken off it, the journal
    says so, and drillkit never touches it again. While the run is at work it is left alone when the
    run cleans up.
    """
    from drillkit.cli.places import reports_folder
    from drillkit.clock import SystemClock
    from drillkit.journal.runs import find_run
    from drillkit.runner.keep import keep as keep_it
    from drillkit.runner.run_start import operator

    kept = keep_it(find_run(run, reports_folder(out)), resource, operator(), SystemClock())
    click.echo(f"{kept.resource}: {'kept' if kept.done else 'will be kept'}; {kept.detail}")
    return 0


@click.command()
@OPTION
@click.option("--yes", is_flag=True, help="Remove them; without it they are only listed.")
@click.option("--limit", default="15m", metavar="DURATION", help="Give up after this.")
def sweep(target: str | None, yes: bool, limit: str) -> int:
    """List what runs of any machine left behind and whose time is over; with --yes remove it.

    Only what carries both marks of a run and an expiry in the past (`drillkit.dev/expires`,
    `drillkit:expires`) is ever touched. Ends with 5 when something is still there, with 3 when
    something could not be looked at.
    """
    from drillkit.cli.targets import chosen_target, confirm, connected
    from drillkit.clock import SystemClock, utc
    from drillkit.model.units import format_duration, parse_duration
    from drillkit.runner.sweep import expired
    from drillkit.runner.sweep import sweep as sweep_it

    try:
        limit_s = parse_duration(limit).total_seconds()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--limit") from error
    chosen, clock = chosen_target("sweep", target), SystemClock()
    clients = connected(chosen)
    found, unread = expired(clients, clock)
    for why in unread:
        click.secho(f"not looked at: {why}", fg="red", err=True)
    if not found:
        click.echo(
            f"nothing at {chosen.name} has outlived its run"
            + (", as far as could be seen" if unread else "")
        )
        return 3 if unread else 0
    for each in found:
        late = format_duration(max(0.0, (utc(clock.now()) - each.expires).total_seconds()))
        click.echo(f"{each.resource}  of run {each.run}, expired {late} ago")
    if not yes:
        click.echo(
            f"{len(found)} in all; to remove them: drillkit sweep --target {chosen.name} --yes"
        )
        return 3 if unread else 0
    confirm(chosen, f"remove {len(found)} leftovers at {chosen.name}", yes=True)
    done = sweep_it(found, clients, clock, limit_s, _tell)
    left = [swept for swept in done if swept.undone is None]
    click.echo(f"{len(done) - len(left)} of {len(done)} are gone")
    return 5 if left else 3 if unread else 0


def _tell(swept: Swept) -> None:
    if swept.undone is None:
        click.secho(f"{swept.leftover.resource}: still there: {swept.why}", fg="red", err=True)
    else:
        said = swept.undone.outcome.replace("-", " ")
        click.echo(
            f"{swept.leftover.resource}: {said}"
            + (f" ({swept.undone.detail})" if swept.undone.detail else "")
        )
