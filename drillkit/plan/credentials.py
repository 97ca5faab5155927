"""Whether the credentials outlive a drill: what cannot be asked any more can neither be undone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from drillkit.clients import Clients
from drillkit.clock import utc
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import DrillError
from drillkit.model.lifetime import Lifetime
from drillkit.model.target import Target
from drillkit.model.units import format_duration


@dataclass(frozen=True, slots=True)
class Outlived:
    """What is known of credentials and a drill."""

    problems: tuple[str, ...] = ()
    """Credentials that end before the drill may have."""
    notes: tuple[str, ...] = ()
    """Until when the others are good, and those of which nobody can tell."""


def outlived(target: Target, clients: Clients, longest: timedelta, *, aws: bool) -> Outlived:
    """Whether what the target is reached with is good for so long. `aws`: whether the account is
    used at all. What cannot be configured is told by whoever connects.
    """
    now = utc(clients.clock.now())
    found = list(lifetimes(target, clients, aws=aws))
    return Outlived(tuple(_too_short(found, now, longest)), tuple(_good(found, now, longest)))


def lifetimes(target: Target, clients: Clients, *, aws: bool = True) -> Iterator[Lifetime]:
    """Of all that the target is reached with."""
    try:
        if target.kubernetes is not None:
            yield from clients.kube.lifetimes()
        if aws and target.aws is not None and (one := clients.aws.lifetime()) is not None:
            yield one
    except DrillError:
        return


def when_it_ends(found: Lifetime, now: datetime) -> str:
    """For people."""
    renewed = f"renewed by {found.renewed}" if found.renewed else ""
    if found.until is None:
        return (
            f"{found.what}: {renewed}" if renewed else f"{found.what} ends, and nothing tells when"
        )
    left_s = (found.until - now).total_seconds()
    when = f"in {format_duration(round(left_s))}" if left_s > 0 else "which is over"
    ends = f"{found.what} ends at {found.until:%Y-%m-%d %H:%M} UTC, {when}"
    return f"{ends}, and is {renewed}" if renewed else ends


def _too_short(found: Iterable[Lifetime], now: datetime, longest: timedelta) -> Iterator[str]:
    for each in found:
        if each.ends_before(now + longest):
            yield (
                f"{when_it_ends(each, now)}; the drill may take {format_duration(longest)} with "
                "its clean-up, and could not be undone then. Log in again, or get one that lasts"
            )


def _good(found: Iterable[Lifetime], now: datetime, longest: timedelta) -> Iterator[str]:
    for each in found:
        if each.unknown:
            yield f"{when_it_ends(each, now)}: it must be good for {format_duration(longest)}"
        elif not each.ends_before(now + longest):
            yield (
                f"{when_it_ends(each, now)}; the drill may take {format_duration(longest)} with "
                "its clean-up"
            )
