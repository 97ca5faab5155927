"""`sweep`: what runs left behind, on whatever machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drillkit.cli.targets import OPTION

if TYPE_CHECKING:
    from drillkit.runner.sweep import Swept


@click.command()
@OPTION
@click.option("--yes", is_flag=True, help="Undo them; without it they are only listed.")
@click.option("--limit", default="15m", metavar="DURATION", help="Give up after this.")
def sweep(target: str | None, yes: bool, limit: str) -> int:
    """List what runs of any machine left behind and whose time is over; with --yes undo it.

    Only what carries both marks of a run and an expiry in the past (`drillkit.dev/expires`,
    `drillkit:expires`) is ever removed, and only the fields that a run marked on an object
    (`drillkit.dev/undo-...`) and that still hold its value are ever put back. Ends with 5 when
    something is still there, with 3 when something could not be looked at.
    """
    from drillkit.cli.stoppable import stoppable
    from drillkit.cli.targets import chosen_target, confirm, connected
    from drillkit.clock import SystemClock, utc
    from drillkit.model.units import format_duration, parse_duration
    from drillkit.runner.sweep import expired
    from drillkit.runner.sweep import sweep as sweep_it

    try:
        limit_s = parse_duration(limit).total_seconds()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--limit") from error
    chosen, clock = chosen_target(target), SystemClock()
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
            f"{len(found)} in all; to undo them: drillkit sweep --target {chosen.name} --yes"
        )
        return 3 if unread else 0
    confirm(chosen, f"undo {len(found)} leftovers at {chosen.name}", yes=True)
    meaning = "what was asked for is waited for no more, the rest is not begun"
    with stoppable(meaning, "see above") as stop:
        done = sweep_it(found, clients, clock, limit_s, _tell, stop.asked)
    left = [swept for swept in done if swept.undone is None]
    click.echo(f"{len(done) - len(left)} of {len(done)} are undone")
    if left:
        return 5
    return 3 if unread else 0


def _tell(swept: Swept) -> None:
    if swept.undone is None:
        click.secho(f"{swept.leftover.resource}: still there: {swept.why}", fg="red", err=True)
    else:
        said = swept.undone.outcome.replace("-", " ")
        click.echo(
            f"{swept.leftover.resource}: {said}"
            + (f" ({swept.undone.detail})" if swept.undone.detail else "")
        )
