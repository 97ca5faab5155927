"""When something fails: keep what a runbook would look at, while it is still to be seen. Users are
relieved first.
"""

from __future__ import annotations

from collections.abc import Mapping

from drillkit.clients import Clients
from drillkit.clock import Clock
from drillkit.diagnostics import capture
from drillkit.plan import Plan
from drillkit.steps.base import Act

LOOK_S = 15.0
"""Nobody waits longer for this."""
SCOPES = 3
"""A drill that touches more namespaces than these has its report's readers look themselves."""


def scopes(plan: Plan, step: str) -> tuple[tuple[str, str], ...]:
    """(namespace, selector) of what a step touches: as its configuration says, else the namespaces
    of its targets.
    """
    found: dict[tuple[str, str], None] = {}
    for planned in plan.steps:
        if planned.step.name != step:
            continue
        given = planned.step.with_.get("configuration")
        if isinstance(given, Mapping) and isinstance(given.get("namespace"), str):
            found[(given["namespace"], str(given.get("selector", "")))] = None
            continue
        for target in planned.prospect.targets:
            kind, _, rest = target.partition("/")
            namespace, _, name = rest.partition("/")
            if kind == "pod" and name:
                found[(namespace, "")] = None
    return tuple(found)[:SCOPES]


def look(plan: Plan, act: Act, clients: Clients, clock: Clock) -> None:
    """Attach what is to be seen of what a step touched."""
    if act.target.kubernetes is None:
        return
    for position, (namespace, selector) in enumerate(scopes(plan, act.name)):
        name = f"diagnostics-{act.name}" + (f"-{position + 1}" if position else "")
        capture(clients.kube, clock, namespace, selector, act.attach, name=name, limit_s=LOOK_S)
