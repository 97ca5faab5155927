"""Where what is known of a fleet is: the bucket of its runs, and who reads and writes there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drillkit.model.errors import UsageError

if TYPE_CHECKING:
    from drillkit.cli.options import Out
    from drillkit.clients.bucket import BucketUrl
    from drillkit.clock import Clock
    from drillkit.fleet.controller import FleetWorker
    from drillkit.fleet.plan import FleetPlan
    from drillkit.fleet.store import FleetStore


def bucket_of(out: Out) -> BucketUrl:
    """`--out`, or where the project's runs are. Raises UsageError for a folder."""
    from drillkit.cli.runs import place_of

    place = place_of(out)
    if isinstance(place, Path):
        raise UsageError(
            "expected --out s3://BUCKET/PREFIX: what is known of a fleet lives beside its runs, "
            "where every Job and every machine can reach it"
        )
    return place


def store_of(place: BucketUrl, name: str) -> FleetStore:
    """What the bucket knows of a fleet."""
    from drillkit.clients.bucket import Bucket
    from drillkit.clock import SYSTEM_CLOCK
    from drillkit.fleet.store import FleetStore

    return FleetStore(Bucket(place), SYSTEM_CLOCK, name)


def worker_of(
    plan: FleetPlan, store: FleetStore, place: BucketUrl, clock: Clock | None = None
) -> FleetWorker:
    """Who submits the fleet's Jobs and reads their runs. `clock`: what its waits go by."""
    from drillkit.clients.bucket import Bucket, copy_of
    from drillkit.clock import SYSTEM_CLOCK
    from drillkit.fleet.controller import FleetWorker
    from drillkit.journal.copy import LocalCopy

    copy = LocalCopy(copy_of(place), Bucket(place), SYSTEM_CLOCK)
    return FleetWorker(
        plan, store, copy, clock or SYSTEM_CLOCK, lambda text: click.echo(text, err=True)
    )
