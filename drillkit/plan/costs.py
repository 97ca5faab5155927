"""What a drill's copies cost, in what is paid for: hours of instances and GiB. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from drillkit.model.prospect import Copied
from drillkit.model.target import Target
from drillkit.model.units import format_duration


def costs(copies: Sequence[Copied], longest: timedelta) -> Iterator[str]:
    """What is paid for at most, in one sentence. `longest`: how long each may live."""
    made = [each for each in copies if each.count]
    if not made:
        return
    what = ", ".join(f"{each.count} x {each.instance_class or 'unknown class'}" for each in made)
    instances = sum(each.count for each in made)
    hours = instances * longest.total_seconds() / 3600
    gib = sum(each.count * each.storage_gib for each in made)
    yield (
        f"its copies cost at most {hours:.3g} instance-hours "
        f"({what}, for {format_duration(longest)})" + (f" and {gib} GiB of storage" if gib else "")
    )


def too_costly(copies: Sequence[Copied], target: Target, longest: timedelta) -> Iterator[str]:
    """Copies that the target's caps do not allow."""
    for each in copies:
        if each.count and (why := target.caps.forbid_copy(each.instance_class, each.storage_gib)):
            yield f"{each.what}: target `{target.name}`: {why}"
    if why := target.caps.forbid_hours(sum(each.count for each in copies), longest):
        yield f"target `{target.name}`: {why}"
