"""`notify`: who is told what happens to drills, and whether they hear it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drillkit.clock import now_utc
from drillkit.model.notice import EVENTS, Event, Notice, Number
from drillkit.model.verdict import Holds

if TYPE_CHECKING:
    from drillkit.notify import Receiver

_SAMPLES: dict[Event, str] = {
    "planned": "It starts tomorrow at 03:00.",
    "started": "It starts now, 3 steps.",
    "held": "It waits for another run on the target.",
    "aborted": "Stopped (operator): customers call. Everything is being undone.",
    "needs-person": "An earlier run left something that could not be cleaned up.",
    "met": "met: 7 of 2,400 requests lost (bound 20)",
    "violated": "violated: 41 of 2,400 requests lost (bound 20)",
    "unknown": "unknown: the metrics server gave no answer",
    "refused": "refused: an alert fires",
    "dirty": "dirty: 1 effect could not be undone",
    "overdue": "It is overdue since 2026-11-01.",
}


@click.group()
def notify() -> None:
    """Who is told what happens to drills (`notify:` in drillkit.yaml or a drill)."""


@notify.command(name="list")
@click.argument("drill", required=False)
def list_(drill: str | None) -> int:
    """Who is told what: the project's receivers, and those of DRILL."""
    receivers = _receivers(drill)
    if not receivers:
        click.echo("nobody is told: put `notify:` into drillkit.yaml or a drill")
    for receiver in receivers:
        events = ", ".join(event for event in EVENTS if event in receiver.events)
        click.echo(f"{receiver.label}: {events}")
    return 0


@notify.command()
@click.argument("drill", required=False)
@click.option(
    "--event",
    type=click.Choice(EVENTS),
    help="Which kind of message. Default: one that wakes nobody up.",
)
def test(drill: str | None, event: Event | None) -> int:
    """Send a sample to each receiver of the project, and of DRILL.

    Ends with 1 when one did not arrive, with 2 when nobody is told.
    """
    from drillkit.model.errors import UsageError
    from drillkit.notify import deliver

    receivers = [r for r in _receivers(drill) if event is None or event in r.events]
    if not receivers:
        raise UsageError(
            "nobody is told: put `notify:` into drillkit.yaml or a drill"
            if event is None
            else f"nobody is told `{event}`: put it into `events` of an entry of `notify`"
        )
    failed = 0
    for receiver in receivers:
        sent = event or _quietest(receiver)
        why = deliver(receiver, sample(sent, drill or "sample"))
        failed += bool(why)
        click.secho(
            f"{receiver.label}: `{sent}` {'did not arrive: ' + why if why else 'sent'}",
            fg="red" if why else "green",
        )
    return 1 if failed else 0


def _quietest(receiver: Receiver) -> Event:
    """What wakes nobody up, where there is such a thing."""
    calm: tuple[Event, ...] = ("met", "started", "planned", "violated", "unknown", "refused")
    wanted: tuple[Event, ...] = (*calm, *EVENTS)
    return next(event for event in wanted if event in receiver.events)


def sample(event: Event, drill: str) -> Notice:
    """A message that says that it is none."""
    bound = Number("web during the steps: failed requests", "7", "at most 20", Holds.MET)
    return Notice(
        event=event,
        drill=drill,
        target="sample",
        headline=f"A sample, nothing happened. {_SAMPLES[event]}",
        at=now_utc(),
        run="20261101-030000-test",
        numbers=(bound,),
        advice="Nothing is to be done: somebody called `drillkit notify test`.",
    )


def _receivers(drill: str | None) -> tuple[Receiver, ...]:
    from drillkit.cli import resolve
    from drillkit.spec import find_roots

    if drill is None:
        return resolve.receivers_of(find_roots())
    asked = resolve.ask(drill, (), (), None, need=False)
    return resolve.receivers_of(asked.roots, asked.parsed.resolve())
