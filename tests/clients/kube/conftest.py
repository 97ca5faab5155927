"""A cluster to speak to: without sockets, scripted answer by answer, or over TLS."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from drillkit.clients.kube import Kube, Response
from drillkit.clients.undo import UndoContext
from drillkit.clock import Deadline, Fence
from drillkit.sandbox.kube.faults import Faults
from drillkit.sandbox.kube.kubeconfig import write_kubeconfig
from drillkit.sandbox.kube.seed import seed
from drillkit.sandbox.kube.server import Server
from drillkit.sandbox.kube.store import Store
from tests.crash.world import Cluster, Fate, Stage


@pytest.fixture
def stage() -> Stage:
    """A run in a cluster with the demo shop, where nothing goes wrong."""
    return Stage.open(Cluster(), Fate(random.Random(1)))


def context(
    stage: Stage, *, confirmed: bool = True, limit_s: float = 120.0, **identity: str
) -> UndoContext:
    """The context of a clean-up that begins now."""
    return UndoContext(
        stage.clock, Deadline.after(limit_s, stage.clock), stage.clock.mono(), confirmed, identity
    )


@dataclass
class Sent:
    """One request as it left."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    content_type: str


@dataclass
class Script:
    """A transport that answers as it was told to, in this order."""

    answers: list[Response | Exception]
    sent: list[Sent] = field(default_factory=list)

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Any = None,
        content_type: str = "application/json",
        timeout_s: float = 15.0,
    ) -> Response:
        self.sent.append(Sent(method, path, dict(query), body, content_type))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Ticks:
    """A clock that jumps when it sleeps."""

    def __init__(self) -> None:
        self.at = 1_000_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.at

    def mono(self) -> float:
        return self.at

    def sleep(self, seconds: float, wake: threading.Event | None = None) -> bool:
        self.slept.append(seconds)
        self.at += seconds
        return wake is not None and wake.is_set()


def said(status: int, body: Any, **headers: str) -> Response:
    """An answer with JSON."""
    return Response(
        status, {k.replace("_", "-"): v for k, v in headers.items()}, json.dumps(body).encode()
    )


def refused(status: int, message: str, *, details: Any = None, **headers: str) -> Response:
    """A Status that says no."""
    body = {
        "kind": "Status",
        "status": "Failure",
        "message": message,
        "code": status,
        "details": details or {},
    }
    return said(status, body, **headers)


def scripted(*answers: Response | Exception) -> tuple[Kube, Script, Ticks]:
    """A cluster that answers so."""
    script, ticks = Script(list(answers)), Ticks()
    return Kube(script, ticks, Fence(), "user ann (context prod)"), script, ticks


@dataclass
class Served:
    """The sandbox's API over TLS."""

    url: str
    kubeconfig: Path
    token: str
    authority: bytes
    faults: Faults
    store: Store


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A server in a thread of its own, gone afterwards."""
    store = Store()
    seed(store)
    loop = asyncio.new_event_loop()
    faults = Faults()
    server = Server(store, "the-token", faults)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    identity = asyncio.run_coroutine_threadsafe(server.start(tmp_path), loop).result(10)
    path = tmp_path / "kubeconfig"
    write_kubeconfig(path, server.url, "the-token", identity.authority_pem)
    try:
        yield Served(server.url, path, "the-token", identity.authority_pem, faults, store)
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
