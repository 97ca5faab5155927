"""A request, understood: which verb on which resource, with which options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drillkit.sandbox.kube.errors import ApiError, bad_request, no_such_path
from drillkit.sandbox.kube.resources import METRICS, Registry, Resource
from drillkit.sandbox.kube.wire import Request

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get"}


@dataclass(frozen=True)
class Call:
    """One request to objects."""

    request: Request
    resource: Resource
    version: str
    namespace: str
    """Empty for cluster-scoped objects and for lists across all namespaces."""
    name: str
    subresource: str
    query: Mapping[str, str]

    @property
    def verb(self) -> str:
        """The verb as access rules name it."""
        verb = _VERBS.get(self.request.method, self.request.method.lower())
        if self.name:
            return verb
        if verb == "get":
            return "watch" if self.flag("watch") else "list"
        return "deletecollection" if verb == "delete" else verb

    def flag(self, name: str) -> bool:
        """Whether a boolean parameter is set."""
        return self.query.get(name, "").lower() in ("1", "true")

    def number(self, name: str) -> int | None:
        """A whole number among the parameters. Raises 400 for anything else."""
        text = self.query.get(name, "")
        if not text:
            return None
        if not text.lstrip("-").isdigit():
            raise bad_request(
                f'strconv.ParseInt: parsing "{text}": invalid syntax: the parameter {name} is '
                "a number"
            )
        return int(text)

    @property
    def dry_run(self) -> bool:
        """Whether nothing may be stored. Raises 422 for anything but All."""
        value = self.query.get("dryRun", "")
        check_dry_run([value] if value else [])
        return bool(value)

    def header(self, name: str) -> str:
        """A header of the request, whatever its case."""
        wanted = name.lower()
        return next(
            (value for key, value in self.request.headers.items() if key.lower() == wanted), ""
        )

    @property
    def manager(self) -> str:
        """Who claims the fields it writes: fieldManager, else the user agent's first word."""
        return (
            self.query.get("fieldManager")
            or self.header("User-Agent").partition("/")[0]
            or "unknown"
        )

    def body(self) -> Any:
        """The body as data, from JSON or YAML. Raises 400 or 415."""
        return decode(self.request.body, self.header("Content-Type"))


def check_dry_run(values: list[str]) -> None:
    """Raises 422 unless each value is All."""
    if any(value != "All" for value in values):
        raise ApiError(
            422, "Invalid", f'dryRun: Unsupported value: {values}: supported values: "All"'
        )


def decode(body: bytes, content_type: str) -> Any:
    """A body as data; protobuf is refused as the API server of Kubernetes refuses what it cannot
    read (415).
    """
    if "protobuf" in content_type:
        accepted = "application/json, application/yaml"
        why = (
            "the body of the request was in an unknown format - accepted media types "
            f"include: {accepted}"
        )
        raise ApiError(415, "UnsupportedMediaType", why)
    if not body:
        return {}
    try:
        return json.loads(body)
    except ValueError as error:
        if "yaml" not in content_type:
            raise bad_request(
                f"the object provided is unrecognized (must be of type Object): {error}"
            ) from error
    import yaml

    try:
        return yaml.safe_load(body)
    except yaml.YAMLError as error:
        raise bad_request(f"error converting YAML to JSON: {error}") from error


def understand(
    registry: Registry, request: Request, parts: list[str], query: Mapping[str, str]
) -> Call:
    """The call that a path below /api or /apis makes. Raises 404 for what isn't served."""
    if len(parts) > 2 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) > 3 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise no_such_path()
    namespace = ""
    scoped = (
        rest[0] == "namespaces"
        and len(rest) > 2
        and not (group == "" and rest[2] in ("status", "finalize"))
    )
    if scoped:
        namespace, rest = rest[1], rest[2:]
    resource = _find(registry, group, rest[0])
    if (
        resource is None
        or version not in resource.versions
        or len(rest) > 3
        or (scoped and not resource.namespaced)
    ):
        raise no_such_path()
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if name and resource.namespaced and not namespace:
        raise no_such_path()
    if subresource and subresource not in resource.subresources:
        raise no_such_path()
    return Call(request, resource, version, namespace, name, subresource, query)


def _find(registry: Registry, group: str, plural: str) -> Resource | None:
    if group == "metrics.k8s.io":
        return next((each for each in METRICS if each.plural == plural and registry.metrics), None)
    return registry.find(group, plural)
