"""What a control loop and a kubelet are."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.objects import Gvr, Object


class Controller(Protocol):
    """A control loop over the objects of one resource."""

    @property
    def name(self) -> str: ...

    @property
    def gvr(self) -> Gvr:
        """The resource it is responsible for."""
        ...

    @property
    def watches(self) -> frozenset[Gvr]:
        """Resources whose changes make it look again; `gvr` among them."""
        ...

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        """Bring the world nearer to what `obj` asks for; answers when to look again even if
        nothing changes.
        """
        ...


class Kubelet(Protocol):
    """Whoever runs the pods that are bound to nodes."""

    def sync(self) -> datetime | None:
        """Look at the pods and act; answers when to look again even if nothing changes."""
        ...
