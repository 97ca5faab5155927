"""JSON pointers (RFC 6901) into objects, and patches (RFC 6902) made of them. Pure."""

from __future__ import annotations

from typing import Any, Final


class _Absent:
    """The field that is not there."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = _Absent()


def parts(pointer: str) -> list[str]:
    """The keys of a pointer. Raises ValueError where it is none."""
    if not pointer.startswith("/"):
        raise ValueError(f"expected a JSON pointer such as /spec/replicas, found {pointer!r}")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def pointer(*keys: str | int) -> str:
    """The pointer of keys: `pointer("metadata", "annotations", "a/b")`."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def at(obj: Any, path: str) -> Any:
    """What stands at a pointer, or ABSENT."""
    found = obj
    for key in parts(path):
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            return ABSENT
    return found


def topmost_missing(obj: Any, path: str, value: Any) -> tuple[str, Any]:
    """The pointer of the first missing parent, with `value` wrapped as it must stand there; else
    both as given.

    Raises ValueError where a list would have to be made up.
    """
    keys = parts(path)
    for depth in range(1, len(keys)):
        parent = at(obj, pointer(*keys[:depth]))
        if parent is ABSENT:
            wrapped = value
            for key in reversed(keys[depth:]):
                if key.isdecimal():
                    raise ValueError(f"{path} leads nowhere: there is no {pointer(*keys[:depth])}")
                wrapped = {key: wrapped}
            return pointer(*keys[:depth]), wrapped
        if not isinstance(parent, dict | list):
            raise ValueError(
                f"{path} leads nowhere: {pointer(*keys[:depth])} is {type(parent).__name__}"
            )
    return path, value


def holds(found: Any, wanted: Any) -> bool:
    """Whether `wanted` stands there; what the other side added to it (defaults) does not count."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            k in found and holds(found[k], v) for k, v in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(holds(f, w) for f, w in zip(found, wanted, strict=True))
        )
    return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)


def operation(obj: Any, path: str, value: Any) -> dict[str, Any]:
    """The JSON patch operation that puts `value` (or ABSENT) at a pointer."""
    if value is ABSENT:
        return {"op": "remove", "path": path}
    return {"op": "add" if at(obj, path) is ABSENT else "replace", "path": path, "value": value}


def pinned(obj: Any) -> dict[str, Any]:
    """The operation that makes a patch fail with 409 unless the object is still the one that
    was read.
    """
    return {
        "op": "replace",
        "path": "/metadata/resourceVersion",
        "value": obj["metadata"]["resourceVersion"],
    }
