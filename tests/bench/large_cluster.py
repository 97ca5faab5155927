"""`advise` and `plan` on large clusters, against listing the same pods with the client that
chaosk8s uses: time and memory, each in a process of its own.

python -m tests.bench.large_cluster            10,000 pods on 500 nodes, 100,000 on 5,000
python -m tests.bench.large_cluster 10000 500  other numbers
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme

OF_EACH = 50
"""Pods of one Deployment."""
NAMESPACE = "shop"
LIST_PODS = """
from chaosk8s import create_k8s_api_client
from kubernetes.client import CoreV1Api
pods = CoreV1Api(create_k8s_api_client({})).list_pod_for_all_namespaces()
assert len(pods.items) == {pods}
"""
DRILLS = {
    "kill": "experiment: pod-delete, configuration: {namespace: shop, selector: app=web-7}",
    "drain": "experiment: node-drain, configuration: {namespace: shop, selector: app=web-7}",
}


def pod(number: str, node: str, web: str) -> dict[str, Any]:
    """A pod as large as they are: its history of fields is half of it."""
    name = f"web-{web}-5d9c7bf6d4-{number}"
    own: dict[str, Any] = {"f:one": {}, "f:two": {}, 'k:{"type":"Ready"}': {}}
    fields = {f"f:field-{n}": own for n in range(20)}
    labels = {"app": f"web-{web}", "pod-template-hash": "5d9c7bf6d4"}
    container = {
        "name": "web",
        "image": "registry.example.com/shop/web:1.2.3",
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 80}},
        "livenessProbe": {"httpGet": {"path": "/live", "port": 80}},
        "env": [{"name": f"NAME_{n}", "value": f"value-{n}"} for n in range(8)],
        "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets", "readOnly": True}],
    }
    return {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-{number}",
            "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": labels,
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": f"web-{web}-5d9c7bf6d4",
                    "uid": f"rs-{web}",
                    "controller": True,
                }
            ],
            "managedFields": [
                {
                    "manager": "kube-controller-manager",
                    "operation": "Update",
                    "apiVersion": "v1",
                    "time": "2026-01-01T00:00:00Z",
                    "fieldsType": "FieldsV1",
                    "fieldsV1": fields,
                }
            ],
        },
        "spec": {"nodeName": f"node-{node}", "containers": [container], "restartPolicy": "Always"},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "startTime": "2026-01-01T00:00:00Z",
            "conditions": [
                {"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
                for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
            ],
            "containerStatuses": [
                {
                    "name": "web",
                    "ready": True,
                    "restartCount": 0,
                    "image": "registry.example.com/shop/web:1.2.3",
                    "imageID": "sha256:0",
                    "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
                }
            ],
        },
    }


def node(number: int) -> dict[str, Any]:
    """A node in one of three zones."""
    labels = {"topology.kubernetes.io/zone": f"zone-{number % 3}"}
    return {
        "metadata": {"name": f"node-{number}", "uid": f"n-{number}", "labels": labels},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "16", "memory": "64Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def deployment(number: int) -> dict[str, Any]:
    """A Deployment whose pods those are."""
    labels = {"app": f"web-{number}"}
    template = {"metadata": {"labels": labels}, "spec": pod("0", "0", str(number))["spec"]}
    return {
        "metadata": {"name": f"web-{number}", "namespace": NAMESPACE, "uid": f"d-{number}"},
        "spec": {
            "replicas": OF_EACH,
            "selector": {"matchLabels": labels},
            "template": template,
        },
        "status": {"replicas": OF_EACH, "readyReplicas": OF_EACH},
    }


EVERYTHING = json.dumps(
    {
        "status": {
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "incomplete": False,
        }
    }
).encode()
"""What a cluster-admin is told of itself."""


class Big:
    """What the API server of a large cluster answers, made while it is asked."""

    def __init__(self, pods: int, nodes: int) -> None:
        self.pods, self.nodes = pods, nodes
        self._one = json.dumps(pod("@P", "@N", "@W"), separators=(",", ":"))

    def answer(self, method: str, path: str, query: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body."""
        if path.endswith("/selfsubjectaccessreviews"):
            return 201, b'{"status":{"allowed":true}}'
        if path.endswith("/selfsubjectrulesreviews"):
            return 201, EVERYTHING
        if path == "/version":
            return 200, b'{"gitVersion":"v1.33.0"}'
        if path.endswith(("/pods", "/nodes", "/deployments")) and method == "GET":
            return 200, self._list(path, query)
        if path == "/api/v1/namespaces/kube-system":
            return 200, b'{"metadata":{"name":"kube-system","uid":"big"}}'
        if path.startswith("/apis/") and path.count("/") <= 3:
            return 404, b"404 page not found"
        return self._other(method, path)

    def _other(self, method: str, path: str) -> tuple[int, bytes]:
        what = path.rsplit("/", 1)[-1]
        if method == "GET" and what.endswith("s"):
            return 200, b'{"metadata":{},"items":[]}'
        if method == "POST":
            return 201, b'{"metadata":{"name":"x","uid":"x","resourceVersion":"1"}}'
        if what.startswith("node-"):
            return 200, json.dumps(node(int(what.removeprefix("node-")))).encode()
        if what.startswith("web-"):
            return 200, json.dumps(deployment(int(what.removeprefix("web-")))).encode()
        return 404, b'{"kind":"Status","code":404,"message":"not found"}'

    def _list(self, path: str, query: Mapping[str, str]) -> bytes:
        kind = path.rsplit("/", 1)[-1]
        chosen = self._chosen(kind, query)
        first = int(query.get("continue", 0))
        last = min(first + int(query.get("limit", len(chosen))), len(chosen))
        more = f',"continue":"{last}"' if last < len(chosen) else ""
        items = ",".join(self._item(kind, number) for number in chosen[first:last])
        head = f'{{"metadata":{{"resourceVersion":"1"{more}}}'
        return f'{head},"items":[{items}]}}'.encode()

    def _chosen(self, kind: str, query: Mapping[str, str]) -> range:
        if kind == "nodes":
            return range(self.nodes)
        if kind == "deployments":
            return range(self.pods // OF_EACH)
        if app := query.get("labelSelector", "").removeprefix("app=web-"):
            return range(int(app) * OF_EACH, (int(app) + 1) * OF_EACH)
        if name := query.get("fieldSelector", "").removeprefix("spec.nodeName=node-"):
            return range(int(name), self.pods, self.nodes)
        return range(self.pods)

    def _item(self, kind: str, number: int) -> str:
        if kind == "nodes":
            return json.dumps(node(number))
        if kind == "deployments":
            return json.dumps(deployment(number))
        web, where = str(number // OF_EACH), str(number % self.nodes)
        return self._one.replace("@P", str(number)).replace("@N", where).replace("@W", web)


def serve(pods: int, nodes: int, folder: Path) -> None:
    """Serve for ever; the kubeconfig is written when it can be used."""
    big = Big(pods, nodes)
    authority = trustme.CA()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(asked.query).items()}
            status, body = big.answer(self.command, asked.path, query)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = _do

        def log_message(self, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    authority.cert_pem.write_to_path(folder / "ca.crt")
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "big",
        "contexts": [{"name": "big", "context": {"cluster": "big", "user": "me"}}],
        "clusters": [
            {
                "name": "big",
                "cluster": {
                    "server": f"https://127.0.0.1:{server.server_port}",
                    "certificate-authority": str(folder / "ca.crt"),
                },
            }
        ],
        "users": [{"name": "me", "user": {"token": "x"}}],
    }
    (folder / "draft").write_text(json.dumps(config))
    (folder / "draft").rename(folder / "kubeconfig")
    server.serve_forever()


def measured(command: list[str], folder: Path) -> tuple[float, float, str]:
    """Seconds of processor time, MiB at most, and what it said."""
    env = {
        **os.environ,
        "KUBECONFIG": str(folder / "kubeconfig"),
        "HOME": str(folder),
        "DRILLKIT_HOME": str(folder / "home"),
        # As installed packages are: compiled, both theirs and ours.
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(folder / "compiled"),
    }
    with (folder / "said").open("w+") as said:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
    if process.returncode not in (0, 1):
        raise SystemExit(f"{command} ended with {process.returncode}:\n{text}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, text


def compare(pods: int, nodes: int) -> None:
    """Print the figures of one cluster."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "drillkit.yaml").touch()
        (folder / "drills").mkdir()
        (folder / "drills" / "targets.yaml").write_text(
            f"big: {{kubernetes: {{kubeconfig: {folder}/kubeconfig}}, caps: {{pods: 50%}}}}\n"
        )
        for drill, given in DRILLS.items():
            (folder / "drills" / f"{drill}.yaml").write_text(
                f"drill: {drill}\nowner: me\nsteps: [{{uses: chaostoolkit, with: {{{given}}}}}]\n"
            )
        serving = ["serve", str(pods), str(nodes), name]
        server = subprocess.Popen([sys.executable, "-m", "tests.bench.large_cluster", *serving])
        try:
            while not (folder / "kubeconfig").exists():
                time.sleep(0.05)
            rows(pods, nodes, folder)
        finally:
            server.terminate()
            server.wait()


def rows(pods: int, nodes: int, folder: Path) -> None:
    """One line for each command."""
    script = LIST_PODS.replace("{pods}", str(pods))
    own = [sys.executable, "-m", "drillkit"]
    commands = (
        ("advise", [*own, "advise", "-t", "big"]),
        ("plan kill", [*own, "plan", "kill", "-t", "big"]),
        ("plan drain", [*own, "plan", "drain", "-t", "big"]),
    )
    measured([sys.executable, "-c", script], folder)
    measured(commands[0][1], folder)
    measured(commands[2][1], folder)
    none = measured([sys.executable, "-c", "import chaosk8s, kubernetes.client"], folder)
    bare = measured([*own, "list"], folder)
    theirs = measured([sys.executable, "-c", script], folder)
    print(f"{pods:,} pods on {nodes:,} nodes: seconds of processor, MiB; without start-up")
    print(f"  {'chaosk8s, list':16} {theirs[0]:7.2f} s {theirs[1]:7.0f} MiB")
    for what, command in commands:
        took, most, _ = measured(command, folder)
        time_of = (took - bare[0]) / (theirs[0] - none[0])
        memory_of = (most - bare[1]) / (theirs[1] - none[1])
        print(
            f"  {what:16} {took:7.2f} s {most:7.0f} MiB   {time_of:5.2f} of its time, "
            f"{memory_of:5.2f} of its memory"
        )


def main() -> None:
    """Measure, or serve what is measured."""
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
    elif len(sys.argv) == 3:
        compare(int(sys.argv[1]), int(sys.argv[2]))
    else:
        compare(10_000, 500)
        compare(100_000, 5_000)


if __name__ == "__main__":
    main()
