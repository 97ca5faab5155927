"""A whole world in memory: a cluster, a disk, a clock, and one seed that decides what goes wrong at
their doors.

The code under test is the real one, journal, clients and clean-up. It reaches the world by three
doors only (disk, clock, wire). Each passage is a point where the process may end; after its end
every door stays shut, so that a `finally` runs but reaches nothing, as under SIGKILL. What was not
synced may be lost.
"""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from drillkit.cleanup import Cleaned, clean, open_undos
from drillkit.clients import Clients
from drillkit.clients.kube import Kube, Response
from drillkit.clients.kube.verified import KUBE_SYSTEM
from drillkit.clock import Fence
from drillkit.journal.book import Book
from drillkit.journal.file import Journal, parse
from drillkit.journal.mirror import Mirror
from drillkit.model.errors import Unanswered, Unreachable
from drillkit.model.target import KubernetesTarget, Target
from drillkit.sandbox.cluster.controllers.loop import Controllers
from drillkit.sandbox.cluster.crds import definitions
from drillkit.sandbox.cluster.kubelet.instant import InstantKubelet
from drillkit.sandbox.cluster.nodes import furnish
from drillkit.sandbox.cluster.shop import open_shop
from drillkit.sandbox.kube import api
from drillkit.sandbox.kube.objects import CRDS, NAMESPACES, PODS, Gvr, clone
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.kube.wire import Request

RUN = "20260101-000000-x7k2"
LATEST_LANDING_S = 14.0
"""A call without an answer takes effect within this time or never: the settle time of an undo
is longer.
"""
CALM_AFTER_S = 90.0
"""A recovery meets trouble for so long; then the world is quiet, so that it can end."""
KEPT_CHANGES = 200
"""How far back a fork's watches may begin."""
_UNSTABLE = ("events", "endpoints", "endpointslices", "pods")
"""Kept out of the comparison: notices, and what is made anew whenever a pod is."""


MISHAPS = ("throttle", "stumble", "refuse", "lose", "swallow", "fail_after", "delay")
"""Methods of `Wire`: the ways in which a call goes wrong."""


class Dead(BaseException):
    """The process has ended. Nothing that the code under test does can catch this and go on."""


@dataclass(frozen=True)
class Blow:
    """Call number `change` (of those that may change something) goes wrong."""

    change: int
    mishap: str
    deadly: bool
    """The process ends with it."""
    late_s: float = LATEST_LANDING_S


@dataclass
class Fate:
    """What one seed has in store for one process."""

    rng: random.Random
    end_at: int = 0
    """Number of the door at which the process ends; 0: it does not."""
    trouble: float = 0.0
    """Share of calls that go wrong."""
    blow: Blow | None = None
    """One changing call that goes wrong in a chosen way."""
    changes: int = 0
    """Changing calls so far."""
    n: int = 0
    dead: bool = False
    where: str = "ended by itself"
    doors: list[str] = field(default_factory=list)
    forbidden: str = ""
    """What RBAC does not allow: one verb on one resource (`patch nodes`), or all of them
    (`* nodes`).
    """
    asked: set[str] = field(default_factory=set)
    """Every verb on every resource that was asked for."""

    def door(self, name: str) -> None:
        """Pass a door, or end here."""
        if self.dead:
            raise Dead
        self.n += 1
        self.doors.append(name)
        if self.n == self.end_at:
            self.end(name)

    def mishap(self, method: str) -> str:
        """What goes wrong with this call, or ''."""
        if method != "GET":
            self.changes += 1
            if self.blow is not None and self.blow.change == self.changes:
                return self.blow.mishap
        return (
            self.rng.choice(MISHAPS)
            if self.trouble > 0 and self.rng.random() < self.trouble
            else ""
        )

    def end(self, where: str) -> None:
        """End the process here."""
        self.dead, self.where = True, where
        raise Dead


class Cluster:
    """The sandbox's cluster, controllers and all, with its own time; and calls that are still on
    their way to it.
    """

    def __init__(self, seed: int = 1) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)
        chance = random.Random(seed)
        self._uids = random.Random(seed)
        # Bound methods, not closures, so that a fork's store asks the fork.
        self.store = Store(now=self.now, uid=self._uid, random=chance)
        self.controllers = Controllers(self.store, InstantKubelet, random=chance, events=False)
        furnish(self.store)
        for definition in definitions():
            self.store.create(CRDS, definition)
        open_shop(self.store)
        self.store.create(NAMESPACES, {"metadata": {"name": "drillkit"}})
        self._coming: list[tuple[datetime, Request]] = []
        self.advance(60)

    def now(self) -> datetime:
        """The cluster's present."""
        return self.at

    def _uid(self) -> str:
        return f"uid-{self._uids.getrandbits(64):016x}"

    def fork(self) -> Cluster:
        """A copy in the same state, much cheaper than a new one: stored objects never change, so
        both share them.
        """
        log = self.store.log
        log.forget(KEPT_CHANGES)
        shared: dict[int, Any] = {
            id(event): event for event in log.after(log.last - min(log.last - 1, KEPT_CHANGES))
        }
        for gvr in self.store.state.tables():
            shared.update((id(obj), obj) for obj in self.store.table(gvr).values())
        return copy.deepcopy(self, shared)

    def advance(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due in it."""
        end = self.at + timedelta(seconds=seconds)
        self.controllers.reconcile()
        while (moment := self._next()) is not None and moment <= end:
            self.at = max(self.at, moment)
            for due in [c for c in self._coming if c[0] <= self.at]:
                self._coming.remove(due)
                api.answer(self.store, due[1])
            self.controllers.reconcile()
        self.at = max(self.at, end)
        assert not self.controllers.failures, list(self.controllers.failures)

    def _next(self) -> datetime | None:
        moments = [at for at, _ in self._coming]
        if (due := self.controllers.next_due()) is not None:
            moments.append(due)
        return min(moments, default=None)

    def land_later(self, request: Request, seconds: float) -> None:
        self._coming.append((self.at + timedelta(seconds=seconds), request))

    def inventory(self) -> dict[str, Any]:
        """What must be equal before and after: every object's wishes and marks, and how many pods
        of each are ready.
        """
        found: dict[str, Any] = {}
        for gvr in self.store.state.tables():
            if gvr[1] in _UNSTABLE:
                continue
            for obj in self.store.list(gvr):
                found[
                    f"{gvr[1]}/{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"
                ] = _wishes(obj)
        ready = Counter(
            (pod["metadata"].get("labels") or {}).get("app", "?")
            for pod in self.store.list(PODS)
            if any(
                c["type"] == "Ready" and c["status"] == "True"
                for c in pod["status"].get("conditions", [])
            )
        )
        return {**found, "ready pods": dict(ready)}

    def get(self, gvr: Gvr, namespace: str, name: str) -> dict[str, Any] | None:
        """A copy of an object."""
        found = self.store.get(gvr, namespace, name)
        return None if found is None else dict(clone(found))


def _wishes(obj: Mapping[str, Any]) -> dict[str, Any]:
    meta = obj["metadata"]
    kept = {
        k: meta[k]
        for k in ("labels", "annotations", "finalizers", "ownerReferences")
        if meta.get(k)
    }
    return {**{k: v for k, v in obj.items() if k not in ("metadata", "status")}, "metadata": kept}


class WorldClock:
    """The cluster's time. A process counts its monotonic seconds from a point of its own."""

    def __init__(self, fate: Fate, cluster: Cluster) -> None:
        self._fate, self._cluster = fate, cluster
        self._boot = cluster.at - timedelta(seconds=fate.rng.uniform(1, 1e6))

    def now(self) -> float:
        return self._cluster.at.timestamp()

    def mono(self) -> float:
        return (self._cluster.at - self._boot).total_seconds()

    def sleep(self, seconds: float, wake: Any = None) -> bool:
        self._fate.door("sleep")
        if wake is not None and wake.is_set():
            return True
        self._cluster.advance(seconds)
        return bool(wake is not None and wake.is_set())


class MemoryDisk:
    """A disk whose unsynced bytes may be lost."""

    def __init__(self, fate: Fate, content: bytes = b"", *, syncs: bool = True) -> None:
        self._fate = fate
        self._synced, self._cache = content, b""
        self._syncs = syncs

    def content(self) -> bytes:
        return self._synced + self._cache

    @property
    def unsynced(self) -> bool:
        return bool(self._cache)

    def write(self, line: bytes) -> None:
        kind = json.loads(line)["kind"]
        self._fate.door(f"before writing {kind}")
        self._cache += line
        self._fate.door(f"after writing {kind}")

    def sync(self) -> None:
        if self._syncs:
            self._synced, self._cache = self._synced + self._cache, b""
        self._fate.door("after sync")

    def cut(self, size: int) -> None:
        self._synced, self._cache = self.content()[:size], b""

    def release_reserve(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def after_power_loss(self, kept: int | None = None) -> bytes:
        """What a new process finds: all that was synced, and as much of the rest as fate (or
        `kept`) lets it.
        """
        return (
            self._synced
            + self._cache[: self._fate.rng.randint(0, len(self._cache)) if kept is None else kept]
        )


class Wire:
    """`Transport` into the cluster's API core, without sockets: every way in which a call can go
    wrong, by chance.
    """

    def __init__(self, fate: Fate, cluster: Cluster, *, calm_at: datetime | None = None) -> None:
        self._fate, self._cluster, self._calm_at = fate, cluster, calm_at

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Any = None,
        content_type: str = "application/json",
        timeout_s: float = 15.0,
    ) -> Response:
        data = b"" if body is None else json.dumps(body).encode()
        request = Request(method, unquote(path), dict(query), {"Content-Type": content_type}, data)
        said = f"{method} {path}"
        self._fate.door(f"before {said}")
        wish = permission(method, path)
        self._fate.asked.add(wish)
        if self._fate.forbidden in (wish, f"* {wish.partition(' ')[2]}"):
            return _status(403, "Forbidden")
        calm = self._calm_at is not None and self._cluster.at >= self._calm_at
        mishap = "" if calm else self._fate.mishap(method)
        if not mishap:
            return self._take(request, said)
        blow = self._fate.blow
        try:
            answer: Response = getattr(self, mishap)(request, said)
        finally:
            if blow is not None and blow.deadly and not self._fate.dead:
                self._fate.end(f"{mishap}: {said}")
        return answer

    def _take(self, request: Request, said: str) -> Response:
        answer = api.answer(self._cluster.store, request)
        self._cluster.controllers.reconcile()
        self._fate.door(f"after {said}")
        headers = {k.lower(): v for k, v in answer.headers.items()}
        date = self._cluster.at.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return Response(answer.status, {"date": date, **headers}, answer.encode())

    def throttle(self, request: Request, said: str) -> Response:
        return _status(429, "TooManyRequests", {"retry-after": "1"})

    def stumble(self, request: Request, said: str) -> Response:
        return _status(503, "ServiceUnavailable")

    def refuse(self, request: Request, said: str) -> Response:
        raise Unreachable(f"{said}: no connection")

    def lose(self, request: Request, said: str) -> Response:
        """Never arrives; the client waits its time."""
        self._wait()
        raise Unanswered(f"{said}: no answer")

    def swallow(self, request: Request, said: str) -> Response:
        """Takes effect; the answer is lost."""
        self._take(request, said)
        raise Unanswered(f"{said}: the connection broke")

    def fail_after(self, request: Request, said: str) -> Response:
        """Takes effect; a proxy in between says 504."""
        self._take(request, said)
        return _status(504, "Timeout")

    def delay(self, request: Request, said: str) -> Response:
        """Takes effect later than the client believes."""
        blow = self._fate.blow
        self._cluster.land_later(
            request, blow.late_s if blow else self._fate.rng.uniform(0.1, LATEST_LANDING_S)
        )
        self._fate.door(f"on its way: {said}")
        raise Unanswered(f"{said}: the connection broke")

    def _wait(self) -> None:
        self._fate.door("waiting for an answer")
        self._cluster.advance(15)


class Another(Wire):
    """A cluster that is like the first in everything but its UID, and remembers what was asked."""

    def __init__(self, fate: Fate, cluster: Cluster) -> None:
        super().__init__(fate, cluster)
        self.asked: list[str] = []

    def send(self, method: str, path: str, *rest: Any, **more: Any) -> Response:
        self.asked.append(f"{method} {path}")
        answer = super().send(method, path, *rest, **more)
        if path == KUBE_SYSTEM:
            uid = answer.json()["metadata"]["uid"]
            content = answer.content.replace(uid.encode(), b"another-cluster")
            answer = Response(answer.status, answer.headers, content)
        return answer


def permission(method: str, path: str) -> str:
    """What RBAC is asked: verb and resource, as `create pods/eviction`."""
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    resource = "/".join(parts[:1] + parts[2:3])
    verbs = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}
    return f"{verbs.get(method, 'get' if len(parts) > 1 else 'list')} {resource}"


def _status(code: int, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    body = {
        "kind": "Status",
        "status": "Failure",
        "reason": reason,
        "message": reason,
        "code": code,
    }
    return Response(code, dict(headers or {}), json.dumps(body).encode())


@dataclass
class Stage:
    """One process of drillkit in the world: what a scenario acts with."""

    fate: Fate
    cluster: Cluster
    clock: WorldClock
    disk: MemoryDisk
    journal: Journal
    book: Book
    kube: Kube
    clients: Clients
    run: str = RUN

    @classmethod
    def open(
        cls,
        cluster: Cluster,
        fate: Fate,
        content: bytes = b"",
        *,
        syncs: bool = True,
        calm_at: datetime | None = None,
        book: Callable[[Journal], Book] = lambda journal: journal,
        mirror: Callable[[WorldClock], Mirror | None] = lambda clock: None,
    ) -> Stage:
        clock = WorldClock(fate, cluster)
        disk = MemoryDisk(fate, content, syncs=syncs)
        journal = Journal(disk, clock=clock, mirror=mirror(clock))
        fence = journal.fence
        kube = Kube(Wire(fate, cluster, calm_at=calm_at), clock, fence, "the test")
        clients = Clients(Target(name="world", kubernetes=KubernetesTarget()), clock, Fence())
        # The undoing side has connections of its own, behind a fence that is open.
        vars(clients)["kube"] = Kube(
            Wire(fate, cluster, calm_at=calm_at), clock, clients.fence, "the test"
        )
        return cls(fate, cluster, clock, disk, journal, book(journal), kube, clients)


def recover(stage: Stage, limit_s: float = 900.0) -> Cleaned:
    """What `drillkit recover` does, in a process of its own: read the journal, apply what
    is open.
    """
    history = tuple(parse(stage.journal._disk.content()))
    return clean(open_undos(history), stage.clients, stage.journal, stage.clock, limit_s, at_once=1)
