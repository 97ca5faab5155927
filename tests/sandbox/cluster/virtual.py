"""A cluster without processes, sockets or clock: the same controllers, on time that moves when
told to.
"""

from __future__ import annotations

import copy
import random as random_module
from datetime import UTC, datetime, timedelta
from typing import Any

from drillkit.sandbox.cluster import crds, nodes
from drillkit.sandbox.cluster import shop as demo
from drillkit.sandbox.cluster.controllers.loop import Controllers
from drillkit.sandbox.cluster.faults.rules import FAULT_RESOURCES, current_rules
from drillkit.sandbox.cluster.kubelet.instant import InstantKubelet
from drillkit.sandbox.cluster.proxy.rules import Rules
from drillkit.sandbox.kube.api import answer
from drillkit.sandbox.kube.objects import CRDS
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.kube.wire import Request, Response

KEPT_CHANGES = 200
"""How far back a fork's watches may begin."""
NO_AUTHORITY = "nothing is served over TLS here, so nobody signs\n"
"""In the place of a certificate: what namespaces get of themselves is there on virtual time too."""
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class VirtualCluster:
    """Deterministic: the same seed and the same calls give the same cluster, UIDs and
    names included.

    Args:
        seed: of everything left to chance.
        shop: whether to open the demo shop and wait until it is ready.
        events: whether the controllers write Events; without them it is faster.
        start_s, stop_s: how long a pod takes to be ready and to end, in seconds.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        shop: bool = True,
        events: bool = True,
        start_s: float = 2.0,
        stop_s: float = 1.0,
    ) -> None:
        self.time = EPOCH
        self._seed = seed
        self._uids = 0
        # Bound methods, not closures, so that a fork's store asks the fork.
        self.store = Store(
            now=self.now, uid=self._uid, random=random_module.Random(f"names {seed}")
        )
        self.store.authority_pem = NO_AUTHORITY
        nodes.furnish(self.store)
        for definition in crds.definitions():
            self.store.create(CRDS, definition)
        start, stop = timedelta(seconds=start_s), timedelta(seconds=stop_s)
        self.controllers = Controllers(
            self.store,
            lambda view: InstantKubelet(view, start, stop),
            random=random_module.Random(f"choices {seed}"),
            events=events,
        )
        self.controllers.view.follow(FAULT_RESOURCES)
        if shop:
            demo.open_shop(self.store)
        self.settle()
        if shop:
            self.advance(10 * start_s)

    def now(self) -> datetime:
        """The virtual present."""
        return self.time

    def fork(self) -> VirtualCluster:
        """An independent copy in the same state, much cheaper than a new cluster: stored objects
        never change, so the two share them."""
        log = self.store.log
        log.forget(KEPT_CHANGES)
        shared: dict[int, Any] = {
            id(event): event for event in log.after(log.last - min(log.last - 1, KEPT_CHANGES))
        }
        for gvr in self.store.state.tables():
            shared.update((id(obj), obj) for obj in self.store.table(gvr).values())
        return copy.deepcopy(self, shared)

    def _uid(self) -> str:
        self._uids += 1
        return f"uid-{self._seed}-{self._uids}"

    def settle(self) -> None:
        """Let the controllers react to what has changed, in no time."""
        self.controllers.reconcile()

    def advance(self, seconds: float) -> None:
        """Let time pass; whatever falls due on the way happens at its moment."""
        end = self.time + timedelta(seconds=seconds)
        self.settle()
        while (due := self.controllers.next_due()) is not None and due <= end:
            self.time = max(self.time, due)
            self.settle()
        self.time = end
        self.settle()

    def handle(self, request: Request) -> Response:
        """One request to the API, followed by the controllers' reaction."""
        response = answer(self.store, request)
        self.settle()
        return response

    def rules(self) -> Rules:
        """The faults in force."""
        view = self.controllers.view
        return current_rules(view, self.controllers.litmus.rules(view))
