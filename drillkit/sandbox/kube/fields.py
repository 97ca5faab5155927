"""Fields that a kind does not have, for `fieldValidation`: a typing mistake that Kubernetes would
drop in silence.

What fields a built-in kind has is read off the models of the official client; of a custom resource
its schema tells. Without `fieldValidation` nothing is looked at (Kubernetes itself would warn).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from drillkit.sandbox.kube.call import Call
from drillkit.sandbox.kube.causes import wrong
from drillkit.sandbox.kube.errors import ApiError, bad_request, invalid
from drillkit.sandbox.kube.objects import Object, clone
from drillkit.sandbox.kube.resources import Resource
from drillkit.sandbox.kube.schema import conform

DIRECTIVES = ("", "Ignore", "Warn", "Strict")
_ITEM = re.compile(r"[Ll]ist\[(.*)\]")
_VALUE = re.compile(r"[Dd]ict[\[(]str, (.*)[\])]")


def check_fields(call: Call, new: Object, old: Object | None = None) -> Mapping[str, str]:
    """Look for fields in `new` that its kind does not have and `old` has not either.

    Answers headers for the response. Raises 400, of a patch 422, under `Strict`.
    """
    directive = call.query.get("fieldValidation", "")
    if directive not in DIRECTIVES:
        cause = wrong("fieldValidation", directive, f"expected one of {DIRECTIVES[1:]}")
        raise invalid("CreateOptions", "meta.k8s.io", "", [cause])
    if directive in ("", "Ignore"):
        return {}
    known = set(_unknown(call.resource, call.version, old)) if old is not None else set()
    found = [path for path in _unknown(call.resource, call.version, new) if path not in known]
    if not found:
        return {}
    said = ", ".join(f'unknown field "{path}"' for path in found)
    if directive == "Strict":
        raise _refusal(call, f"strict decoding error: {said}")
    return {"Warning": f'299 - "{said.replace(chr(34), chr(92) + chr(34))}"'}


def check_declared(call: Call, config: Object) -> None:
    """What is applied may hold no field that its kind does not have, whatever `fieldValidation`
    says. Raises 500, as the API does (kubernetes/kubernetes#122480).
    """
    wrongs = [
        f".{path}: field not declared in schema"
        for path in _unknown(call.resource, call.version, config)
    ]
    if not wrongs:
        return
    said = wrongs[0] if len(wrongs) == 1 else "errors:\n  " + "\n  ".join(wrongs)
    group = f"{call.resource.group}/{call.version}"
    what = f"{call.namespace}/{call.name}; {group}, Kind={call.resource.kind}"
    raise ApiError(500, "", f"failed to create typed patch object ({what}): {said}")


def _refusal(call: Call, why: str) -> ApiError:
    if call.request.method == "PATCH":
        return ApiError(422, "Invalid", f"The request is invalid: patch: Invalid value: {why}")
    kind, version = call.resource.kind, call.version
    return bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {why}')


def _unknown(resource: Resource, version: str, obj: Object) -> Iterator[str]:
    if resource.custom:
        kept = clone(obj)
        conform(kept, dict(resource.schemas.get(version) or {}))
        yield from _missing(obj, kept, "")
        yield from _beside(obj.get("metadata"), "V1ObjectMeta", "metadata")
        return
    yield from _beside(obj, model_name(resource, version), "")


def model_name(resource: Resource, version: str) -> str:
    """What the official client calls the model of a built-in kind, if it has one."""
    if resource.kind == "Event":
        return "CoreV1Event"
    return f"{version[0].upper()}{version[1:]}{resource.kind}"


def inside(type_: str) -> tuple[str, str]:
    """(`list`, `dict` or nothing, the type of what is in it, or the type itself) of a type as the
    models spell it.
    """
    if item := _ITEM.fullmatch(type_):
        return "list", item[1]
    if mapped := _VALUE.fullmatch(type_):
        return "dict", mapped[1]
    return "", type_


def _missing(given: Any, kept: Any, path: str) -> Iterator[str]:
    """What pruning has taken away."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            below = f"{path}.{key}" if path else str(key)
            if key in kept:
                yield from _missing(value, kept[key], below)
            else:
                yield below
    elif isinstance(given, list) and isinstance(kept, list):
        for index, (one, other) in enumerate(zip(given, kept, strict=False)):
            yield from _missing(one, other, f"{path}[{index}]")


def _beside(value: Any, type_: str, path: str) -> Iterator[str]:
    """Fields that the model `type_` does not have. A type that is no model has any."""
    import kubernetes.client.models as models

    outer, inner = inside(type_)
    if outer == "list" and isinstance(value, list):
        for index, each in enumerate(value):
            yield from _beside(each, inner, f"{path}[{index}]")
    elif outer == "dict" and isinstance(value, dict):
        for key, each in value.items():
            yield from _beside(each, inner, f"{path}.{key}")
    elif isinstance(value, dict) and (model := getattr(models, type_, None)) is not None:
        fields = {model.attribute_map[name]: kind for name, kind in model.openapi_types.items()}
        for key, each in value.items():
            below = f"{path}.{key}" if path else str(key)
            if key in fields:
                yield from _beside(each, fields[key], below)
            else:
                yield below
