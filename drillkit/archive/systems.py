"""What a step rehearses: a service, a database, a cache, a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from drillkit.model.drill import Step

SystemKind: TypeAlias = Literal["service", "database", "cache", "cluster"]
_KINDS: Mapping[str, SystemKind] = {
    "rds": "database",
    "aurora": "database",
    "elasticache": "cache",
    "velero": "cluster",
}
"""By the first part of a step's kind; every other kind is about the services that users see."""
_NAMES = ("source", "schedule", "backup", "cluster", "replication_group")
"""Arguments that name the system that a step is about; the first that is there."""


@dataclass(frozen=True, slots=True)
class System:
    """Something that can be lost and has to come back."""

    kind: SystemKind
    name: str
    """`microservices-dev-db`, `namespace shop`; '' for services, which probes and SLOs name."""


def system_of(uses: str, step: Step | None) -> System:
    """What a step of that kind is about. `step`: as it is declared, where that can be read."""
    kind = _KINDS.get(uses.partition(".")[0], "service")
    if kind == "service":
        return System(kind, "")
    arguments = step.with_ if step else {}
    namespaces = arguments.get("namespaces")
    if kind == "cluster" and isinstance(namespaces, Mapping) and namespaces:
        several = "namespace" if len(namespaces) == 1 else "namespaces"
        return System(kind, f"{several} {', '.join(map(str, namespaces))}")
    return System(kind, next((str(arguments[key]) for key in _NAMES if arguments.get(key)), ""))


def restored_system(step: Step) -> str:
    """Name of the system that a step restores; '' where it restores nothing."""
    return system_of(step.uses, step).name if step.uses.endswith("restore") else ""
