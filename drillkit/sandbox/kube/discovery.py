"""What a client learns about the API before it uses it."""

from __future__ import annotations

from drillkit.sandbox.kube.errors import PageNotFound
from drillkit.sandbox.kube.objects import Object
from drillkit.sandbox.kube.openapi import openapi
from drillkit.sandbox.kube.resources import Registry, Resource
from drillkit.sandbox.kube.wire import Request, Response

VERSION = {
    "major": "1",
    "minor": "31",
    "gitVersion": "v1.31.0-drillkit",
    "gitCommit": "0000000000000000000000000000000000000000",
    "gitTreeState": "clean",
    "buildDate": "2025-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "linux/amd64",
}
_PATHS = [
    "/api",
    "/apis",
    "/healthz",
    "/livez",
    "/openapi/v2",
    "/openapi/v3",
    "/readyz",
    "/version",
]
_SUBRESOURCES: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "status": ("", "", "", ("get", "patch", "update")),
    "scale": ("autoscaling", "v1", "Scale", ("get", "patch", "update")),
    "log": ("", "", "", ("get",)),
    "exec": ("", "", "PodExecOptions", ("create", "get")),
    "eviction": ("policy", "v1", "Eviction", ("create",)),
    "token": ("authentication.k8s.io", "v1", "TokenRequest", ("create",)),
}


def discover(registry: Registry, request: Request, parts: list[str]) -> Response | None:
    """The answer to a discovery request, or None if the path leads to objects."""
    match parts:
        case ["readyz" | "livez" | "healthz", *_]:
            return Response(200, "ok", {"Content-Type": "text/plain; charset=utf-8"})
        case ["version"]:
            return Response(200, VERSION)
        case ["openapi", *rest]:
            return openapi(registry, request, rest)
        case []:
            return Response(200, {"paths": _PATHS})
        case ["api"]:
            return Response(
                200, {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
            )
        case ["apis"]:
            groups = [
                _group(name, versions) for name, versions in registry.groups().items() if name
            ]
            return Response(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        case ["apis", name]:
            return Response(
                200,
                {**_group(name, _versions(registry, name)), "kind": "APIGroup", "apiVersion": "v1"},
            )
        case ["api", version]:
            return _resources(registry, "", version)
        case ["apis", name, version]:
            return _resources(registry, name, version)
    return None


def _versions(registry: Registry, group: str) -> list[str]:
    found = registry.groups().get(group)
    if not found:
        raise PageNotFound()
    return found


def _group(name: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resources(registry: Registry, group: str, version: str) -> Response:
    if version not in _versions(registry, group):
        raise PageNotFound()
    listed: list[Object] = []
    for resource in registry.all():
        if resource.group == group and version in resource.versions:
            listed += _entries(resource)
    name = f"{group}/{version}" if group else version
    return Response(
        200,
        {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": listed},
    )


def _entries(resource: Resource) -> list[Object]:
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short:
        entry["shortNames"] = list(resource.short)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    entries = [entry]
    for name in resource.subresources:
        group, version, kind, verbs = _SUBRESOURCES[name]
        below: Object = {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": kind or resource.kind,
            "verbs": list(verbs),
        }
        entries.append({**below, **({"group": group, "version": version} if group else {})})
    return entries
