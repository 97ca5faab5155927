"""What a step rehearses: a service, a database, a cache, a cluster."""

from __future__ import annotations

from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Step
from drillkit.model.rehearsal import SERVICE, Rehearsal


@dataclass(frozen=True, slots=True)
class System:
    """Something that can be lost and has to come back."""

    kind: str
    """A noun: `database`."""
    name: str
    """`microservices-dev-db`, `namespace shop`; '' for services, which probes and SLOs name."""


def system_of(rehearsal: Rehearsal, step: Step | None) -> System:
    """What a step is about. `step`: as it is declared, where that can be read."""
    if rehearsal.system == SERVICE or step is None:
        return System(rehearsal.system, "")
    return System(rehearsal.system, rehearsal.name(step.with_))


def restored_system(rehearsal: Rehearsal, step: Step) -> str:
    """Name of the system that a step restores, the step's own where no argument names one; ''
    where it restores nothing.
    """
    if rehearsal.way != "restore":
        return ""
    return rehearsal.name(step.with_) or step.name or step.uses
