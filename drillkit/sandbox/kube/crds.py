"""Custom resource definitions as data, and Velero's.

Their schemas know what clients of restore drills send: required fields, types, enums; other fields
are kept.
"""

from __future__ import annotations

from typing import Any

from drillkit.sandbox.kube.objects import Object

TEXT: Object = {"type": "string"}
_OPEN: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _object(required: tuple[str, ...] = (), **properties: Object) -> Object:
    return {
        "type": "object",
        "properties": properties,
        **({"required": list(required)} if required else {}),
    }


def _one_of(*values: str) -> Object:
    return {"type": "string", "enum": list(values)}


def definition(
    group: str,
    kind: str,
    plural: str,
    schemas: dict[str, Object],
    *,
    short: tuple[str, ...] = (),
    status: bool = False,
    columns: list[tuple[str, str]] | None = None,
) -> Object:
    """A namespaced definition.

    Args:
        schemas: the OpenAPI schema of each served version; the first one is stored.
        status: whether status is a subresource.
        columns: titles and JSON paths of what ``kubectl get`` prints.
    """
    printed = [{"name": title, "type": "string", "jsonPath": path} for title, path in columns or []]
    versions = [
        {
            "name": version,
            "served": True,
            "storage": index == 0,
            "schema": {"openAPIV3Schema": {"type": "object", **schema}},
            "subresources": {"status": {}} if status else {},
            "additionalPrinterColumns": printed,
        }
        for index, (version, schema) in enumerate(schemas.items())
    ]
    names: dict[str, Any] = {
        "plural": plural,
        "kind": kind,
        "singular": kind.lower(),
        "shortNames": list(short),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": versions},
    }


def velero() -> list[Object]:
    """Velero's definitions."""
    group = "velero.io"
    phase = [("Status", ".status.phase")]
    schema = _object(spec=_OPEN, status=_OPEN)
    storage = _object(
        spec={
            **_object(
                ("objectStorage", "provider"),
                provider=TEXT,
                objectStorage=_object(("bucket",), bucket=TEXT, prefix=TEXT, caCert=TEXT),
                accessMode=_one_of("ReadOnly", "ReadWrite"),
            ),
            "x-kubernetes-preserve-unknown-fields": True,
        },
        status=_OPEN,
    )
    scheduled = _object(
        spec={
            **_object(
                ("schedule", "template"), schedule=TEXT, paused={"type": "boolean"}, template=_OPEN
            ),
            "x-kubernetes-preserve-unknown-fields": True,
        },
        status=_OPEN,
    )
    request = _object(
        spec={
            **_object(("backupName",), backupName=TEXT),
            "x-kubernetes-preserve-unknown-fields": True,
        },
        status=_OPEN,
    )
    schemas: dict[str, tuple[str, Object, tuple[str, ...]]] = {
        "backups": ("Backup", schema, ()),
        "restores": ("Restore", schema, ()),
        "schedules": ("Schedule", scheduled, ()),
        "backupstoragelocations": ("BackupStorageLocation", storage, ("bsl",)),
        "volumesnapshotlocations": ("VolumeSnapshotLocation", schema, ("vsl",)),
        "deletebackuprequests": ("DeleteBackupRequest", request, ()),
        "downloadrequests": ("DownloadRequest", schema, ()),
        "podvolumebackups": ("PodVolumeBackup", schema, ()),
        "podvolumerestores": ("PodVolumeRestore", schema, ()),
        "backuprepositories": ("BackupRepository", schema, ()),
    }
    return [
        definition(group, kind, plural, {"v1": each}, short=short, columns=phase)
        for plural, (kind, each, short) in schemas.items()
    ]
