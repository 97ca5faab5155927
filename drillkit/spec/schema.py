"""JSON Schema (2020-12) of a drill and of targets.yaml, made from the same dataclasses that
read them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING
from typing import Any, Literal, get_args, get_origin

from drillkit.entry_points import BrokenPlugin
from drillkit.model.codec import to_data
from drillkit.model.drill import Drill
from drillkit.model.target import Target
from drillkit.spec.docs import class_doc, field_docs
from drillkit.spec.project import Project
from drillkit.spec.scalars import LEAVES
from drillkit.spec.source import InstalledKinds, Kinds
from drillkit.spec.types import (
    alternatives,
    is_list,
    is_mapping,
    is_record,
    item_of,
    keys_of,
    may_be_nothing,
)

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_LEAST = {"minItems": "array", "minProperties": "object", "minLength": "string"}
_REFERENCE = {"type": "string", "pattern": r"\$\{", "description": "A reference such as `${name}`."}


def drill_schema(kinds: Kinds | None = None) -> dict[str, Any]:
    """Schema of a drill; `with` of a step by its `uses`."""
    table = kinds or InstalledKinds()
    writer = Definitions(references=True)
    root = writer.of(Drill)
    step = writer.defs["Step"]
    arguments = _usable(table.names(), lambda name: table.named(name).Arguments)
    step["properties"]["uses"] = {**step["properties"]["uses"], "enum": list(arguments)}
    step["allOf"] = [_when(name, writer, taken) for name, taken in arguments.items()]
    _notifiers(writer)
    return writer.document(root, "drillkit drill")


def _when(name: str, writer: Definitions, arguments: type) -> dict[str, Any]:
    with_: dict[str, Any] = {"properties": {"with": writer.of(arguments)}}
    if any(k.required for k in keys_of(arguments)):
        with_["required"] = ["with"]
    return {"if": {"properties": {"uses": {"const": name}}, "required": ["uses"]}, "then": with_}


def targets_schema() -> dict[str, Any]:
    """Schema of targets.yaml."""
    writer = Definitions(references=False)
    return writer.document(
        {"type": "object", "additionalProperties": writer.of(Target)}, "drillkit targets"
    )


def project_schema() -> dict[str, Any]:
    """Schema of drillkit.yaml."""
    writer = Definitions(references=False)
    root = writer.of(Project)
    _notifiers(writer)
    return writer.document(root, "drillkit project")


def _notifiers(writer: Definitions) -> None:
    """`with` of an entry of `notify` by its `uses`."""
    from drillkit.notify import notifier_named, notifier_names

    arguments = _usable(notifier_names(), lambda name: notifier_named(name).Arguments)
    notify = writer.defs["Notify"]
    notify["properties"]["uses"] = {**notify["properties"]["uses"], "enum": list(arguments)}
    notify["allOf"] = [_when(name, writer, taken) for name, taken in arguments.items()]


def _usable(names: Iterable[str], arguments: Callable[[str], type]) -> dict[str, type]:
    """The arguments of each, without those of packages that are broken."""
    found = {}
    for name in names:
        with contextlib.suppress(BrokenPlugin):
            found[name] = arguments(name)
    return found


class Definitions:
    """Collects the definitions that a schema refers to."""

    def __init__(self, *, references: bool) -> None:
        self.defs: dict[str, dict[str, Any]] = {}
        self._references = references
        self._classes: dict[Any, str] = {}

    def document(self, root: Mapping[str, Any], title: str) -> dict[str, Any]:
        """The whole schema."""
        defs = dict(self.defs)
        if self._references:
            defs["reference"] = _REFERENCE
        return {"$schema": _DIALECT, "title": title, **root, "$defs": defs}

    def of(self, want: Any) -> dict[str, Any]:
        """Schema of a type."""
        if want is Any:
            return {}
        several = alternatives(want)
        found: list[dict[str, Any]] = []
        if {str, int, float, bool} <= set(several):
            found.append({"type": ["string", "number", "boolean"]})
            several = tuple(a for a in several if a not in (str, int, float, bool))
        found += [self._one(a) for a in several]
        if may_be_nothing(want):
            found.append({"type": "null"})
        return found[0] if len(found) == 1 else {"anyOf": found}

    def _one(self, want: Any) -> dict[str, Any]:
        if get_origin(want) is Literal:
            return self._or_reference({"enum": list(get_args(want))})
        if is_list(want):
            return {"type": "array", "items": self.of(item_of(want))}
        if is_mapping(want):
            return {"type": "object", "additionalProperties": self.of(item_of(want))}
        if is_record(want):
            return self._record(want)
        return self._or_reference(dict(LEAVES[want].schema))

    def _or_reference(self, schema: dict[str, Any]) -> dict[str, Any]:
        if not self._references or ("string" in schema.get("type", "") and "pattern" not in schema):
            return schema
        return {"anyOf": [schema, {"$ref": "#/$defs/reference"}]}

    def _record(self, cls: Any) -> dict[str, Any]:
        if cls not in self._classes:
            name = cls.__name__
            if name in self.defs:
                name = f"{cls.__module__}.{cls.__qualname__}"
            self._classes[cls] = name
            self.defs[name] = {}
            self.defs[name].update(self._object(cls))
        return {"$ref": f"#/$defs/{self._classes[cls]}"}

    def _object(self, cls: Any) -> dict[str, Any]:
        docs, keys = field_docs(cls), keys_of(cls)
        extra = next((k for k in keys if k.extra), None)
        properties: dict[str, Any] = {}
        for k in keys:
            if k.extra:
                continue
            schema = self.of(k.want)
            if k.must_hold:
                schema |= {least: 1 for least in _LEAST if schema.get("type") == _LEAST[least]}
            if k.field in docs:
                schema["description"] = docs[k.field]
            if (
                k.default is not MISSING
                and k.default not in (None, "")
                and not is_record(type(k.default))
            ):
                schema["default"] = to_data(k.default)
            properties[k.key] = schema
        found: dict[str, Any] = {
            "type": "object",
            "properties": properties,
            "additionalProperties": self.of(item_of(extra.want)) if extra else False,
        }
        if text := class_doc(cls):
            found["description"] = text
        if required := [k.key for k in keys if k.required]:
            found["required"] = required
        return found
