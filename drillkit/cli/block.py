"""`block` and `unblock`: nobody starts anything on a target until that is lifted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from drillkit.cli.stoppable import Interruption
    from drillkit.clients import Clients

LOOKS, LOOK_S = 60, 0.5
"""How often, and after how many seconds each, it is looked whether the run has given way."""


@click.command()
@click.argument("target")
@click.argument("why")
def block(target: str, why: str) -> int:
    """Let nobody start anything on TARGET until `drillkit unblock`; a drill that runs there stops.

    With nothing but kubectl, while a drill runs: kubectl -n NAMESPACE annotate lease drillkit
    drillkit.dev/blocked=WHY
    """
    from drillkit.cli.stoppable import stoppable
    from drillkit.runner.run_start import operator

    clients, namespace = _place(target)
    said = f"{why} ({operator()})"
    afterwards = f"the block may go with the drill that ends: drillkit block {target} WHY, again"
    with stoppable("what was sent is waited for", afterwards) as stop:
        held = clients.kube.set_block(namespace, said)
        if held:
            click.echo(f"{target}: a drill runs there; it stops now")
            _stay(clients, namespace, said, stop)
    click.echo(f"{target} is blocked: {said}. To lift it: drillkit unblock {target}")
    return 0


@click.command()
@click.argument("target")
def unblock(target: str) -> int:
    """Let drills start on TARGET again."""
    clients, namespace = _place(target)
    why = clients.kube.block_of(namespace)
    clients.kube.set_block(namespace, None)
    click.echo(f"{target} is blocked no more ({why})" if why else f"{target} was not blocked")
    return 0


def _place(target: str) -> tuple[Clients, str]:
    """Connections, and the namespace of the lock. Raises UsageError."""
    from drillkit.cli.targets import chosen_target, connected
    from drillkit.model.errors import UsageError

    chosen = chosen_target(target)
    if chosen.kubernetes is None:
        raise UsageError(
            f"target `{target}` has no cluster, where a block is kept: take its credentials away "
            "instead"
        )
    return connected(chosen), chosen.kubernetes.namespace


def _stay(clients: Clients, namespace: str, why: str, stop: Interruption) -> None:
    """See to it that the block outlives the Lease of the run that ends now. Raises Skipped."""
    for _ in range(LOOKS):
        stop.clock.sleep(LOOK_S)
        if not clients.kube.set_block(namespace, why):
            return
    click.echo("the drill still cleans up; the block stays when it has ended", err=True)
