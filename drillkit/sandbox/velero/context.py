"""What every part of the controller works with: the store, the bucket, the clock, the knobs, and
time in a phase.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from drillkit.sandbox.kube.objects import Gvr, Object, key_of, rfc3339
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.velero.blobs import Blobs
from drillkit.sandbox.velero.knobs import Knobs

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def go_duration(text: str) -> timedelta:
    """`720h0m0s`.  Raises ValueError."""
    if not text or _DURATION.sub("", text):
        raise ValueError(f"not a duration: {text!r}")
    return timedelta(
        seconds=sum(float(value) * _UNIT_S[unit] for value, unit in _DURATION.findall(text))
    )


@dataclass
class Results:
    """Errors or warnings of a backup or restore, as Velero groups them."""

    velero: list[str] = field(default_factory=list)
    cluster: list[str] = field(default_factory=list)
    namespaces: dict[str, list[str]] = field(default_factory=dict)

    def add(self, namespace: str, text: str) -> None:
        """Under a namespace, or under `cluster` when that is empty."""
        (self.namespaces.setdefault(namespace, []) if namespace else self.cluster).append(text)

    def count(self) -> int:
        return len(self.velero) + len(self.cluster) + sum(map(len, self.namespaces.values()))

    def shown(self) -> dict[str, Any]:
        """Empty groups are left out."""
        groups = {"velero": self.velero, "cluster": self.cluster, "namespaces": self.namespaces}
        return {name: group for name, group in groups.items() if group}


class ControllerContext:
    """Shared by the parts of one controller."""

    def __init__(
        self, store: Store, blobs: Blobs, now: Callable[[], datetime], knobs: Knobs, namespace: str
    ) -> None:
        self.store = store
        self.blobs = blobs
        self.now = now
        self.knobs = knobs
        self.namespace = namespace
        self.changed = False
        self._since: dict[tuple[str, str], datetime] = {}
        self._due: list[datetime] = []

    def all(self, gvr: Gvr) -> list[Object]:
        """Velero's objects of one resource, in the order of creation."""
        found = self.store.list(gvr, self.namespace)
        return sorted(
            found, key=lambda obj: (obj["metadata"]["creationTimestamp"], obj["metadata"]["name"])
        )

    def stamp(self) -> str:
        """Now, as the API writes it."""
        return rfc3339(self.now())

    def status(self, gvr: Gvr, obj: Object, **fields: Any) -> Object:
        """Adds fields to an object's status; returns the object as it is now.  None takes a
        field away.
        """
        current = self.store.need(gvr, *key_of(obj))
        merged = {**(current.get("status") or {}), **fields}
        kept = {name: value for name, value in merged.items() if value is not None}
        changed = self.store.update(gvr, {**current, "status": kept}, subresource="status")
        self.changed = self.changed or changed is not current
        return changed

    def write(self, gvr: Gvr, obj: Object) -> Object:
        """Replaces everything but the status."""
        changed = self.store.update(gvr, obj)
        self.changed = self.changed or changed is not obj
        return changed

    def ripe(self, kind: str, obj: Object, phase: str) -> bool:
        """Whether the object has been in its phase for as long as the knobs want; remembers when it
        will have been.
        """
        since = self._since.setdefault((obj["metadata"]["uid"], phase), self.now())
        until = since + timedelta(seconds=self.knobs.slow_s.get(f"{kind}.{phase}", 0.0))
        if self.now() >= until:
            self._since.pop((obj["metadata"]["uid"], phase), None)
            return True
        self.wake(until)
        return False

    def share_of_time(self, kind: str, obj: Object, phase: str) -> float:
        """How much of the wanted time in a phase is over, from 0 to 1."""
        wanted = self.knobs.slow_s.get(f"{kind}.{phase}", 0.0)
        since = self._since.get((obj["metadata"]["uid"], phase))
        if wanted <= 0 or since is None:
            return 1.0
        return min(1.0, (self.now() - since).total_seconds() / wanted)

    def wake(self, at: datetime) -> None:
        """Something is to be done at that time."""
        self._due.append(at)

    def next_due(self) -> datetime | None:
        """The earliest time asked for since the last call."""
        due, self._due = min(self._due, default=None), []
        return due
