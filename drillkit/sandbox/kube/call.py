"""A request, understood: which verb on which resource, with which options."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drillkit.sandbox.kube.access import Access
from drillkit.sandbox.kube.errors import ApiError, PageNotFound, bad_request, no_such_path
from drillkit.sandbox.kube.objects import NAMESPACES
from drillkit.sandbox.kube.resources import METRICS, Registry, Resource, is_builtin_group
from drillkit.sandbox.kube.wire import Request

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get"}

TRUE = ("1", "true")
"""How a query says yes."""


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

    def flag(self, name: str) -> bool:
        """Whether a boolean parameter is set."""
        return self.query.get(name, "").lower() in TRUE

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


@dataclass(frozen=True)
class Place:
    """What a path below /api or /apis names, whether or not it is served."""

    group: str
    version: str
    namespace: str
    plural: str
    name: str
    subresource: str
    rest: tuple[str, ...]

    def access(self, method: str, *, watch: bool) -> Access:
        """What a request there wants to do, as access rules name it."""
        verb = _VERBS.get(method, method.lower())
        if not self.name:
            verb = {"get": "watch" if watch else "list", "delete": "deletecollection"}.get(
                verb, verb
            )
        # Like Kubernetes: a namespace lies in itself, so that a Role in it can let it be read.
        own = self.name if (self.group, self.plural) == NAMESPACES else ""
        return Access(
            verb,
            self.group,
            self.plural,
            self.subresource,
            self.namespace or own,
            self.name,
        )


def place_of(parts: Sequence[str]) -> Place | None:
    """The place that a path names, or None when it leads to no objects."""
    match parts:
        case ["api", version, *rest] if rest:
            group = ""
        case ["apis", group, version, *rest] if rest:
            pass
        case _:
            return None
    namespace = ""
    scoped = rest[0] == "namespaces" and len(rest) > 2
    if scoped and not (group == "" and rest[2] == "status"):
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource, *more = [*rest, "", "", ""][: max(3, len(rest))]
    return Place(group, version, namespace, plural, name, subresource, tuple(more))


def understand(
    registry: Registry, request: Request, place: Place, query: Mapping[str, str]
) -> Call:
    """The call that a request makes. Raises 404 for what isn't served."""
    if place.version not in registry.groups().get(place.group, ()):
        raise PageNotFound()
    resource = _find(registry, place.group, place.plural)
    if resource is None and not is_builtin_group(place.group):
        raise PageNotFound()
    if (
        resource is None
        or place.version not in resource.versions
        or place.rest
        or (place.namespace and not resource.namespaced)
        or (place.name and resource.namespaced and not place.namespace)
        or (place.subresource and place.subresource not in resource.subresources)
    ):
        raise no_such_path()
    return Call(
        request,
        resource,
        place.version,
        place.namespace,
        place.name,
        place.subresource,
        query,
    )


def _find(registry: Registry, group: str, plural: str) -> Resource | None:
    if group == "metrics.k8s.io":
        return next((each for each in METRICS if each.plural == plural and registry.metrics), None)
    return registry.find(group, plural)
