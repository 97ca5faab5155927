"""Who owns which field: managedFields, and server-side apply on top of them.

Simpler than Kubernetes: the lists that merge are those of `patches.merge_key`; every other list,
and every list of a custom resource, is owned as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from drillkit.sandbox.kube.errors import ApiError
from drillkit.sandbox.kube.objects import Object, clone
from drillkit.sandbox.kube.patches import merge_key

Path = tuple[str, ...]
"""Steps as in FieldsV1: ``f:spec``, ``k:{"name":"web"}``, ``v:"a-finalizer"``."""

_UNOWNED = {"apiVersion", "kind"}
_OWNED_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")


def leaves(obj: Object, *, custom: bool) -> dict[Path, Any]:
    """The owned fields of an object with their values; an item of a merging list counts
    itself, too.
    """
    found: dict[Path, Any] = {}
    meta = obj.get("metadata") or {}
    _collect(
        {key: meta[key] for key in _OWNED_METADATA if key in meta}, ("f:metadata",), custom, found
    )
    for key, value in obj.items():
        if key not in _UNOWNED and key != "metadata":
            _walk(key, value, (f"f:{key}",), custom, found)
    return found


def _collect(value: Object, path: Path, custom: bool, found: dict[Path, Any]) -> None:
    for key, item in value.items():
        _walk(key, item, (*path, f"f:{key}"), custom, found)


def _walk(field: str, value: Any, path: Path, custom: bool, found: dict[Path, Any]) -> None:
    if isinstance(value, dict) and value and field != "selector":
        _collect(value, path, custom, found)
    elif isinstance(value, list) and value and (key := _list_key(field, value, path, custom)):
        for item in value:
            step = (
                f"v:{json.dumps(item)}"
                if key == "="
                else "k:" + json.dumps({key: item[key]}, separators=(",", ":"))
            )
            found[(*path, step)] = item if key == "=" else None
            if key != "=":
                _collect(item, (*path, step), custom, found)
    else:
        found[path] = value


def _list_key(field: str, items: list[Any], path: Path, custom: bool) -> str:
    if path == ("f:metadata", "f:finalizers"):
        return "="
    return "" if custom and path[0] != "f:metadata" else merge_key(field, items)


def encode(paths: Iterable[Path]) -> Object:
    """Paths as FieldsV1."""
    root: Object = {}
    for path in sorted(paths):
        node = root
        for step in path:
            node = node.setdefault(step, {})
        if path[-1].startswith("k:"):
            node["."] = {}
    return root


def decode(fields: Object, prefix: Path = ()) -> set[Path]:
    """The paths of a FieldsV1."""
    found: set[Path] = set()
    for step, below in fields.items():
        path = (*prefix, step)
        if step == ".":
            found.add(prefix)
        elif not below:
            found.add(path)
        else:
            found |= decode(below, path)
    return found


def _key(entry: Object) -> tuple[str, str, str]:
    return entry.get("manager", ""), entry.get("operation", ""), entry.get("subresource", "")


def _entries(obj: Object) -> list[tuple[Object, set[Path]]]:
    return [
        (entry, decode(entry.get("fieldsV1") or {}))
        for entry in obj["metadata"].get("managedFields") or []
    ]


def _store(obj: Object, entries: list[tuple[Object, set[Path]]]) -> None:
    managed = [{**entry, "fieldsV1": encode(paths)} for entry, paths in entries if paths]
    if managed:
        obj["metadata"]["managedFields"] = managed
    else:
        obj["metadata"].pop("managedFields", None)


def _entry(manager: str, operation: str, obj: Object, time: str, subresource: str) -> Object:
    entry = {
        "manager": manager,
        "operation": operation,
        "apiVersion": obj["apiVersion"],
        "time": time,
    }
    return {
        **entry,
        "fieldsType": "FieldsV1",
        **({"subresource": subresource} if subresource else {}),
    }


def track(
    old: Object | None, new: Object, manager: str, time: str, *, subresource: str = "", custom: bool
) -> None:
    """Writes into ``new`` that ``manager`` owns the fields it changed (an Update, not an apply)."""
    before = leaves(old, custom=custom) if old else {}
    after = leaves(new, custom=custom)
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    gone = before.keys() - after.keys()
    if not changed and not gone:
        return
    mine = (manager, "Update", subresource)
    entries = [
        (entry, paths if _key(entry) == mine else paths - changed) for entry, paths in _entries(new)
    ]
    entries = [(entry, paths - gone) for entry, paths in entries]
    for at, (entry, paths) in enumerate(entries):
        if _key(entry) == mine:
            fresh = _entry(manager, "Update", new, time, subresource)
            entries[at] = (fresh if changed else entry, paths | changed)
            break
    else:
        entries.append((_entry(manager, "Update", new, time, subresource), changed))
    _store(new, entries)


def applied(
    live: Object | None, config: Object, manager: str, time: str, *, force: bool, custom: bool
) -> Object:
    """``live`` after ``manager`` applied ``config``: its fields set, those it gave up
    removed. Raises 409.
    """
    wanted = leaves(config, custom=custom)
    if live is None:
        fresh: Object = clone(config)
        _store(fresh, [(_entry(manager, "Apply", config, time, ""), set(wanted))])
        return fresh
    present = leaves(live, custom=custom)
    me = (manager, "Apply", "")
    entries = _entries(live)
    others = [(entry, paths) for entry, paths in entries if _key(entry) != me]
    contested = {path for path, value in wanted.items() if value is not None and path in present}
    contested = {path for path in contested if present[path] != wanted[path]}
    clashes = [(entry, path) for entry, paths in others for path in sorted(paths & contested)]
    if clashes and not force:
        raise _conflict(clashes)
    formerly = next((paths for entry, paths in entries if _key(entry) == me), set())
    kept = set().union(*(paths for _, paths in others)) if others else set()
    result: Object = _merge("", live, config, custom, ())
    for path in sorted(formerly - wanted.keys(), key=len, reverse=True):
        if not any(other[: len(path)] == path for other in kept):
            _remove(result, path)
    remaining = [(entry, paths - contested) for entry, paths in others]
    result["metadata"] = dict(result["metadata"])
    _store(result, [*remaining, (_entry(manager, "Apply", config, time, ""), set(wanted))])
    if _same_owners(result, live):
        result["metadata"]["managedFields"] = live["metadata"]["managedFields"]
    return result


def _same_owners(new: Object, old: Object) -> bool:
    """Whether only the times differ; then nothing was changed and the version must not move."""

    def plain(obj: Object) -> list[Object]:
        return [
            {k: v for k, v in entry.items() if k != "time"}
            for entry in obj["metadata"].get("managedFields") or []
        ]

    def order(entry: Object) -> str:
        return json.dumps(entry, sort_keys=True)

    return sorted(plain(new), key=order) == sorted(plain(old), key=order)


def _conflict(clashes: list[tuple[Object, Path]]) -> ApiError:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "{entry.get("manager")}" using {entry.get("apiVersion")}',
            "field": _dotted(path),
        }
        for entry, path in clashes
    ]
    lines = "; ".join(f"{cause['message']}: {cause['field']}" for cause in causes)
    count = "1 conflict" if len(causes) == 1 else f"{len(causes)} conflicts"
    return ApiError(409, "Conflict", f"Apply failed with {count}: {lines}", {"causes": causes})


def _dotted(path: Path) -> str:
    text = ""
    for step in path:
        kind, _, rest = step.partition(":")
        if kind == "k":
            pairs = ",".join(
                f"{key}={json.dumps(value)}" for key, value in json.loads(rest).items()
            )
            text += f"[{pairs}]"
        else:
            text += f".{rest}"
    return text


def _merge(field: str, live: Any, config: Any, custom: bool, path: Path) -> Any:
    if isinstance(config, dict) and isinstance(live, dict) and field != "selector":
        result = dict(live)
        for key, value in config.items():
            result[key] = _merge(key, live.get(key), value, custom, (*path, f"f:{key}"))
        return result
    if isinstance(config, list) and isinstance(live, list):
        key = _list_key(field, [*live, *config], path, custom)
        if key == "=":
            return list(dict.fromkeys([*live, *config]))
        if key:
            return _merge_items(key, live, config, custom, path)
    return clone(config)


def _merge_items(
    key: str, live: list[Any], config: list[Any], custom: bool, path: Path
) -> list[Any]:
    result = list(live)
    for item in config:
        at = next((i for i, old in enumerate(result) if old[key] == item[key]), None)
        if at is None:
            result.append(clone(item))
        else:
            result[at] = _merge("", result[at], item, custom, (*path, "k:"))
    return result


def _remove(obj: Object, path: Path) -> None:
    """Takes a field out of ``obj`` (copying what leads to it); nothing happens where it
    is absent.
    """
    node: Any = obj
    for step in path[:-1]:
        found = _find(node, step)
        if found is None:
            return
        fresh = list(node[found]) if isinstance(node[found], list) else dict(node[found])
        node[found] = fresh
        node = fresh
    last = _find(node, path[-1])
    if last is not None:
        del node[last]


def _find(node: Any, step: str) -> Any:
    """The key or index a step names, or None."""
    kind, _, rest = step.partition(":")
    if kind == "f":
        return rest if isinstance(node, dict) and rest in node and node[rest] is not None else None
    if not isinstance(node, list):
        return None
    if kind == "v":
        value = json.loads(rest)
        return next((i for i, item in enumerate(node) if item == value), None)
    wanted = json.loads(rest)
    return next(
        (i for i, item in enumerate(node) if all(item.get(k) == v for k, v in wanted.items())), None
    )
