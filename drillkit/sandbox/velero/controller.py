"""Velero's server without I/O of its own: reads and writes the store and the bucket when it is
told to.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from drillkit.sandbox.kube.crds import velero as definitions
from drillkit.sandbox.kube.errors import ApiError
from drillkit.sandbox.kube.objects import CRDS, NAMESPACES
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.velero.backups import BackupDesk
from drillkit.sandbox.velero.blobs import Blobs, BlobsUnavailable
from drillkit.sandbox.velero.context import ControllerContext
from drillkit.sandbox.velero.knobs import CONFIG_MAP, Knobs, from_json
from drillkit.sandbox.velero.names import CONFIG_MAPS, LOCATIONS, NAMESPACE
from drillkit.sandbox.velero.requests import RequestDesk
from drillkit.sandbox.velero.restores import RestoreDesk
from drillkit.sandbox.velero.upkeep import Upkeep

log = logging.getLogger("drillkit.sandbox.velero")
ROUNDS_LIMIT = 200
RETRY = timedelta(seconds=1)
KEPT_ERRORS = 100


def install(store: Store, bucket: str = "velero", namespace: str = NAMESPACE) -> None:
    """Velero's definitions, namespace and default storage location; what is there already stays."""
    for definition in definitions():
        if store.get(CRDS, "", definition["metadata"]["name"]) is None:
            store.create(CRDS, definition)
    if store.get(NAMESPACES, "", namespace) is None:
        store.create(NAMESPACES, {"metadata": {"name": namespace}})
    if store.get(LOCATIONS, namespace, "default") is None:
        spec = {
            "provider": "aws",
            "default": True,
            "accessMode": "ReadWrite",
            "objectStorage": {"bucket": bucket},
        }
        store.create(LOCATIONS, {"metadata": {"name": "default"}, "spec": spec}, namespace)


class VeleroController:
    """All of Velero's control loops.

    `reconcile()` takes every object as far as it will go now and answers when time alone will bring
    the next change. Call it after each change of the store in Velero's namespace, and then.
    """

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        now: Callable[[], datetime] | None = None,
        namespace: str = NAMESPACE,
    ) -> None:
        self.knobs = Knobs()
        """Used while no ConfigMap sets them."""
        self.errors: deque[Exception] = deque(maxlen=KEPT_ERRORS)
        self._context = ControllerContext(store, blobs, now or store.now, self.knobs, namespace)
        self._backups = BackupDesk(self._context)
        self._restores = RestoreDesk(self._context)
        self._parts: tuple[Callable[[], None], ...] = (
            Upkeep(self._context).reconcile,
            self._backups.reconcile,
            self._restores.reconcile,
            RequestDesk(self._context).reconcile,
        )
        self._restarts: int | None = None
        self._due: datetime | None = None

    def reconcile(self) -> datetime | None:
        """Goes on until nothing changes; one part that fails does not stop the others and is
        tried again.
        """
        for _ in range(ROUNDS_LIMIT):
            if not self.step():
                return self.next_due()
        log.error("no rest in %d rounds", ROUNDS_LIMIT)
        return self._context.now() + RETRY

    def step(self) -> bool:
        """One round, in which every object takes at most one step; answers whether
        anything changed.
        """
        self._context.changed = False
        self._context.next_due()
        self._guard(self._read_knobs)
        for part in self._parts:
            self._guard(part)
        self._due = self._context.next_due()
        return self._context.changed

    def next_due(self) -> datetime | None:
        """When time alone will bring the next change, as of the last step."""
        return self._due

    def restart(self) -> None:
        """What a restart of the server does: whatever was running ends Failed."""
        self._backups.restarted()
        self._restores.restarted()

    def _read_knobs(self) -> None:
        context = self._context
        found = context.store.get(CONFIG_MAPS, context.namespace, CONFIG_MAP)
        text = ((found or {}).get("data") or {}).get("knobs.json")
        context.knobs = from_json(text) if text else self.knobs
        if self._restarts is None or context.knobs.restarts > self._restarts:
            self.restart()  # at the start too: somebody else may have been running before us
        self._restarts = context.knobs.restarts

    def _guard(self, part: Callable[[], None]) -> None:
        try:
            part()
        except (ApiError, BlobsUnavailable) as error:
            log.info("%s; trying again", error)
            self._context.wake(self._context.now() + RETRY)
        except Exception as error:  # the other parts have to go on
            log.exception("a part of Velero failed")
            self.errors.append(error)
            self._context.wake(self._context.now() + RETRY)
