"""The target that a command without a drill works on."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from drillkit.clients import Clients
    from drillkit.clock import Clock
    from drillkit.model.target import Target

OPTION = click.option("--target", "-t", metavar="NAME", help="Where; see targets.yaml.")
YES = click.option("--yes", is_flag=True, help="Do it without asking.")


def typed() -> str:
    """What was typed behind `drillkit`, so that a line to type repeats all of it."""
    return shlex.join(sys.argv[1:])


def chosen_target(option: str | None) -> Target:
    """The chosen target; one that drillkit launches must be up already. Raises UsageError,
    SpecError.
    """
    from drillkit.model.errors import UsageError
    from drillkit.spec import choose_target, find_roots
    from drillkit.spec.running_target import up

    target = choose_target(typed(), find_roots(), option=option).target
    if (found := up(target)) is None:
        raise UsageError(f"target `{target.name}` is not up: {how_to_start(target)}")
    return found


def how_to_start(target: Target) -> str:
    """How a target that drillkit launches is brought up before a run."""
    if target.name == "sandbox":
        return "start it first: drillkit sandbox up"
    return (
        "only a run starts it; for a cluster that stays, use the target `sandbox` (drillkit "
        "sandbox up) or one with `kubernetes:`"
    )


def connected(target: Target, clock: Clock | None = None) -> Clients:
    """Connections to a target. They refuse (WrongTarget) to speak to any other cluster or account
    than the ones that it pins. `clock`: what their waits go by.
    """
    from drillkit.clients import Clients
    from drillkit.clock import Fence, SystemClock

    return Clients(target, clock or SystemClock(), Fence())


def confirm(target: Target, what: str, *, yes: bool) -> None:
    """Ask whoever is there; `--yes` never stands for a protected target's name.
    Raises UsageError.
    """
    from drillkit.model.errors import UsageError

    if target.protected:
        if not sys.stdin.isatty():
            raise UsageError(
                f"target `{target.name}` is protected: somebody must type its name to {what}"
            )
        if (
            click.prompt(f"`{target.name}` is protected. Type its name to {what}", err=True)
            != target.name
        ):
            raise UsageError("that is not its name; nothing was touched")
        return
    if yes or target.launch is not None:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"nobody can be asked here: add --yes to {what}")
    if not click.confirm(f"{what[0].upper()}{what[1:]}?", err=True):
        raise UsageError("not confirmed; nothing was touched")
