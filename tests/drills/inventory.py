"""What a sandbox holds, asked of its API without drillkit's clients: every object's wishes and
marks, by name.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

PASSING = frozenset({"events", "endpoints", "endpointslices", "pods", "replicasets"})
"""Notices, and what is made anew whenever a pod or a rollout is; pods are counted."""
LEFT_BEHIND = frozenset({"chaosresults"})
"""Results that another tool leaves on purpose."""
BEATING = "drillkit-heartbeat"
"""It changes every second, whoever looks."""
LISTED: tuple[tuple[str, str, dict[str, str], str, str], ...] = (
    ("rds", "describe_db_instances", {}, "DBInstances", "DBInstanceIdentifier"),
    ("rds", "describe_db_clusters", {}, "DBClusters", "DBClusterIdentifier"),
    (
        "rds",
        "describe_db_snapshots",
        {"SnapshotType": "manual"},
        "DBSnapshots",
        "DBSnapshotIdentifier",
    ),
    (
        "rds",
        "describe_db_cluster_snapshots",
        {"SnapshotType": "manual"},
        "DBClusterSnapshots",
        "DBClusterSnapshotIdentifier",
    ),
    ("rds", "describe_db_parameter_groups", {}, "DBParameterGroups", "DBParameterGroupName"),
    ("elasticache", "describe_replication_groups", {}, "ReplicationGroups", "ReplicationGroupId"),
    (
        "elasticache",
        "describe_snapshots",
        {"SnapshotSource": "manual"},
        "Snapshots",
        "SnapshotName",
    ),
)
"""What of AWS is compared: service, call, arguments, key of its list, key of a name."""
ROLLOUT = ("deployment.kubernetes.io/revision", "kubectl.kubernetes.io/restartedAt")
"""A restart's date and number: nothing takes a restart back."""


class Api:
    """Requests with a kubeconfig's identity, on one connection."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        tls = ssl.create_default_context(
            cadata=_content(cluster, "certificate-authority", kubeconfig)
        )
        self._headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        if "client-certificate" in user:
            tls.load_cert_chain(user["client-certificate"], user["client-key"])
        server = urlsplit(cluster["server"])
        assert server.hostname
        self._connection = http.client.HTTPSConnection(
            server.hostname, server.port, timeout=10, context=tls
        )

    def close(self) -> None:
        self._connection.close()

    def get(self, path: str) -> Any:
        status, found = self.send("GET", path)
        assert status == 200, found
        return found

    def send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, Any]:
        """(status, what was answered)."""
        content = None if body is None else json.dumps(body)
        headers = {**self._headers, "Content-Type": "application/json"}
        self._connection.request(method, path, content, headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def resources(self) -> dict[str, str]:
        """Path that lists it to the plural name, of everything that is served."""
        groups = [g["preferredVersion"]["groupVersion"] for g in self.get("/apis")["groups"]]
        found = {}
        for prefix in ("/api/v1", *(f"/apis/{version}" for version in groups)):
            for resource in self.get(prefix)["resources"]:
                if "list" in resource["verbs"] and "/" not in resource["name"]:
                    found[f"{prefix}/{resource['name']}"] = resource["name"]
        return found


def _content(where: dict[str, Any], key: str, kubeconfig: Path) -> str:
    if f"{key}-data" in where:
        return base64.b64decode(str(where[f"{key}-data"])).decode()
    return (kubeconfig.parent / str(where[key])).read_text(encoding="utf-8")


def inventory(kubeconfig: Path) -> dict[str, Any]:
    """Everything that a run must leave as it was."""
    with contextlib.closing(Api(kubeconfig)) as api:
        return _inventory(api)


def _inventory(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, plural in api.resources().items():
        if plural in PASSING | LEFT_BEHIND or path.startswith("/apis/metrics.k8s.io/"):
            continue
        for obj in api.get(path)["items"]:
            meta = obj["metadata"]
            if meta["name"] == BEATING:
                continue
            found[f"{plural}/{meta.get('namespace', '')}/{meta['name']}"] = _wishes(obj)
    found["ready pods"] = dict(sorted(_ready(api.get("/api/v1/pods")["items"]).items()))
    return found


def _wishes(obj: dict[str, Any]) -> Any:
    meta = obj["metadata"]
    kept = {
        key: meta.get(key) or {}
        for key in ("labels", "annotations", "finalizers", "ownerReferences")
    }
    left = {key: value for key, value in obj.items() if key not in ("metadata", "status")}
    return _without_rollout({**left, "metadata": kept})


def _without_rollout(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            k: w
            for k, v in value.items()
            if k not in ROLLOUT and (w := _without_rollout(v)) not in ({}, [], None)
        }
    if isinstance(value, list):
        return [_without_rollout(each) for each in value]
    return value


def _ready(pods: list[dict[str, Any]]) -> Counter[str]:
    def app(meta: dict[str, Any]) -> Any:
        return (meta.get("labels") or {}).get("app", meta["name"])

    return Counter(
        f"{pod['metadata']['namespace']}/{app(pod['metadata'])}"
        for pod in pods
        if not pod["metadata"].get("deletionTimestamp")
        and any(
            c["type"] == "Ready" and c["status"] == "True"
            for c in pod["status"].get("conditions", [])
        )
    )


def databases(aws: dict[str, Any]) -> dict[str, Any]:
    """Every database, cache, snapshot and parameter group of both regions, with its tags.

    Automated snapshots are left out: they come by themselves.
    """
    if not aws:
        return {}
    import boto3

    keys = aws["environment"]
    found: dict[str, Any] = {}
    for region in {aws["region"], aws.get("dr_region") or aws["region"]}:
        clients = {
            service: boto3.client(  # type: ignore[call-overload]
                service,
                region_name=region,
                endpoint_url=aws["endpoint_url"],
                aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            )
            for service in {service for service, *_ in LISTED}
        }
        for service, call, given, key, name in LISTED:
            for each in getattr(clients[service], call)(**given)[key]:
                found[f"{region} {service} {call} {each[name]}"] = each.get("TagList")
    return found
