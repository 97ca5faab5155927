"""The API's description of itself, as `kubectl explain` and validating clients read it.

Built-in kinds are described by the models of the official client (whose texts are those of
Kubernetes), custom resources by their own schemas. Version 2 is served as JSON only.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from drillkit.sandbox.kube.errors import PageNotFound
from drillkit.sandbox.kube.fields import inside, model_name
from drillkit.sandbox.kube.objects import Object
from drillkit.sandbox.kube.resources import Registry, Resource
from drillkit.sandbox.kube.wire import Request, Response

_PROTOBUF_V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_KINDS: dict[str, Object] = {
    "str": {"type": "string"},
    "int": {"type": "integer", "format": "int32"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "datetime": {"type": "string", "format": "date-time"},
    "bytes": {"type": "string", "format": "byte"},
}
_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation", "force")
_INFO = {"title": "Kubernetes", "version": "v1.31.0"}


def openapi(registry: Registry, request: Request, parts: list[str]) -> Response:
    """The answer to a request below /openapi. Raises 404 for what is not served."""
    match parts:
        case ["v2"]:
            accept = {name.lower(): value for name, value in request.headers.items()}.get(
                "accept", ""
            )
            if "protobuf" in accept:
                return Response(200, b"", {"Content-Type": _PROTOBUF_V2})
            return Response(200, _version_2(registry))
        case ["v3"]:
            paths = {p: {"serverRelativeURL": f"/openapi/v3/{p}"} for p in _places(registry)}
            return Response(200, {"paths": paths})
        case ["v3", *rest]:
            return Response(200, _version_3(registry, "/".join(rest)))
    raise PageNotFound()


def _places(registry: Registry) -> list[str]:
    """`api/v1`, `apis/apps/v1`, ...: what version 3 has a document for."""
    return [
        f"apis/{group}/{version}" if group else f"api/{version}"
        for group, versions in registry.groups().items()
        for version in versions
    ]


def _version_2(registry: Registry) -> Object:
    paths: Object = {}
    served = [(each, version) for each in registry.all() for version in each.versions]
    for resource, version in served:
        paths.update(_path(resource, version, {"type": "string"}))
    return {
        "swagger": "2.0",
        "info": _INFO,
        "paths": paths,
        "definitions": _definitions(served, "#/definitions/"),
    }


def _version_3(registry: Registry, place: str) -> Object:
    if place not in _places(registry):
        raise PageNotFound()
    _, *group, version = place.split("/")
    served = [
        (each, version)
        for each in registry.all()
        if each.group == "".join(group) and version in each.versions
    ]
    paths: Object = {}
    for resource, _ in served:
        paths.update(_path(resource, version, {"schema": {"type": "string"}}))
    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": paths,
        "components": {"schemas": _definitions(served, "#/components/schemas/")},
    }


def _path(resource: Resource, version: str, text: Object) -> Object:
    """How one object is changed: clients look there for what a patch may ask."""
    root = f"/apis/{resource.group}/{version}" if resource.group else f"/api/{version}"
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    if "patch" not in resource.verbs:
        return {}
    patch = {
        "parameters": [{"name": name, "in": "query", **text} for name in _PARAMETERS],
        "responses": {"200": {"description": "OK"}},
        **_kind(resource, version),
    }
    return {f"{root}{scope}/{resource.plural}/{{name}}": {"patch": patch}}


def _kind(resource: Resource, version: str, *, many: bool = False) -> Object:
    kind = {"group": resource.group, "version": version, "kind": resource.kind}
    return {"x-kubernetes-group-version-kind": [kind] if many else kind}


def _definitions(served: Iterable[tuple[Resource, str]], at: str) -> Object:
    """Schemas by name: of these kinds, and of all that they are made of."""
    found: Object = {}
    for resource, version in served:
        if resource.custom:
            name = f"{resource.group}.{version}.{resource.kind}"
            schema = {"type": "object", **(resource.schemas.get(version) or {})}
            found[name] = {**schema, **_kind(resource, version, many=True)}
            continue
        name = model_name(resource, version)
        _describe(name, at, found)
        if name in found:
            found[name] = {**found[name], **_kind(resource, version, many=True)}
    return found


def _describe(name: str, at: str, found: Object) -> None:
    """Put the schema of a model, and of those in it, into `found`."""
    described = _model(name)
    if name in found or described is None:
        return
    text, fields = described
    properties: Object = {}
    found[name] = {"type": "object", "description": text, "properties": properties}
    for key, (type_, told) in fields.items():
        properties[key] = {"description": told, **_schema(type_, at, found)}


def _schema(type_: str, at: str, found: Object) -> Object:
    outer, inner = inside(type_)
    if outer == "list":
        return {"type": "array", "items": _schema(inner, at, found)}
    if outer == "dict":
        return {"type": "object", "additionalProperties": _schema(inner, at, found)}
    if inner in _KINDS:
        return dict(_KINDS[inner])
    _describe(inner, at, found)
    reference = {"$ref": f"{at}{inner}"}
    if inner not in found:
        return {}
    return {"allOf": [reference]} if "components" in at else reference


@functools.cache
def _model(name: str) -> tuple[str, dict[str, tuple[str, str]]] | None:
    """What a model is for, and by field as it goes over the wire, its type and its text."""
    import kubernetes.client.models as models

    model: Any = getattr(models, name, None)
    if model is None:
        return None
    text = (model.__doc__ or "").strip().partition("\n\n")[0]
    return text, {
        model.attribute_map[field]: (type_, _told(model, field))
        for field, type_ in model.openapi_types.items()
    }


def _told(model: Any, field: str) -> str:
    """A field's text: older clients have it at a property, newer ones at a pydantic field."""
    if (declared := getattr(model, "model_fields", {}).get(field)) is not None:
        return declared.description or ""
    said = getattr(model, field, None)
    return (said.__doc__ or "").partition(":return:")[0].strip()
