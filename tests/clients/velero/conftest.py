"""A cluster with Velero in memory, on a clock that jumps; files are read from its bucket,
without sockets.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from drillkit.clients.kube import Response, Transport
from drillkit.clients.velero import Velero
from drillkit.sandbox.velero import VeleroController
from tests.crash.velero import with_velero
from tests.crash.world import Cluster, Fate, Stage


@dataclass
class Recorder:
    """Passes everything on, and remembers what was made."""

    inner: Transport
    made: list[dict[str, Any]] = field(default_factory=list)

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Any = None,
        content_type: str = "application/json",
        timeout_s: float = 15.0,
    ) -> Response:
        if method == "POST":
            self.made.append(body)
        return self.inner.send(method, path, query, body, content_type, timeout_s)


@dataclass
class World:
    """A run beside Velero."""

    stage: Stage
    server: VeleroController
    recorder: Recorder

    @property
    def velero(self) -> Velero:
        return Velero(self.stage.kube)

    @property
    def store(self) -> Any:
        return self.stage.cluster.store


@pytest.fixture
def world() -> World:
    cluster = Cluster()
    server = with_velero(cluster)
    stage = Stage.open(cluster, Fate(random.Random(1)))
    recorder = Recorder(stage.kube._transport)
    stage.kube._transport = recorder
    stage.clients.kube._transport = recorder
    return World(stage, server, recorder)
