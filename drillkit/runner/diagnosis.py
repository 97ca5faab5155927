"""When something fails: keep what a runbook would look at, while it is still to be seen. Users are
relieved first.
"""

from __future__ import annotations

from drillkit.clients import Clients
from drillkit.clock import Clock
from drillkit.diagnostics import capture
from drillkit.plan import Plan, scopes
from drillkit.steps.base import Act

LOOK_S = 15.0
"""Nobody waits longer for this."""


def look(plan: Plan, act: Act, clients: Clients, clock: Clock) -> None:
    """Attach what is to be seen of what a step touched."""
    if act.target.kubernetes is None:
        return
    places = dict.fromkeys(
        place
        for planned in plan.steps
        if planned.step.name == act.name
        for place in scopes(planned.step, planned.prospect)
    )
    for position, (namespace, selector) in enumerate(places):
        name = f"diagnostics-{act.name}" + (f"-{position + 1}" if position else "")
        capture(clients.kube, clock, namespace, selector, act.attach, name=name, limit_s=LOOK_S)
