"""Drives a VeleroController from an event loop: after changes of the store and when time is up."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from drillkit.sandbox.kube.objects import Event
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.velero.controller import VeleroController

BATCH_S = 0.01


async def run_velero(store: Store, controller: VeleroController) -> None:
    """Runs until it is cancelled.  The bucket is read and written within the loop, each time
    for milliseconds.
    """
    wake = asyncio.Event()

    def hear(event: Event) -> None:
        group, plural = event.gvr
        if group == "velero.io" or plural in ("configmaps", "namespaces"):
            wake.set()

    end = store.subscribe(hear)
    try:
        while True:
            changed = controller.step()
            if changed:
                await asyncio.sleep(BATCH_S)  # others may see each phase
                continue
            due = controller.next_due()
            wait_s = None if due is None else max(BATCH_S, (due - store.now()).total_seconds())
            with suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), wait_s)
            wake.clear()
    finally:
        end()
