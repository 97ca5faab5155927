"""What a fleet's Job knows of the fleet, out of its bucket."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Refused, UsageError

if TYPE_CHECKING:
    from drillkit.cli.options import Out
    from drillkit.cli.resolve import Asked


@dataclass(frozen=True, slots=True)
class FleetMember:
    """One run of a fleet."""

    run: str
    """The id that was written down for it before its Job was submitted."""
    trigger: str
    confirmed: bool
    """Somebody typed what is asked for on a protected target, for all of the fleet."""


def member_of(fleet: str, asked: Asked, out: Out) -> FleetMember:
    """The run that the fleet has for this drill on this target. Raises UsageError where it has
    none, Refused when it was aborted, CallError.
    """
    from drillkit.cli import resolve
    from drillkit.cli.runs import place_of
    from drillkit.clients.bucket import Bucket
    from drillkit.clock import SYSTEM_CLOCK
    from drillkit.fleet.store import FleetStore

    place = place_of(out, asked.roots, asked.parsed.source.found)
    if isinstance(place, Path):
        raise UsageError("--fleet needs --out s3://...: a fleet is known by the bucket of its runs")
    store = FleetStore(Bucket(place), SYSTEM_CLOCK, fleet)
    plan, target = store.plan(), asked.target.name
    written = store.job_of(target)
    if written is None:
        raise UsageError(f"fleet {fleet} has no run on target `{target}`; nothing was touched")
    found = hashlib.sha256(resolve.source_bytes(asked.parsed)).hexdigest()
    if found != plan.sha256:
        raise UsageError(
            f"fleet {fleet} runs a drill {plan.drill} whose digest is {plan.sha256[:12]}, found "
            f"{found[:12]} here; nothing was touched"
        )
    if (abort := store.abort()) is not None:
        raise Refused(f"fleet {fleet} was aborted by {abort.who}: {abort.why}; nothing was touched")
    return FleetMember(written.run, f"fleet {fleet}", target in plan.confirmed)
