"""Custom resource definitions of the fault injectors: our own, small, with the fields that their
controllers require.

Fields that nothing here reads are kept as they come, not pruned.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drillkit.sandbox.kube.objects import Object

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_MODES = ["one", "all", "fixed", "fixed-percent", "random-max-percent"]
_SELECTOR: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _open(properties: Schema, required: list[str] | None = None) -> Schema:
    """An object with some known properties and any others."""
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "x-kubernetes-preserve-unknown-fields": True,
    }
    return {**schema, "required": required} if required else schema


def _list_of(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _chaos_spec(properties: Schema, required: list[str]) -> Schema:
    common: Schema = {
        "mode": {"type": "string", "enum": _MODES},
        "value": _TEXT,
        "selector": _SELECTOR,
        "duration": _TEXT,
    }
    return _open({**common, **properties}, ["mode", "selector", *required])


_NETWORK = _chaos_spec(
    {
        "action": {
            "type": "string",
            "enum": ["netem", "delay", "loss", "duplicate", "corrupt", "partition", "bandwidth"],
        },
        "direction": {"type": "string", "enum": ["to", "from", "both"], "default": "to"},
        "delay": _open({"latency": _TEXT, "jitter": _TEXT, "correlation": _TEXT}, ["latency"]),
        "loss": _open({"loss": _TEXT, "correlation": _TEXT}, ["loss"]),
        "corrupt": _open({"corrupt": _TEXT, "correlation": _TEXT}, ["corrupt"]),
        "duplicate": _open({"duplicate": _TEXT, "correlation": _TEXT}, ["duplicate"]),
        "target": _open(
            {"mode": {"type": "string", "enum": _MODES}, "selector": _SELECTOR},
            ["mode", "selector"],
        ),
        "externalTargets": _list_of(_TEXT),
    },
    ["action"],
)
_WORKERS = _open({"workers": {"type": "integer"}}, ["workers"])
_STRESS = _chaos_spec(
    {"stressors": _open({"cpu": _WORKERS, "memory": _WORKERS}), "containerNames": _list_of(_TEXT)},
    [],
)
_DNS = _chaos_spec(
    {
        "action": {"type": "string", "enum": ["error", "random"]},
        "patterns": _list_of(_TEXT),
        "containerNames": _list_of(_TEXT),
    },
    ["action"],
)
_ENGINE = _open(
    {
        "engineState": {"type": "string", "enum": ["active", "stop"]},
        "chaosServiceAccount": _TEXT,
        "appinfo": _open({"appns": _TEXT, "applabel": _TEXT, "appkind": _TEXT}),
        "experiments": _list_of(_open({"name": _TEXT}, ["name"])),
    }
)


def definitions() -> Iterator[Object]:
    """All of them, ready to be created."""
    for kind, spec in (("NetworkChaos", _NETWORK), ("StressChaos", _STRESS), ("DNSChaos", _DNS)):
        yield _definition(
            "chaos-mesh.org",
            "v1alpha1",
            kind,
            kind.lower(),
            spec,
            columns=[("action", ".spec.action"), ("duration", ".spec.duration")],
        )
    for kind, plural, short in (
        ("VirtualService", "virtualservices", "vs"),
        ("DestinationRule", "destinationrules", "dr"),
    ):
        spec = _open(
            {"hosts": _list_of(_TEXT), "http": _list_of(_open({}))}
            if short == "vs"
            else {"host": _TEXT}
        )
        yield _definition(
            "networking.istio.io",
            "v1",
            kind,
            plural,
            spec,
            ["v1beta1", "v1alpha3"],
            short=[short],
            status=True,
        )
    for kind in ("ChaosEngine", "ChaosExperiment", "ChaosResult"):
        spec = _ENGINE if kind == "ChaosEngine" else _open({})
        yield _definition("litmuschaos.io", "v1alpha1", kind, f"{kind.lower()}s", spec)


def _definition(
    group: str,
    version: str,
    kind: str,
    plural: str,
    spec: Schema,
    older: list[str] | None = None,
    *,
    short: list[str] | None = None,
    status: bool = False,
    columns: list[tuple[str, str]] | None = None,
) -> Object:
    schema = {
        "type": "object",
        "properties": {"spec": spec, "status": _open({})},
        "required": ["spec"],
    }
    shared: Object = {"schema": {"openAPIV3Schema": schema}, "served": True}
    if status:
        shared["subresources"] = {"status": {}}
    if columns:
        age = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
        shared["additionalPrinterColumns"] = [
            *({"name": n, "type": "string", "jsonPath": path} for n, path in columns),
            age,
        ]
    versions = [
        {"name": name, "storage": name == version, **shared} for name in [version, *(older or [])]
    ]
    names = {
        "kind": kind,
        "plural": plural,
        "singular": kind.lower(),
        "listKind": f"{kind}List",
        "shortNames": short or [],
    }
    return {
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": versions},
    }


def chaos_experiments() -> Iterator[Object]:
    """The ChaosExperiments that the operator knows, with their default settings."""
    settings = {
        "pod-delete": {
            "TOTAL_CHAOS_DURATION": "15",
            "CHAOS_INTERVAL": "5",
            "FORCE": "true",
            "PODS_AFFECTED_PERC": "",
        },
        "pod-network-latency": {
            "TOTAL_CHAOS_DURATION": "60",
            "NETWORK_LATENCY": "2000",
            "JITTER": "0",
            "PODS_AFFECTED_PERC": "",
        },
    }
    for name, env in settings.items():
        entries = [{"name": key, "value": value} for key, value in env.items()]
        definition = {"scope": "Namespaced", "image": "sandbox/litmus", "env": entries}
        yield {"metadata": {"name": name}, "spec": {"definition": definition}}
