"""RDS's actions, looked up by name and run one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drillkit.sandbox.aws.rds import (
    account,
    backups,
    clusters,
    groups,
    instances,
    restores,
    snapshots,
)
from drillkit.sandbox.aws.rds.state import Params, Rds
from drillkit.sandbox.aws.wire import Call, Fault

ACTIONS: dict[str, Callable[[Rds, str, Params], dict[str, Any]]] = {
    name: action
    for module in (account, backups, clusters, groups, instances, restores, snapshots)
    for name, action in module.ACTIONS.items()
}


def answer(rds: Rds, call: Call) -> str:
    """Performs a call and returns its XML; raises Fault."""
    action = ACTIONS.get(call.action)
    if action is None:
        raise Fault(
            "InvalidAction",
            f"the sandbox's RDS does not serve {call.action}; it serves "
            f"{', '.join(sorted(ACTIONS))}",
        )
    with rds.lock:
        result = action(rds, call.region, call.params)
        return rds.protocol.write(call, result)
