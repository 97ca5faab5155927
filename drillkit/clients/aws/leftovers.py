"""Resources of an AWS account that runs made, found by their tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from drillkit.clients.aws.ownership import EXPIRES, OF, RUN
from drillkit.clients.aws.removal import DeleteResource
from drillkit.clients.undo import Leftover, expiry

if TYPE_CHECKING:
    from drillkit.clients import Clients

OWN_PREFIX = "dr-"
"""Runs name what they make so. Where descriptions have no tags, asking for those of everything else
would cost a call each."""


def regions(clients: Clients) -> list[str]:
    """Where runs make things: the target's regions; none where it has no account."""
    target = clients.target.aws
    if target is None:
        return []
    return list(dict.fromkeys([target.region, *([target.dr_region] if target.dr_region else [])]))


def run_of(tags: Mapping[str, str]) -> str:
    """Id of the run that made what bears these tags, or ''."""
    return tags.get(RUN, "")


def marked(undo: DeleteResource, tags: Mapping[str, str], uid: str = "") -> Iterable[Leftover]:
    """What `undo` is about, if it bears both tags and an expiry: copies inherit tags."""
    at = expiry(tags.get(EXPIRES))
    if at is not None and run_of(tags) and tags.get(OF) == undo.name:
        yield Leftover(undo, run_of(tags), at, uid)
