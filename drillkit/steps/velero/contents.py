"""What a backup holds: its objects, and its volumes, which a copy must not attach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drillkit.clients.velero import Velero
from drillkit.clients.velero.files import as_json
from drillkit.model.errors import DrillError, Refused, StepFailed
from drillkit.steps.base import Act
from drillkit.steps.velero.arguments import VeleroRestoreArguments
from drillkit.steps.velero.results import BACKUP_FILES, fetch, gather


def listed_objects(
    act: Act, velero: Velero, backup: str, arguments: VeleroRestoreArguments
) -> Mapping[str, list[str]]:
    """What the backup lists. Raises StepFailed when it does not hold what is to be restored."""
    words = gather(act, velero, backup, {"BackupResourceList": BACKUP_FILES["BackupResourceList"]})
    listed: Mapping[str, list[str]] | None = words.data("BackupResourceList")
    if listed is None:
        return {}
    there = {item.partition("/")[0] for items in listed.values() for item in items}
    if missing := sorted(set(arguments.namespaces) - there):
        raise StepFailed(
            f"backup {backup} holds nothing of namespace {', '.join(missing)}: nothing would "
            "come back"
        )
    return listed


def disk_handles(volumes: list[dict[str, Any]]) -> tuple[str, ...]:
    """Handles of the original's disks."""
    handles = {str((each.get("pvInfo") or {}).get("volumeHandle") or "") for each in volumes}
    return tuple(sorted(handles - {""}))


def restorable_volumes(
    act: Act, velero: Velero, backup: str, arguments: VeleroRestoreArguments
) -> list[dict[str, Any]]:
    """What the backup tells of its volumes. Raises Refused when the copy would attach one."""
    what = f"what backup {backup} holds of its volumes cannot be read"
    advice = "with `volumes: false` claims come back empty, and the drill goes on"
    try:
        content = fetch(act, velero, "BackupVolumeInfos", backup)
        infos: list[dict[str, Any]] = as_json(content or b"[]", "BackupVolumeInfos") or []
    except Refused:
        raise
    except DrillError as error:
        raise Refused(
            f"{what}: {error}. A skipped volume would come back as the original's disk; {advice}"
        ) from error
    if content is None:
        raise Refused(
            f"{what}: it is older than Velero 1.13. A skipped volume may be the original's "
            f"disk; {advice}"
        )
    ours = [i for i in infos if i.get("pvcNamespace") in arguments.namespaces]
    kept = [
        i
        for i in ours
        if i.get("skipped") and (i.get("pvInfo") or {}).get("reclaimPolicy") == "Retain"
    ]
    if kept:
        names = ", ".join(
            f"{i.get('pvcNamespace')}/{i.get('pvcName')} ({i.get('pvName')})" for i in kept
        )
        raise Refused(
            f"backup {backup} skipped volumes whose policy is Retain: {names}. Velero would "
            "restore them as they are: the copy would attach the original's disk. Back them up, "
            f"or leave volumes out: {advice}"
        )
    return infos
