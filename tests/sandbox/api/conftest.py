from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import random
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drillkit.sandbox.kube.access import ADMIN
from drillkit.sandbox.kube.api import answer
from drillkit.sandbox.kube.kubeconfig import write_kubeconfig
from drillkit.sandbox.kube.objects import PODS
from drillkit.sandbox.kube.seed import seed
from drillkit.sandbox.kube.server import Server
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.kube.wire import Request

JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
KINDS = {"merge": MERGE, "strategic": STRATEGIC, "json": JSON_PATCH, "apply": APPLY}


class Api:
    """The API without sockets: a virtual clock, counted UIDs, seeded names."""

    def __init__(self, seed: int = 1) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)
        numbers = itertools.count(1)
        self.store = Store(
            now=lambda: self.time, uid=lambda: f"uid-{next(numbers)}", random=random.Random(seed)
        )

    def advance(self, seconds):
        self.time += timedelta(seconds=seconds)

    def call(
        self,
        method,
        path,
        body=None,
        content_type=JSON,
        accept=JSON,
        agent="tester/1.0",
        query=None,
        caller=ADMIN,
        **params,
    ):
        headers = {"Content-Type": content_type, "Accept": accept, "User-Agent": agent}
        pairs = [*(query or []), *((key, str(value)) for key, value in params.items())]
        data = b"" if body is None else json.dumps(body).encode()
        return answer(self.store, Request(method, path, pairs, headers, data, caller))

    def get(self, path, **params):
        return self.call("GET", path, **params)

    def post(self, path, body, **params):
        return self.call("POST", path, body, **params)

    def put(self, path, body, **params):
        return self.call("PUT", path, body, **params)

    def patch(self, path, body, kind="merge", **params):
        return self.call("PATCH", path, body, content_type=KINDS[kind], **params)

    def delete(self, path, body=None, **params):
        return self.call("DELETE", path, body, **params)

    def made(self, path, body, **params):
        """The object that a POST created."""
        response = self.post(path, body, **params)
        assert response.status == 201, response.body
        return response.body

    def names(self, path, **params):
        response = self.get(path, **params)
        assert response.status == 200, response.body
        return [item["metadata"]["name"] for item in response.body["items"]]

    def run_pod(self, name, node="node-1", ready=True, phase="Running", namespace="shop"):
        """Binds a pod to a node and says that it runs, as scheduler and kubelet would."""
        if not self.store.get(PODS, namespace, name)["spec"].get("nodeName"):
            self.store.patch(PODS, namespace, name, {"spec": {"nodeName": node}})
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        status = {"phase": phase, "conditions": [condition]}
        return self.store.patch(PODS, namespace, name, {"status": status}, subresource="status")


@pytest.fixture
def api():
    """An API with the namespace shop."""
    api = Api()
    api.made("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    return api


@pytest.fixture
def another_api():
    """Makes further APIs of a given seed."""
    return Api


@pytest.fixture
def pod():
    """Makes a pod's manifest."""

    def make(name="web", labels=None, **spec):
        meta = {"name": name, "labels": labels if labels is not None else {"app": "web"}}
        container = {"name": "web", "image": "sandbox/web:1"}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": meta,
            "spec": {"containers": [container], **spec},
        }

    return make


@pytest.fixture
def workload():
    """Makes the manifest of a Deployment, ReplicaSet or StatefulSet."""

    def make(name="web", replicas=2, kind="Deployment", **spec):
        labels = {"app": name}
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "web", "image": "sandbox/web:1"}]},
        }
        body = {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": template,
            **spec,
        }
        return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": body}

    return make


class Served:
    """A store behind its HTTPS server, in a thread with a loop of its own."""

    def __init__(self, folder: Path) -> None:
        self.store = Store()
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self.token = "a-token-for-tests"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        self.run(self._start())

    async def _start(self) -> None:
        seed(self.store)
        self.server = Server(self.store, self.token)
        identity = await self.server.start(self.folder)
        write_kubeconfig(self.kubeconfig, self.server.url, self.token, identity.authority_pem)
        self.context = ssl.create_default_context(cadata=identity.authority_pem.decode())
        self.context.verify_flags |= ssl.VERIFY_X509_STRICT

    def run(self, work):
        """Awaits something in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def do(self, function, *values, **named):
        """Calls something in the server's loop, where alone the store may be touched."""

        async def call():
            return function(*values, **named)

        return self.run(call())

    def stop(self) -> None:
        self.run(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def connection(self, timeout=5.0):
        port = int(self.server.url.rpartition(":")[2])
        return http.client.HTTPSConnection("127.0.0.1", port, context=self.context, timeout=timeout)

    def ask(self, method, path, body=None, token=None, timeout=5.0):
        """(status, data or text, headers) of one request."""
        connection = self.connection(timeout)
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": JSON}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        is_json = response.headers["Content-Type"].startswith(JSON)
        return response.status, json.loads(data) if is_json else data.decode(), response.headers


@pytest.fixture
def served(tmp_path):
    """A fresh server."""
    served = Served(tmp_path)
    served.start()
    yield served
    served.stop()
