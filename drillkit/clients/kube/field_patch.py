"""Changes of fields of objects that are not ours, each with what stood there before, and the
way back.

A change writes a mark beside itself (an annotation that says who, and how to undo it by hand). The
mark tells our value from the same value set by somebody else; both go in one patch that is pinned
to the version that was read, so nothing that others do in between is lost.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from drillkit.clients.effect import make
from drillkit.clients.kube.client import JSON_PATCH, KubeClient
from drillkit.clients.kube.effect import PATIENCE, KubeAttempts
from drillkit.clients.kube.json_pointer import (
    ABSENT,
    at,
    holds,
    operation,
    parts,
    pinned,
    pointer,
    topmost_missing,
)
from drillkit.clients.kube.leftovers import listed
from drillkit.clients.kube.ownership import UNDO, change_key, change_marks, change_text
from drillkit.clients.kube.resources import (
    DEPLOYMENTS,
    NODES,
    STATEFULSETS,
    VIRTUAL_SERVICES,
    Object,
    Resource,
)
from drillkit.clients.removal import Certain, Nothing, Observation, Pending, take_back
from drillkit.clients.undo import Leftover, Lookup, UndoAction, UndoContext, expiry
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Phase, Undo, Undone
from drillkit.model.errors import Absent, Conflict

if TYPE_CHECKING:
    from drillkit.clients import Clients

RACES = 5
"""How often a change is tried again when the object changed between read and patch."""
SWEPT = (NODES, DEPLOYMENTS, STATEFULSETS, VIRTUAL_SERVICES)
"""What runs change and do not own."""
_MAPS = ("/metadata/annotations", "/metadata/labels")
_SHARED = tuple(f"{path}/" for path in _MAPS)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field: what stood there, what we put there."""

    path: str
    """JSON pointer: `/spec/replicas`, `/metadata/annotations/example.com~1key`."""
    new: str
    """JSON text; '' for no such field."""
    prior: str
    """JSON text; '' for no such field."""


def _text(value: Any) -> str:
    return "" if value is ABSENT else json.dumps(value, separators=(",", ":"), sort_keys=True)


def _value(text: str) -> Any:
    return ABSENT if text == "" else json.loads(text)


def _holds(obj: Object, path: str, text: str) -> bool:
    found, wanted = at(obj, path), _value(text)
    if wanted is ABSENT or found is ABSENT:
        return found is wanted
    return holds(found, wanted)


@dataclass(frozen=True)
class RestoreFields(UndoAction):
    """Puts back fields of an object, those that still hold the run's value; what somebody changed
    since stays.
    """

    kind: ClassVar[str] = "kube.restore-fields"
    phase: ClassVar[Phase] = "relieve"

    of: Resource
    name: str
    run: str
    """Id of the run that changes them."""
    uid: str
    """UID of the object when it was read: another one of the same name was never touched."""
    changes: tuple[FieldChange, ...]
    namespace: str = ""
    expires: str = ""
    """When the change should end (ISO 8601), for whoever reads the annotation."""

    @property
    def resource(self) -> str:
        return self.of.said(self.name, self.namespace)

    @property
    def mark(self) -> str:
        """Name of the annotation that marks this change."""
        return change_key(self.run, tuple(change.path for change in self.changes))

    @property
    def by_hand(self) -> tuple[str, ...]:
        """One patch, which changes nothing where somebody has changed a field since."""
        where = f" --namespace {self.namespace}" if self.of.namespaced else ""
        kind = f"{self.of.plural}.{self.of.group}" if self.of.group else self.of.plural
        steps = [step for change in self.changes for step in _back(change)]
        steps.append({"op": "remove", "path": pointer("metadata", "annotations", self.mark)})
        text = shlex.quote(json.dumps(steps, separators=(",", ":")))
        return (f"kubectl patch {kind} {self.name}{where} --type=json --patch {text}",)

    @property
    def in_words(self) -> str:
        """How somebody with nothing but kubectl and an editor undoes it."""
        where = f" -n {self.namespace}" if self.of.namespaced else ""
        steps = [f"{c.path} -> {c.prior or 'remove it'}" for c in self.changes]
        return f"kubectl edit {self.of.word} {self.name}{where}: {'; '.join(steps)}"

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        """Raises CallError, DeadlineOver."""
        return put_back(clients.kube, self, context)

    @classmethod
    def lookups(cls, clients: Clients) -> Iterable[Lookup]:
        """The changes that runs marked, kind by kind: whoever may not list nodes still
        sees workloads.
        """
        if clients.target.kubernetes is None:
            return []
        return [partial(_left_on, clients.kube, resource) for resource in SWEPT]


def _back(change: FieldChange) -> Iterator[dict[str, Any]]:
    """The operations of a JSON patch that put a field back if it still holds our value."""
    if change.new:
        yield {"op": "test", "path": change.path, "value": json.loads(change.new)}
    if change.prior:
        yield {"op": "add", "path": change.path, "value": json.loads(change.prior)}
    else:
        yield {"op": "remove", "path": change.path}


def _left_on(kube: KubeClient, resource: Resource) -> Iterator[Leftover]:
    for obj in listed(kube, resource):
        for undo in changes_on(resource, obj):
            if (at := expiry(undo.expires)) is not None:
                yield Leftover(undo, undo.run, at, undo.uid)


def changed(
    resource: Resource, obj: Object, new: Mapping[str, Any], *, run: str, expires: str = ""
) -> RestoreFields:
    """The undo of setting the fields `new` (JSON pointer -> value, or ABSENT to remove it) of `obj`
    as it was read.

    Where a parent of a field is missing, the change is that of its topmost missing parent
    (annotations and labels excepted: others write there too). Raises ValueError for a pointer that
    leads nowhere, or fields that hold these values already.
    """
    wrapped: dict[str, Any] = {}
    for path, value in new.items():
        place, whole = (
            (path, value) if path.startswith(_SHARED) else topmost_missing(obj, path, value)
        )
        if place in wrapped:
            raise ValueError(
                f"{path} and another field have no parent {place}; set that one as a whole"
            )
        wrapped[place] = whole
    changes = tuple(
        FieldChange(path, _text(value), _text(at(obj, path)))
        for path, value in wrapped.items()
        if not (value is ABSENT and at(obj, path) is ABSENT)
    )
    meta = obj["metadata"]
    undo = RestoreFields(
        resource,
        meta["name"],
        run,
        meta["uid"],
        changes,
        namespace=meta.get("namespace", ""),
        expires=expires,
    )
    if not changes or all(_holds(obj, c.path, c.new) for c in changes):
        raise ValueError(
            f"{undo.resource} holds {', '.join(new)} as wanted already: there is nothing to change"
        )
    return undo


def changes_on(resource: Resource, obj: Object) -> Iterator[RestoreFields]:
    """The undos of the changes that runs marked on an object, whatever machine they ran on."""
    meta = obj["metadata"]
    for mark in change_marks(obj):
        yield RestoreFields(
            resource,
            meta["name"],
            mark.run,
            meta["uid"],
            tuple(
                FieldChange(path, _known(new), _known(prior))
                for path, (prior, new) in mark.fields.items()
            ),
            namespace=meta.get("namespace", ""),
            expires=mark.expires,
        )


def _known(value: Any) -> str:
    return "" if value is None else _text(value)


def set_fields(kube: KubeClient, plan: Planned[RestoreFields]) -> Object:
    """See `Kube.set_fields`."""
    return change_fields(kube, plan, plan.undo, plan.undo.in_words)


def change_fields(
    kube: KubeClient, plan: Planned[Undo], undo: RestoreFields, by_hand: str
) -> Object:
    """Make the changes of `undo`, which is what `plan` undoes. Raises Conflict, CallError."""

    def once(attempts: KubeAttempts) -> Object:
        for race in range(RACES):
            obj = kube.get(undo.of, undo.name, undo.namespace)
            if undo.mark in _annotations(obj):
                return obj  # an attempt that was not answered has landed
            _must_be_as_read(obj, undo)
            fields = {c.path: _plain(c) for c in undo.changes}
            text = change_text(undo.run, by_hand, undo.expires, undo.uid, fields)
            mark = {
                "op": "add",
                "path": pointer("metadata", "annotations", undo.mark),
                "value": text,
            }
            sets = [operation(obj, c.path, _value(c.new)) for c in undo.changes]
            try:
                return _patch(attempts, obj, undo, [*_missing_maps(obj, undo), *sets, mark])
            except Conflict:
                if race == RACES - 1:
                    raise
        raise AssertionError("the last race raises")

    return make(KubeAttempts(kube, plan), once, lambda obj: {"uid": obj["metadata"]["uid"]})


def _plain(change: FieldChange) -> list[Any]:
    return [None if text == "" else json.loads(text) for text in (change.prior, change.new)]


def _annotations(obj: Object) -> Mapping[str, str]:
    return obj["metadata"].get("annotations") or {}


def _must_be_as_read(obj: Object, undo: RestoreFields) -> None:
    if obj["metadata"]["uid"] != undo.uid:
        raise Conflict(
            f"{undo.resource} was deleted and made anew since it was read; read it again"
        )
    for change in undo.changes:
        if not _holds(obj, change.path, change.prior):
            raise Conflict(
                f"{undo.resource}: expected {change.path} = {change.prior or 'nothing'} as it was "
                f"read, found {_text(at(obj, change.path)) or 'nothing'}; read it again"
            )
    paths = {change.path for change in undo.changes}
    for key, text in _annotations(obj).items():
        if key.startswith(f"{UNDO}-") and (taken := paths & _fields_of_mark(text)):
            raise Conflict(
                f"{undo.resource}: {', '.join(sorted(taken))} is changed by another step or run "
                f"already ({key}); run `drillkit recover`, or wait until it is undone"
            )


def _fields_of_mark(text: str) -> set[str]:
    try:
        return set(json.loads(text)["fields"])
    except (ValueError, KeyError, TypeError):
        return set()


def _missing_maps(obj: Object, undo: RestoreFields) -> list[dict[str, Any]]:
    """Operations that make the maps which the mark and the changes stand in."""
    needed = {_MAPS[0]} | {m for m in _MAPS for c in undo.changes if c.path.startswith(f"{m}/")}
    return [{"op": "add", "path": m, "value": {}} for m in sorted(needed) if at(obj, m) is ABSENT]


def _patch(
    attempts: KubeAttempts | KubeClient,
    obj: Object,
    undo: RestoreFields,
    operations: list[dict[str, Any]],
) -> Object:
    path = undo.of.path(undo.name, undo.namespace)
    answer = attempts._send(
        "PATCH",
        path,
        f"patch {undo.resource}",
        body=[pinned(obj), *operations],
        content_type=JSON_PATCH,
    )
    made: Object = answer.json()
    return made


def put_back(kube: KubeClient, undo: RestoreFields, context: UndoContext) -> Undone:
    """Put back what still holds our value. Raises CallError, DeadlineOver."""
    landed = bool(context.identity)

    def look() -> Observation:
        obj = kube.find(undo.of, undo.name, undo.namespace)
        if obj is None:
            return Certain(Undone("already-undone", f"{undo.resource} itself is gone"))
        if obj["metadata"]["uid"] != undo.uid:
            again = f"{undo.resource} was deleted and made anew; the new one is untouched"
            return Certain(Undone("already-undone", again))
        marked = undo.mark in _annotations(obj)
        ours = _still_ours(obj, undo.changes) if marked or landed else {}
        if marked or ours:
            return _put_back_once(kube, undo, obj, ours, marked=marked)
        now = _now(obj, undo.changes)
        if landed:
            return Certain(Undone("already-undone", f"somebody put it back: {now}"))
        return Nothing(Undone("never-happened", f"never touched: {now}"))

    return take_back(look, f"a change of {undo.resource}", PATIENCE, context)


def _put_back_once(
    kube: KubeClient,
    undo: RestoreFields,
    obj: Object,
    ours: Mapping[FieldChange, str],
    *,
    marked: bool,
) -> Observation:
    back = [operation(obj, place, _value(change.prior)) for change, place in ours.items()]
    if marked:
        back.append({"op": "remove", "path": pointer("metadata", "annotations", undo.mark)})
    try:
        _patch(kube, obj, undo, back)
    except (Conflict, Absent):  # it changed under us: look again
        return Pending("the object changes while it is put back")
    return Certain(_told(obj, undo, ours))


def _still_ours(obj: Object, changes: tuple[FieldChange, ...]) -> dict[FieldChange, str]:
    """The changes that still stand, and where: elements of a list may have moved since."""
    found: dict[FieldChange, str] = {}
    for change in changes:
        if _holds(obj, change.path, change.new):
            found[change] = change.path
        elif (
            change.new
            and len(moved := [p for p in _siblings(obj, change.path) if _holds(obj, p, change.new)])
            == 1
        ):
            found[change] = moved[0]
    return found


def _siblings(obj: Object, path: str) -> list[str]:
    """The same field in the other elements of the last list on the way to it."""
    keys = parts(path)
    for depth in range(len(keys) - 2, -1, -1):
        elements = at(obj, pointer(*keys[:depth])) if depth else obj
        if keys[depth].isdecimal() and isinstance(elements, list):
            others = [i for i in range(len(elements)) if str(i) != keys[depth]]
            return [pointer(*keys[:depth], i, *keys[depth + 1 :]) for i in others]
    return []


def _told(obj: Object, undo: RestoreFields, ours: Mapping[FieldChange, str]) -> Undone:
    theirs = tuple(c for c in undo.changes if c not in ours)
    left = f"left alone, somebody changed it since: {_now(obj, theirs)}" if theirs else ""
    if not ours:
        return Undone("already-undone", left)
    done = ", ".join(
        f"{place} is {change.prior or 'unset'} again" for change, place in ours.items()
    )
    return Undone("undone", f"{done}; {left}" if left else done)


def _now(obj: Object, changes: tuple[FieldChange, ...]) -> str:
    return ", ".join(f"{c.path} is {_text(at(obj, c.path)) or 'unset'}" for c in changes)
