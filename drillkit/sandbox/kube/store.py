"""The state of a Kubernetes cluster and the one door to it: no I/O, no threads, no clock but the one given."""

from __future__ import annotations

import random as random_module
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime

from drillkit.sandbox.kube.errors import ApiError
from drillkit.sandbox.kube.objects import Event, Gvr, Object, utcnow
from drillkit.sandbox.kube.wire import PodExec, Request, Response

__all__ = ["ApiError", "Event", "Gvr", "Object", "Store"]

PodLog = Callable[[Object, str, bool, int | None], str]
"""(pod, container, previous, tail_lines) -> the log's text."""

PodMetrics = Callable[[Object], Mapping[str, tuple[float, int]]]
"""pod -> container -> (CPU in cores, memory in bytes); empty while nothing was measured."""


class Store:
    """Every object of one cluster.

    Objects that come out are shared and must be treated as read-only (``objects.clone`` them); each change makes a new
    object, so one that was handed out is a snapshot. Those that go in are copied.

    Args:
        now: the clock.
        uid: makes the UIDs.
        random: draws the suffixes of generated names; from a fresh seed if None.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = utcnow,
        uid: Callable[[], str] = lambda: str(uuid.uuid4()),
        random: random_module.Random | None = None,
    ) -> None:
        self.now = now
        self.pod_log: PodLog | None = None
        self.pod_exec: PodExec | None = None
        self.pod_metrics: PodMetrics | None = None

    def get(self, gvr: Gvr, namespace: str, name: str) -> Object | None:
        """The object, or None."""
        raise NotImplementedError

    def list(self, gvr: Gvr, namespace: str | None = None, selector: str = "", fields: str = "") -> list[Object]:
        """Objects in the order of namespace and name; ``namespace`` None means all of them."""
        raise NotImplementedError

    def create(self, gvr: Gvr, obj: Object, namespace: str = "") -> Object:
        """Adds an object. As in Kubernetes its status is dropped where status is a subresource (nodes excepted)."""
        raise NotImplementedError

    def update(self, gvr: Gvr, obj: Object, *, subresource: str = "") -> Object:
        """Replaces an object; 409 when its resourceVersion is given and stale. ``subresource="status"`` writes status."""
        raise NotImplementedError

    def patch(self, gvr: Gvr, namespace: str, name: str, patch: Object, *, subresource: str = "") -> Object:
        """Merges ``patch`` into an object (RFC 7386)."""
        raise NotImplementedError

    def delete(
        self,
        gvr: Gvr,
        namespace: str,
        name: str,
        *,
        grace_s: int | None = None,
        propagation: str = "Background",
        uid: str = "",
    ) -> Object | None:
        """Deletes an object; answers what is left of it while it terminates, or None if it is gone.

        A pod on a node terminates: it stays until ``finalize_pod`` (or a grace of 0). Raises 404, or 409 when ``uid``
        is given and another object has taken the name.
        """
        raise NotImplementedError

    def finalize_pod(self, namespace: str, name: str, uid: str) -> None:
        """The kubelet's last word: the terminating pod's processes are gone. Nothing happens if the pod is too."""
        raise NotImplementedError

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Calls back after each change, synchronously, in order; the answer ends it."""
        raise NotImplementedError

    def handle(self, request: Request) -> Response:
        """The whole HTTP API. Never raises for a bad request: refusals are answers."""
        raise NotImplementedError
