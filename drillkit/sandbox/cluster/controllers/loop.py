"""Runs every controller whose inputs changed or whose time has come, until nothing changes
any more.
"""

from __future__ import annotations

import logging
import random as random_module
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from drillkit.sandbox.cluster.controllers.base import Controller, Kubelet
from drillkit.sandbox.cluster.controllers.roster import all_controllers
from drillkit.sandbox.cluster.faults.litmus import Litmus
from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.errors import ApiError
from drillkit.sandbox.kube.objects import Object

if TYPE_CHECKING:
    from drillkit.sandbox.kube.store import Store

log = logging.getLogger("drillkit.sandbox.cluster")

ROUNDS_LIMIT = 500
RETRY_S = 1.0
"""After an error the object is looked at again so much later, even if nothing changes."""
KEPT_ERRORS = 100


@dataclass(frozen=True)
class Failure:
    """A reconcile that raised."""

    at: datetime
    controller: str
    object: str
    error: Exception


class Controllers:
    """All control loops of a cluster, and its kubelet.

    `reconcile()` after each change of the store or of the clock brings the cluster to rest;
    `next_due()` says when time alone will bring the next change.
    """

    def __init__(
        self,
        store: Store,
        kubelet: Callable[[View], Kubelet],
        *,
        now: Callable[[], datetime] | None = None,
        random: random_module.Random | None = None,
        events: bool = True,
    ) -> None:
        random = random or random_module.Random()
        self.litmus = Litmus(random)
        self.now = now or store.now
        self.view = View(store, self.now, events=events)
        self.controllers = all_controllers(random, self.litmus)
        self.failures: deque[Failure] = deque(maxlen=KEPT_ERRORS)
        self._due: dict[tuple[str, str], datetime] = {}
        for controller in self.controllers:
            self.view.follow(controller.watches)
        self.kubelet = kubelet(self.view)

    def reconcile(self) -> int:
        """Run until nothing changes; answers the number of rounds. A controller that raises does
        not stop the rest.
        """
        rounds = 0
        while rounds < ROUNDS_LIMIT:
            changed, self.view.changed = self.view.changed, set()
            now = self.now()
            due = {key for key, at in self._due.items() if at <= now}
            if not changed and not due:
                return rounds
            rounds += 1
            for controller in self.controllers:
                if changed & controller.watches:
                    self._run_all(controller)
                else:
                    self._run_due(controller, due)
            self._due.pop(("kubelet", ""), None)
            self._guard("kubelet", "", self.kubelet.sync)
        log.error(
            "the controllers found no rest in %d rounds; still changing: %s",
            ROUNDS_LIMIT,
            sorted(self.view.changed),
        )
        return rounds

    def next_due(self) -> datetime | None:
        """The moment at which `reconcile()` has something to do even if nobody changes anything."""
        return min(self._due.values(), default=None)

    def close(self) -> None:
        """Stop listening to the store."""
        self.view.close()

    def _run_all(self, controller: Controller) -> None:
        for key in [key for key in self._due if key[0] == controller.name]:
            del self._due[key]
        for obj in self.view.all(controller.gvr):
            self._run_one(controller, obj)

    def _run_due(self, controller: Controller, due: set[tuple[str, str]]) -> None:
        for key in due:
            if key[0] != controller.name:
                continue
            self._due.pop(key, None)
            obj = next(
                (o for o in self.view.all(controller.gvr) if o["metadata"]["uid"] == key[1]), None
            )
            if obj is not None:
                self._run_one(controller, obj)

    def _run_one(self, controller: Controller, obj: Object) -> None:
        meta = obj["metadata"]
        current = self.view.get(controller.gvr, meta.get("namespace") or "", meta["name"])
        if current is not None:
            self._guard(
                controller.name, meta["uid"], lambda: controller.reconcile(self.view, current)
            )

    def _guard(self, name: str, uid: str, call: Callable[[], datetime | None]) -> None:
        try:
            due = call()
        except ApiError as error:
            # A refusal is an answer: the object changed meanwhile, or its namespace is going away.
            # Look again later.
            log.info("%s: %s", name, error)
            due = self.now() + timedelta(seconds=RETRY_S)
        except Exception as error:  # one broken object must not stop the cluster
            log.exception("%s failed", name)
            self.failures.append(Failure(self.now(), name, uid, error))
            due = self.now() + timedelta(seconds=RETRY_S)
        if due is not None:
            self._due[name, uid] = due
