"""What marks an object as a run's own, and how somebody with nothing but kubectl learns the
way back.

Two marks decide together: the run's id, and the object's own name. Restores and copies inherit
labels, so the run's id alone would make a copy of a fault look like the fault.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from drillkit.clients.kube.resources import Object
from drillkit.lazy_dataclass import dataclass
from drillkit.model.json_text import load_json

RUN = "drillkit.dev/run"
OF = "drillkit.dev/of"
UNDO = "drillkit.dev/undo"
EXPIRES = "drillkit.dev/expires"
STOP = "drillkit.dev/stop"
"""Set on the run's Lease, it aborts the run: `kubectl annotate lease ...
drillkit.dev/stop=reason`.
"""
BLOCKED = "drillkit.dev/blocked"
"""Set on the Lease, it stops the run that holds it and keeps every other from starting."""
LABEL_LIMIT = 63


def own_name(name: str) -> str:
    """The object's own name as a label value: itself, or a digest where a label cannot hold it."""
    if len(name) <= LABEL_LIMIT and ":" not in name:
        return name
    return "sha256-" + hashlib.sha256(name.encode()).hexdigest()[:40]


def labels(run: str, name: str) -> dict[str, str]:
    """Labels of an object that a run creates."""
    return {RUN: run, OF: own_name(name)}


def is_ours(obj: Object, run: str, name: str, uid: str = "") -> bool:
    """Whether an object that stands where ours should stand is ours. `uid` as far as it
    is known.
    """
    meta = obj["metadata"]
    found = meta.get("labels") or {}
    if uid and meta.get("uid") != uid:
        return False
    return found.get(RUN) == run and found.get(OF) == own_name(name)


def change_key(run: str, paths: tuple[str, ...]) -> str:
    """Name of the annotation that marks a change of fields of an object that is not ours. One
    per change.
    """
    digest = hashlib.sha256("\n".join((run, *paths)).encode()).hexdigest()[:10]
    return f"{UNDO}-{digest}"


def change_text(run: str, how: str, expires: str, uid: str, fields: Mapping[str, Any]) -> str:
    """Value of that annotation: who, how to undo by hand, until when it was meant to last, on which
    object (copies inherit annotations), and each field with what stood there and what does now.
    """
    until = {"expires": expires} if expires else {}
    said = {**until, "fields": fields, "of": uid, "run": run, "undo": how}
    return json.dumps(said, separators=(",", ":"))  # in order: the fields' own makes the key


@dataclass(frozen=True, slots=True)
class ChangeMark:
    """What such an annotation says."""

    run: str
    expires: str
    fields: Mapping[str, tuple[Any, Any]]
    """JSON pointer -> (what stood there, what the run put there); None for nothing."""


def change_marks(obj: Object) -> Iterator[ChangeMark]:
    """The marks on an object that can be read, and that were made for it and no other."""
    meta = obj["metadata"]
    for key, text in (meta.get("annotations") or {}).items():
        if not key.startswith(f"{UNDO}-"):
            continue
        try:
            said = load_json(text)
            fields = {str(path): (prior, new) for path, (prior, new) in said["fields"].items()}
            found = ChangeMark(str(said["run"]), str(said["expires"]), fields)
            fits = said["of"] == meta["uid"] and key == change_key(found.run, tuple(fields))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # somebody wrote it, or cut it: nothing is guessed
        if fits:
            yield found
