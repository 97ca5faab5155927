"""A container's volumes. Nothing can be mounted for a process of this machine: each volume is a
folder, and what the container is told of the place where it would be leads there instead.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drillkit.sandbox.cluster.kubelet.environment import SECRETS, Unresolved
from drillkit.sandbox.kube.objects import CONFIGMAPS, Gvr, Object

if TYPE_CHECKING:
    from drillkit.sandbox.kube.store import Store

CLAIMS: Gvr = ("", "persistentvolumeclaims")


class Mounts:
    """Where a container's mounts lead."""

    def __init__(self, places: Mapping[str, Path]) -> None:
        """`places` by the path of each mount."""
        self._places = dict(places)
        longest_first = sorted(map(re.escape, self._places), key=len, reverse=True)
        self._mounted = (
            re.compile(rf"(?<![\w.-])({'|'.join(longest_first)})(?![\w.-])")
            if longest_first
            else None
        )

    def moved(self, text: str) -> str:
        """A text of the container's, as it is true here."""
        if self._mounted is None:
            return text
        return self._mounted.sub(lambda found: str(self._places[found[1]]), text)


def filled(
    store: Store, pod: Object, container: Object, folder: Path, claims: Path
) -> dict[str, Path]:
    """The volumes of a container, filled, by the path of their mounts; those of its pod are in
    `folder`, those that outlive it in `claims`. Raises Unresolved for what is not there (yet).
    """
    volumes = {each["name"]: each for each in pod["spec"].get("volumes") or []}
    places: dict[str, Path] = {}
    for mount in container.get("volumeMounts") or []:
        volume = volumes.get(mount["name"])
        if volume is None or "projected" in volume:
            continue
        place = _filled(store, pod["metadata"]["namespace"], volume, folder, claims)
        if place is not None:
            places[mount["mountPath"].rstrip("/")] = place
    return places


def _filled(
    store: Store, namespace: str, volume: Object, folder: Path, claims: Path
) -> Path | None:
    place: Path = folder / volume["name"]
    if "emptyDir" in volume:
        place.mkdir(parents=True, exist_ok=True)
        return place
    if (source := volume.get("configMap")) is not None:
        found = _found(store, CONFIGMAPS, namespace, source["name"], source)
        texts: Mapping[str, str] = found.get("data") or {}
        return _written(place, {key: text.encode() for key, text in texts.items()}, source)
    if (source := volume.get("secret")) is not None:
        found = _found(store, SECRETS, namespace, source["secretName"], source)
        data = {key: base64.b64decode(text) for key, text in (found.get("data") or {}).items()}
        return _written(place, data, source)
    if (source := volume.get("persistentVolumeClaim")) is not None:
        claim = _found(store, CLAIMS, namespace, source["claimName"], {})
        kept: Path = claims / str(claim["metadata"]["uid"])
        kept.mkdir(parents=True, exist_ok=True)
        return kept
    return None


def _found(store: Store, gvr: Gvr, namespace: str, name: str, source: Any) -> Object:
    found = store.get(gvr, namespace, name)
    if found is None:
        if source.get("optional"):
            return {}
        raise Unresolved(f'MountVolume.SetUp failed: {gvr[1][:-1]} "{name}" not found')
    return found


def _written(place: Path, data: Mapping[str, bytes], source: Object) -> Path:
    items = source.get("items")
    chosen = {each["path"]: each["key"] for each in items} if items else {key: key for key in data}
    for path, key in chosen.items():
        if key not in data:
            raise Unresolved(f"references non-existent config key: {key}")
        file = place / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data[key])
    place.mkdir(parents=True, exist_ok=True)
    return place
