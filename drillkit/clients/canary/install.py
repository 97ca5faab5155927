"""A permanent heartbeat in a namespace: a CronJob that signs a ConfigMap every minute, so that what
a restore brings back says by itself up to when it reaches.

It is no effect of a run: it stays until somebody removes it. It is marked by labels of its own, and
what has its names without them is left alone.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from drillkit.clients.canary.beat import KEY, Beat, beat_of, object_of, sign, table_of
from drillkit.clients.kube import Kube, Object, Resource
from drillkit.clients.kube.client import MERGE_PATCH
from drillkit.clients.kube.resources import (
    CONFIGMAPS,
    CRONJOBS,
    NAMESPACES,
    SECRETS,
    SERVICE_ACCOUNTS,
)
from drillkit.clients.retry import patiently
from drillkit.clock import utc
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Absent, Conflict, Invalid, NotOurs, TargetError

IMAGE = "python:3.13-alpine"
CANARY = "drillkit.dev/canary"
"""Label of everything that belongs to a heartbeat; its value is the heartbeat's name."""
MANAGED = {"app.kubernetes.io/managed-by": "drillkit"}
EVERY_MINUTE = "* * * * *"
ROLES = Resource("rbac.authorization.k8s.io", "v1", "roles", kind="Role")
BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", kind="RoleBinding")
PARTS = (SECRETS, SERVICE_ACCOUNTS, ROLES, BINDINGS, CONFIGMAPS, CRONJOBS)
"""In the order in which they are made; they are removed in the reverse one."""
ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
_SCRIPT = """
import datetime, hashlib, hmac, json, os, secrets, ssl, urllib.request
env = os.environ
epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
at, token = datetime.datetime.now(datetime.timezone.utc), secrets.token_hex(8)
said = "%d:%s" % ((at - epoch) // datetime.timedelta(microseconds=1), token)
signature = hmac.new(env["KEY"].encode(), said.encode(), hashlib.sha256).hexdigest()
body = json.dumps({"data": {"at": at.isoformat(), "token": token, "signature": signature}}).encode()
host, port = env["KUBERNETES_SERVICE_HOST"], env.get("KUBERNETES_SERVICE_PORT", "443")
host = "[%s]" % host if ":" in host else host
url = "https://%s:%s/api/v1/namespaces/%s/configmaps/%s" % (host, port, env["NAMESPACE"], env["NAME"])
bearer = open(env["ACCOUNT"] + "/token").read().strip()
headers = {"Authorization": "Bearer " + bearer, "Content-Type": "application/merge-patch+json"}
request = urllib.request.Request(url, body, headers, method="PATCH")
tls = ssl.create_default_context(cafile=env["ACCOUNT"] + "/ca.crt")
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls))
direct.open(request, timeout=20).read()
print("beat of", at.isoformat())
"""  # noqa: E501


@dataclass(frozen=True, slots=True)
class HeartbeatStatus:
    """How a heartbeat stands."""

    beat: Beat | None
    signed: bool
    """The beat bears the key's signature."""
    state: str
    """`beating`, `suspended`, or what is missing."""
    age_s: float | None


def install(
    kube: Kube,
    namespace: str,
    name: str,
    *,
    image: str = IMAGE,
    key: bytes | None = None,
    tell: Callable[[str], None] = lambda text: None,
    go_on: Callable[[], None] = lambda: None,
) -> None:
    """Make the heartbeat, or bring one that is there up to date; its key stays unless another one
    is given.

    `go_on` is asked before each part; what it raises ends it. Raises TargetError without the
    namespace, NotOurs where something else has one of its names, CallError.
    """
    if kube.find(NAMESPACES, namespace) is None:
        raise TargetError(
            f"expected namespace {namespace}, found none; a heartbeat belongs beside what is "
            "backed up"
        )
    called = object_of(name)
    there = kube.find(SECRETS, called, namespace)
    kept = _key_in(there) if there is not None and key is None else None
    secret = key or kept or secrets.token_hex(32).encode()
    for resource, body in _bodies(kube, namespace, name, image, secret).items():
        go_on()
        tell(
            f"{resource.said(called, namespace)}: "
            f"{_put(kube, resource, called, namespace, name, body)}"
        )


def standing(kube: Kube, namespace: str, name: str) -> HeartbeatStatus:
    """How it stands. Raises CallError."""
    called = object_of(name)
    job, found = kube.find(CRONJOBS, called, namespace), kube.find(CONFIGMAPS, called, namespace)
    if job is None and found is None:
        return HeartbeatStatus(None, False, "not installed", None)
    state = "beating"
    if job is None:
        state = "its CronJob is missing"
    elif (job.get("spec") or {}).get("suspend"):
        state = "suspended"
    try:
        beat = beat_of((found or {}).get("data") or {})
    except ValueError as error:
        return HeartbeatStatus(None, False, f"no beat: {error}", None)
    secret = kube.find(SECRETS, called, namespace)
    signed = secret is not None and beat.signed_with(_key_in(secret))
    return HeartbeatStatus(beat, signed, state, kube.now() - beat.at.timestamp())


def remove(
    kube: Kube,
    namespace: str,
    name: str,
    *,
    tell: Callable[[str], None] = lambda text: None,
    go_on: Callable[[], None] = lambda: None,
) -> int:
    """Remove what belongs to it; how many objects those were. `go_on` is asked before each; what it
    raises ends it. Raises CallError.
    """
    called, count = object_of(name), 0
    for resource in reversed(PARTS):
        go_on()
        there = kube.find(resource, called, namespace)
        if there is None:
            continue
        if not _is_ours(there, name):
            tell(f"{resource.said(called, namespace)}: left alone, it is no part of the heartbeat")
            continue
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": there["metadata"]["uid"]},
        }
        _send(
            kube,
            "DELETE",
            resource.path(called, namespace),
            f"delete {resource.said(called, namespace)}",
            options,
        )
        tell(f"{resource.said(called, namespace)}: removed")
        count += 1
    return count


def sql(name: str) -> str:
    """The table of a heartbeat, and the statement that a job must run every minute,
    for PostgreSQL.
    """
    table = table_of(name)
    return f"""-- Once, by the owner of the database:
{create_table(name)};
create extension if not exists pgcrypto;

-- Every minute (pg_cron, a Lambda, a CronJob with psql), :key being the value behind `canary_key` of the target:
with beat as (select clock_timestamp() as at, encode(gen_random_bytes(8), 'hex') as token)
insert into {table} (at, token, signature)
select at, token, encode(hmac((extract(epoch from at) * 1000000)::bigint || ':' || token, :'key', 'sha256'), 'hex')
from beat;

-- Every day:
delete from {table} where at < now() - interval '14 days';
"""  # noqa: E501


def create_table(name: str) -> str:
    """The statement that makes the table, once."""
    columns = "at timestamptz not null primary key, token text not null, signature text not null"
    return f"create table if not exists {table_of(name)} ({columns})"


def _bodies(
    kube: Kube, namespace: str, name: str, image: str, key: bytes
) -> Mapping[Resource, Object]:
    called = object_of(name)
    rules = [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": [called],
            "verbs": ["get", "patch"],
        }
    ]
    subject = {"kind": "ServiceAccount", "name": called, "namespace": namespace}
    role = {"apiGroup": ROLES.group, "kind": ROLES.kind, "name": called}
    return {
        SECRETS: {"type": "Opaque", "data": {KEY: base64.b64encode(key).decode()}},
        SERVICE_ACCOUNTS: {"automountServiceAccountToken": False},
        ROLES: {"rules": rules},
        BINDINGS: {"roleRef": role, "subjects": [subject]},
        CONFIGMAPS: {"data": _first_beat(key, utc(kube.now()))},
        CRONJOBS: {"spec": _cron_job(namespace, called, name, image)},
    }


def _first_beat(key: bytes, at: datetime) -> dict[str, str]:
    token = secrets.token_hex(8)
    return {"at": at.isoformat(), "token": token, "signature": sign(key, at, token)}


def _cron_job(namespace: str, called: str, name: str, image: str) -> Object:
    environment: list[dict[str, Any]] = [
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": called, "key": KEY}}},
        {"name": "NAMESPACE", "value": namespace},
        {"name": "NAME", "value": called},
        {"name": "ACCOUNT", "value": ACCOUNT_FOLDER},
    ]
    container = {
        "name": "beat",
        "image": image,
        "command": ["python3", "-c", _SCRIPT],
        "env": environment,
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    pod = {
        "serviceAccountName": called,
        "automountServiceAccountToken": True,
        "restartPolicy": "Never",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    labels = {**MANAGED, CANARY: name}
    return {
        "schedule": EVERY_MINUTE,
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 50,
        "successfulJobsHistoryLimit": 1,
        "failedJobsHistoryLimit": 2,
        "jobTemplate": {
            "metadata": {"labels": labels},
            "spec": {
                "backoffLimit": 0,
                "activeDeadlineSeconds": 45,
                "ttlSecondsAfterFinished": 300,
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
    }


def _put(
    kube: Kube, resource: Resource, called: str, namespace: str, name: str, body: Object
) -> str:
    said = resource.said(called, namespace)
    there = kube.find(resource, called, namespace)
    if there is not None and not _is_ours(there, name):
        raise NotOurs(
            f"{said} is there and no part of a heartbeat `{name}`: left alone. Choose another "
            "--name, or remove it"
        )
    if there is None:
        meta = {"name": called, "namespace": namespace, "labels": {**MANAGED, CANARY: name}}
        obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, **body}
        try:
            _send(kube, "POST", resource.path(namespace=namespace), f"create {said}", obj)
        except Conflict:
            if (again := kube.find(resource, called, namespace)) is None or not _is_ours(
                again, name
            ):
                raise
        return "made"
    if resource is BINDINGS and there.get("roleRef") != body["roleRef"]:
        raise Invalid(
            f"{said} refers to another role, which cannot be changed; run `drillkit canary remove` "
            "first"
        )
    if resource is CONFIGMAPS:
        return "there"
    path = resource.path(called, namespace)
    _send(kube, "PATCH", path, f"bring {said} up to date", body, MERGE_PATCH)
    return "up to date"


def _is_ours(obj: Object, name: str) -> bool:
    return (obj["metadata"].get("labels") or {}).get(CANARY) == name


def _key_in(secret: Object) -> bytes:
    """Raises Absent for a Secret without the key."""
    text = (secret.get("data") or {}).get(KEY)
    if not text:
        raise Absent(f"secret/{secret['metadata']['name']}: expected `{KEY}` in it")
    return base64.b64decode(text)


def _send(
    kube: Kube,
    method: str,
    path: str,
    asked: str,
    body: Any,
    content_type: str = "application/json",
) -> None:
    try:
        patiently(
            lambda: kube._send(method, path, asked, body=body, content_type=content_type),
            kube.clock,
            attempts=3,
            limit_s=20.0,
        )
    except Absent:
        if method != "DELETE":
            raise
