"""States that follow real work: a thread per operation carries a resource from one state to
the next.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drillkit.sandbox.aws.rds.state import Cluster, Instance, Rds, Snapshot

log = logging.getLogger("drillkit.sandbox.aws")


@dataclass(frozen=True)
class Phase:
    """A state and the work done while in it."""

    status: str
    work: Callable[[], None] | None = None


def kind_of(item: Instance | Cluster | Snapshot) -> str:
    """How the knobs call it."""
    return {Instance: "instance", Cluster: "cluster", Snapshot: "snapshot"}[type(item)]


def run(
    rds: Rds,
    item: Instance | Cluster | Snapshot,
    phases: Sequence[Phase],
    *,
    final: str = "available",
    failure: str = "failed",
    then: Callable[[], object] | None = None,
) -> None:
    """Starts the work in the background; the first state holds from now on.

    The work ends in `final`, in `failure` if any of it raises, or in the state a knob wants.
    `then` runs, under the lock, only after all went well.
    """
    with rds.lock:
        item.status = phases[0].status
    threading.Thread(
        target=_work, args=(rds, item, phases, final, failure, then), daemon=True
    ).start()


def _work(
    rds: Rds,
    item: Instance | Cluster | Snapshot,
    phases: Sequence[Phase],
    final: str,
    failure: str,
    then: Callable[[], object] | None,
) -> None:
    kind = kind_of(item)
    try:
        for phase in phases:
            with rds.lock:
                item.status = phase.status
            started = time.monotonic()
            if phase.work is not None:
                phase.work()
            least = rds.knobs.settings.slow_s.get(f"{kind}.{phase.status}", 0.0)
            time.sleep(max(0.0, started + least - time.monotonic()))
            if phase.status in ("creating", "modifying") and (
                wanted := rds.knobs.failure_for(kind, item.id)
            ):
                _fail(rds, item, wanted, "made to fail")
                return
    except Exception as error:  # whatever broke, the resource must not stay in transition for ever
        _fail(rds, item, failure, str(error))
        return
    with rds.lock:
        item.status = final
        if isinstance(item, Instance) and final == "available":
            item.reached = True
        if then is not None:
            then()


def _fail(rds: Rds, item: Instance | Cluster | Snapshot, status: str, reason: str) -> None:
    log.warning("%s %s: %s: %s", kind_of(item), item.id, status, reason)
    with rds.lock:
        item.status = status
        source = {"instance": "db-instance", "cluster": "db-cluster", "snapshot": "db-snapshot"}[
            kind_of(item)
        ]
        rds.event(item.region, source, item.id, f"{status}: {reason}")
