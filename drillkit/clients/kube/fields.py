"""Changes of fields of objects that are not ours, each with what stood there before, and the way back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from drillkit.clients.kube.resources import Object, Resource
from drillkit.clients.undo import Applicable
from drillkit.model.effects import Phase


class _Absent:
    """The field that is not there."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field: what stood there, what we put there."""

    path: str
    """JSON pointer: `/spec/replicas`, `/metadata/annotations/example.com~1key`."""
    new: str
    """JSON text; '' for no such field."""
    prior: str
    """JSON text; '' for no such field."""


@dataclass(frozen=True)
class RestoreFields(Applicable):
    """Puts back fields of an object, those that still hold the run's value; what somebody changed since stays."""

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


def changed(
    resource: Resource, obj: Object, new: Mapping[str, Any], *, run: str, expires: str = ""
) -> RestoreFields:
    """The undo of setting the fields `new` (JSON pointer -> value, or ABSENT to remove it) of `obj` as it was read.

    Where a parent of a field is missing, the change is that of its topmost missing parent. Raises ValueError for a
    pointer that leads nowhere.
    """
    raise NotImplementedError(json, resource, obj, new, run, expires)
