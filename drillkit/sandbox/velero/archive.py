"""The tarball of a backup, in the layout Velero writes and reads."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from drillkit.sandbox.kube.objects import Object

FORMAT_VERSION = "1.1.0"
MOST_ITEMS = 50_000


class CorruptBackup(Exception):
    """The tarball cannot be unpacked or does not hold what it should."""


@dataclass(frozen=True)
class Item:
    """One object in a backup."""

    group_resource: str
    """`deployments.apps`, `pods`."""
    namespace: str
    """Empty for cluster-scoped objects."""
    name: str
    object: Object

    @property
    def path(self) -> str:
        """`deployments.apps/shop/web`, `persistentvolumes/pv-1`."""
        return "/".join(part for part in (self.group_resource, self.namespace, self.name) if part)


def pack(items: Iterable[Item]) -> bytes:
    """Each object once plainly and once under its API version, as Velero does for API
    group versions.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        _add(tar, "metadata/version", (FORMAT_VERSION + "\n").encode())
        for item in items:
            scope = f"namespaces/{item.namespace}" if item.namespace else "cluster"
            version = str(item.object["apiVersion"]).rpartition("/")[2]
            data = json.dumps(item.object, sort_keys=True).encode()
            for folder in (
                item.group_resource,
                f"{item.group_resource}/{version}-preferredversion",
            ):
                _add(tar, f"resources/{folder}/{scope}/{item.name}.json", data)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, path: str, data: bytes) -> None:
    info = tarfile.TarInfo(path)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def unpack(data: bytes) -> list[Item]:
    """The objects of a tarball in the order they were packed.  Raises CorruptBackup."""
    items: list[Item] = []
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
            version = b""
            for member in tar:
                file = tar.extractfile(member)
                content = file.read() if file is not None else b""
                if member.name == "metadata/version":
                    version = content
                elif (item := _item(member.name, content)) is not None:
                    items.append(item)
                if len(items) > MOST_ITEMS:
                    raise CorruptBackup(f"the backup holds more than {MOST_ITEMS} items")
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise CorruptBackup(f"error unzipping and extracting: {error}") from error
    if version.decode().strip() != FORMAT_VERSION:
        raise CorruptBackup(f"unsupported backup version {version.decode().strip()!r}")
    return items


def _item(path: str, content: bytes) -> Item | None:
    parts = path.split("/")
    if parts[0] != "resources" or parts[2].endswith("-preferredversion"):
        return None
    namespace = parts[3] if parts[2] == "namespaces" else ""
    return Item(parts[1], namespace, parts[-1].removesuffix(".json"), json.loads(content))


def zipped_json(value: Any) -> bytes:
    """How Velero stores everything but the tarball."""
    return gzip.compress(json.dumps(value).encode(), compresslevel=1, mtime=0)


def zipped_text(lines: Iterable[str]) -> bytes:
    """A log."""
    return gzip.compress("".join(f"{line}\n" for line in lines).encode(), compresslevel=1, mtime=0)
