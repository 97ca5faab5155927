"""Who could delete a backup: what vaults and buckets say of it, and what they leave out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from drillkit.clients.aws import vault
from tests.clients.aws.wire import Body, Wire

NOW = datetime.now(UTC).replace(microsecond=0)
LATER, BEFORE = NOW + timedelta(days=30), NOW - timedelta(days=30)
POINT = "arn:aws:rds:eu-central-1:123456789012:snapshot:awsbackup:job-1"
DB = "arn:aws:rds:eu-central-1:123456789012:db:shop"
Said = tuple[int, Mapping[str, str], str]


class Rest(Wire):
    """An AWS of which services answer in JSON and XML, by path."""

    def __init__(self, say: Callable[[str], Said]) -> None:
        super().__init__(lambda *ignored: {})
        self._say = say

    def respond(self, service: str, region: str, request: Any) -> AWSResponse:
        if service == "sts":
            return super().respond(service, region, request)
        status, headers, text = self._say(f"{request.method} {request.url}")
        given: Any = {"x-amz-request-id": "1", **headers}
        return AWSResponse(request.url, status, given, Body(text.encode()))


def of_vault(locked: bool, sealed: datetime | None, delete_at: datetime | None) -> vault.Retention:
    def say(asked: str) -> Said:
        found: dict[str, Any] = {"RecoveryPointArn": POINT, "BackupVaultName": "gold"}
        if "/resources/" in asked:
            found = {"RecoveryPoints": [found]}
        elif "/recovery-points/" in asked:
            life = {"DeleteAt": delete_at.timestamp()} if delete_at else {}
            found["CalculatedLifecycle"] = life
        else:
            found["Locked"] = locked
            if sealed:
                found["LockDate"] = sealed.timestamp()
        return 200, {"Content-Type": "application/json"}, json.dumps(found)

    return vault.kept(Rest(say).connect(), POINT, DB)


def test_a_recovery_point_is_immutable_where_the_lock_of_its_vault_cannot_be_lifted() -> None:
    kept = of_vault(True, BEFORE, LATER)
    assert (kept.immutable, kept.until) == (True, LATER)
    assert kept.lock == "Vault Lock of gold, compliance"


@pytest.mark.parametrize(
    ("locked", "sealed", "lock"),
    [
        (False, None, "none: vault gold is not locked"),
        (True, None, "Vault Lock of gold, which whoever has the permission can lift"),
        (True, LATER, f"can lift before {LATER:%Y-%m-%d}"),
    ],
)
def test_a_lock_that_can_be_lifted_is_none(
    locked: bool, sealed: datetime | None, lock: str
) -> None:
    kept = of_vault(locked, sealed, LATER)
    assert kept.immutable is False
    assert kept.lock.endswith(lock)


def test_a_vault_that_may_not_be_looked_at_leaves_it_unknown() -> None:
    denied = json.dumps({"__type": "AccessDeniedException", "message": "no"})
    said: Said = (403, {"x-amzn-errortype": "AccessDeniedException"}, denied)
    kept = vault.kept(Rest(lambda asked: said).connect(), POINT, DB)
    assert kept.immutable is None
    assert "AccessDenied" in kept.unread[0]


def of_bucket(headers: Mapping[str, str], status: int = 200, rule: Said | None = None) -> Any:
    nothing = "<Error><Code>ObjectLockConfigurationNotFoundError</Code></Error>"

    def say(asked: str) -> Said:
        if asked.startswith("HEAD"):
            return status, {"Content-Length": "2048", **headers}, ""
        return rule or (404, {}, nothing)

    found = vault.stored(Rest(say).connect(), "backups", "velero/backups/b/b.tar.gz")
    return found, found.kept


def locked(mode: str, until: datetime) -> dict[str, str]:
    stamp = f"{until:%Y-%m-%dT%H:%M:%SZ}"
    return {"x-amz-object-lock-mode": mode, "x-amz-object-lock-retain-until-date": stamp}


def test_an_object_tells_its_size_key_and_lock() -> None:
    key = {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "k-1",
    }
    found, kept = of_bucket({**key, **locked("COMPLIANCE", LATER)})
    assert (found.bytes, found.encrypted, found.key) == (2048, True, "k-1")
    assert (kept.immutable, kept.until) == (True, LATER)
    plain, _ = of_bucket({})
    assert plain.encrypted is False


RULE = (
    "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>"
    "<DefaultRetention><Mode>COMPLIANCE</Mode><Days>30</Days></DefaultRetention></Rule>"
    "</ObjectLockConfiguration>"
)


@pytest.mark.parametrize(
    ("headers", "rule", "immutable", "says"),
    [
        (locked("GOVERNANCE", LATER), None, False, "whoever may bypass it can lift"),
        (locked("COMPLIANCE", BEFORE), None, False, "which ended"),
        ({"x-amz-object-lock-legal-hold": "ON"}, None, False, "legal hold"),
        ({}, None, False, "none: bucket backups has no Object Lock"),
        ({}, (200, {}, RULE), None, "bucket backups locks for 30 days, COMPLIANCE"),
        ({}, (403, {}, "<Error><Code>AccessDenied</Code></Error>"), None, ""),
    ],
)
def test_what_is_not_proven_immutable_is_not_called_so(
    headers: Mapping[str, str], rule: Said | None, immutable: bool | None, says: str
) -> None:
    _, kept = of_bucket(headers, rule=rule)
    assert kept.immutable is immutable
    assert says in kept.lock
    assert bool(kept.unread) == (immutable is None)


@pytest.mark.parametrize("status", [403, 404])
def test_an_object_that_cannot_be_looked_at_is_unread(status: int) -> None:
    found, kept = of_bucket({}, status)
    assert (found.bytes, found.encrypted, kept.immutable) == (None, None, None)
    assert "look at s3://backups/velero/backups/b/b.tar.gz" in kept.unread[0]
