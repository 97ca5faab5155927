"""The routing table that the cluster sends to its proxy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from drillkit.sandbox.cluster.proxy.rules import Rules


@dataclass(frozen=True)
class Endpoint:
    """A pod that takes requests."""

    pod: str
    """`namespace/name`."""
    host: str
    port: int
    workload: str


@dataclass(frozen=True)
class Service:
    """A Service and the pods that are ready behind it."""

    key: str
    """`namespace/name`."""
    endpoints: tuple[Endpoint, ...] = ()

    @property
    def host(self) -> str:
        """The name it has inside the cluster."""
        namespace, _, name = self.key.partition("/")
        return f"{name}.{namespace}.svc.cluster.local"


@dataclass(frozen=True)
class Table:
    """Everything the proxy knows of the cluster."""

    services: Mapping[str, Service]
    workloads: Mapping[str, str]
    """Pod to the name of its workload, for the labels of metrics."""
    rules: Rules = field(default_factory=Rules)

    def to_json(self) -> dict[str, Any]:
        """JSON data; `from_json` reads it back."""
        services = [
            {"key": s.key, "endpoints": [asdict(e) for e in s.endpoints]}
            for s in self.services.values()
        ]
        return {
            "services": services,
            "workloads": dict(self.workloads),
            "rules": self.rules.to_json(),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Table:
        """A table that `to_json` wrote."""
        services = (
            Service(s["key"], tuple(Endpoint(**e) for e in s["endpoints"]))
            for s in data["services"]
        )
        return Table(
            {s.key: s for s in services}, data["workloads"], Rules.from_json(data["rules"])
        )

    def service_for(self, authority: str, source_pod: str) -> Service | None:
        """The Service a pod means by a host name, short names being looked up in the pod's
        own namespace.
        """
        parts = authority.partition(":")[0].split(".")
        namespace = parts[1] if len(parts) > 1 else source_pod.partition("/")[0]
        return self.services.get(f"{namespace}/{parts[0]}")


EMPTY = Table({}, {})
