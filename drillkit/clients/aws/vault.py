"""What keeps a backup from being deleted: a vault of AWS Backup, a lock on an object of S3.

Reads only, and never the reason why a restore fails: what cannot be read is told as unread.
Sources: API references of AWS Backup (DescribeBackupVault, DescribeRecoveryPoint) and of S3
(HeadObject). A lock in governance mode does not count: whoever has the permission lifts it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from drillkit.clients.aws.aws import Aws
from drillkit.clients.aws.service_client import ServiceClient
from drillkit.clock import utc
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, DrillError

MOST = 1000
"""Recovery points of one resource that are looked through."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Whether a backup can be deleted. None, '': it is not known; `unread` says why."""

    immutable: bool | None = None
    until: datetime | None = None
    lock: str = ""
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """An object of a bucket, as the bucket describes it."""

    kept: Retention
    bytes: int | None = None
    encrypted: bool | None = None
    key: str = ""


def kept(aws: Aws, recovery_point: str, resource: str, region: str = "") -> Retention:
    """What keeps a recovery point of AWS Backup. `recovery_point`, `resource`: their ARNs."""
    try:
        service = aws.service("backup", region)
        asked = f"look for the vault of {recovery_point}"
        listed = service.read(
            "ListRecoveryPointsByResource", asked, ResourceArn=resource, MaxResults=MOST
        )
        name = _vault_in(listed, recovery_point)
        if not name:
            return Retention(unread=(f"no vault tells that it holds {recovery_point}",))
        vault = service.read("DescribeBackupVault", f"look at vault {name}", BackupVaultName=name)
        point = service.read(
            "DescribeRecoveryPoint",
            f"look at {recovery_point}",
            BackupVaultName=name,
            RecoveryPointArn=recovery_point,
        )
    except DrillError as error:
        return Retention(unread=(f"vault: {error}",))
    return _by_vault(name, vault, point, utc(aws.clock.now()))


def _vault_in(listed: Mapping[str, Any], recovery_point: str) -> str:
    points = listed.get("RecoveryPoints") or []
    names = (p.get("BackupVaultName") for p in points if p["RecoveryPointArn"] == recovery_point)
    return str(next(names, "") or "")


def _by_vault(
    name: str, vault: Mapping[str, Any], point: Mapping[str, Any], now: datetime
) -> Retention:
    if not vault.get("Locked"):
        return Retention(False, lock=f"none: vault {name} is not locked")
    until = (point.get("CalculatedLifecycle") or {}).get("DeleteAt")
    sealed: datetime | None = vault.get("LockDate")
    if sealed is None or sealed > now:
        when = f" before {sealed:%Y-%m-%d}" if sealed else ""
        text = f"Vault Lock of {name}, which whoever has the permission can lift{when}"
        return Retention(False, lock=text)
    return Retention(True, until, f"Vault Lock of {name}, compliance")


def stored(aws: Aws, bucket: str, key: str, region: str = "") -> Stored:
    """What a bucket says of an object: its length, encryption and lock."""
    where = f"s3://{bucket}/{key}"
    try:
        service = aws.service("s3", region)
        head = service.read("HeadObject", f"look at {where}", Bucket=bucket, Key=key)
        lock = _by_object(head, utc(aws.clock.now())) or _by_bucket(service, bucket)
    except DrillError as error:
        return Stored(Retention(unread=(str(error),)))
    method = str(head.get("ServerSideEncryption") or "")
    key_name = str(head.get("SSEKMSKeyId") or method)
    return Stored(lock, int(head["ContentLength"]), bool(method), key_name)


def _by_object(head: Mapping[str, Any], now: datetime) -> Retention | None:
    """None: it tells nothing of a lock."""
    mode, until = str(head.get("ObjectLockMode") or ""), head.get("ObjectLockRetainUntilDate")
    if mode == "COMPLIANCE" and until is not None and until > now:
        return Retention(True, until, "Object Lock, COMPLIANCE")
    if head.get("ObjectLockLegalHoldStatus") == "ON":
        text = "Object Lock, legal hold, which whoever has the permission can lift"
        return Retention(False, lock=text)
    if not mode or until is None:
        return None
    if until <= now:
        return Retention(False, lock=f"Object Lock, {mode}, which ended {until:%Y-%m-%d}")
    text = f"Object Lock, {mode} until {until:%Y-%m-%d}, which whoever may bypass it can lift"
    return Retention(False, lock=text)


def _by_bucket(service: ServiceClient, bucket: str) -> Retention:
    """Without s3:GetObjectRetention S3 leaves an object's lock out and says nothing."""
    try:
        asked = f"look at the object lock of {bucket}"
        found = service.read("GetObjectLockConfiguration", asked, Bucket=bucket)
    except CallError as error:
        if "ObjectLockConfigurationNotFound" in str(error):
            return Retention(False, lock=f"none: bucket {bucket} has no Object Lock")
        return Retention(unread=(str(error),))
    rule = ((found.get("ObjectLockConfiguration") or {}).get("Rule") or {}).get("DefaultRetention")
    if not rule:
        return Retention(False, lock=f"none: bucket {bucket} locks only what asks for it")
    term = f"{rule['Days']} days" if rule.get("Days") else f"{rule.get('Years', 0)} years"
    text = f"bucket {bucket} locks for {term}, {rule.get('Mode')}"
    return Retention(lock=text, unread=("its own date needs s3:GetObjectRetention",))
