"""Checks that a restored namespace answers: a Service of it, and the heartbeat that came back."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

from drillkit import secrets
from drillkit.checks.context import Context, Copy
from drillkit.checks.expectation import as_number
from drillkit.checks.kinds import KINDS, Look
from drillkit.clients.canary import beat as canary
from drillkit.clients.canary.beat import Beat, beat_of
from drillkit.clients.kube import Kube
from drillkit.clients.kube.resources import CONFIGMAPS, SECRETS
from drillkit.model.drill import StepCheck
from drillkit.model.errors import Absent, Unanswered, UsageError
from drillkit.model.evidence import RecoveryPoint
from drillkit.secrets import excerpt

AUTHENTIC = "authentic"
TEXT_LIMIT = 2000
Looked = Callable[[Context, Copy, StepCheck], Look]


def looks(kube: Kube, namespaces: Mapping[str, str]) -> Mapping[str, Looked]:
    """The checks of a copy in `namespaces` (original to copy), by key."""

    def http(host: Context, copy: Copy, check: StepCheck) -> Look:
        if isinstance(check.http, str):
            return KINDS["http"].look(host, copy, check)
        return _http(kube, list(namespaces.values()), check)

    def beat(host: Context, copy: Copy, check: StepCheck) -> Look:
        return _canary(kube, namespaces, host, copy, check)

    return {"http": http, "canary": beat}


def _http(kube: Kube, scratches: list[str], check: StepCheck) -> Look:
    """`{service: web, path: /health}`: asked through the API server, which reaches into a
    sealed namespace.
    """
    assert isinstance(check.http, Mapping)
    unknown = set(check.http) - {"service", "path", "port", "namespace"}
    service = str(check.http.get("service") or "")
    if unknown or not service:
        raise UsageError(
            "http: expected service, path, port and namespace, found "
            f"{', '.join(map(str, check.http))}"
        )
    scratch = str(check.http.get("namespace") or scratches[0])
    path, port = str(check.http.get("path") or "/"), str(check.http.get("port") or "")
    answer = kube.ask_service(service, scratch, path, port=port)
    where = f"service/{scratch}/{service}{path}"
    if check.expect is None or not 200 <= answer.status < 300:
        return Look(str(answer.status), why=where)
    return Look(as_number(excerpt(answer.content.strip(), TEXT_LIMIT)), why=where)


def _canary(
    kube: Kube, namespaces: Mapping[str, str], host: Context, copy: Copy, check: StepCheck
) -> Look:
    """The newest beat in the copy: signed by the key, not younger than the disruption, and so a
    recovery point.
    """
    name = canary.object_of(str(check.canary))
    for source, scratch in namespaces.items():
        found = kube.find(CONFIGMAPS, name, scratch)
        if found is None:
            continue
        try:
            beat = beat_of(found.get("data") or {})
        except ValueError as error:
            return Look(f"unreadable: {error}")
        if not beat.signed_with(_key(kube, host, source, scratch, name)):
            return Look("not signed with the heartbeat's key")
        if why := _differs(kube, source, name, beat):
            return Look(why)
        point = RecoveryPoint(beat.at, "canary", copy.disrupted)
        return Look(
            AUTHENTIC,
            (point,),
            f"configmap/{scratch}/{name}, beat of {beat.at:%Y-%m-%d %H:%M:%S} UTC",
        )
    return Look("no heartbeat")


def _differs(kube: Kube, source: str, name: str, beat: Beat) -> str:
    """The original's beat of the same time must be the same, byte for byte; a later one
    says nothing.
    """
    there = kube.find(CONFIGMAPS, name, source)
    try:
        original = beat_of((there or {}).get("data") or {})
    except ValueError:
        return ""
    if beat.at > original.at:
        return "newer than the original's"
    return "differs from the original's" if beat.at == original.at and beat != original else ""


def _key(kube: Kube, host: Context, source: str, scratch: str, name: str) -> bytes:
    """What the beat was signed with: the Secret beside the original's, the target's `canary_key`,
    the restored Secret.

    The restored one comes last: who could forge a backup could forge both.
    """
    if (found := _secret(kube, source, name)) is not None:
        return found
    if host.target.canary_key:
        return (
            secrets.resolve(host.target.canary_key, "canary_key", lambda: host.clients.aws)
            .strip()
            .encode()
        )
    if (found := _secret(kube, scratch, name)) is not None:
        return found
    raise Absent(
        f"expected the heartbeat's key in secret/{source}/{name}; install it: drillkit "
        "canary install"
    )


def _secret(kube: Kube, namespace: str, name: str) -> bytes | None:
    found = kube.find(SECRETS, name, namespace)
    if found is None:
        return None
    try:
        return base64.b64decode((found.get("data") or {})[canary.KEY], validate=True)
    except (KeyError, ValueError) as error:
        raise Unanswered(f"secret/{namespace}/{name}: expected `{canary.KEY}` in base64") from error
