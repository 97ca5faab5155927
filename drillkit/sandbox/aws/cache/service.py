"""ElastiCache's actions, looked up by name and run one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drillkit.sandbox.aws.cache.events import describe_events
from drillkit.sandbox.aws.cache.groups import (
    create_group,
    delete_group,
    describe_clusters,
    describe_groups,
    test_failover,
)
from drillkit.sandbox.aws.cache.snapshots import (
    create_snapshot,
    delete_snapshot,
    describe_snapshots,
)
from drillkit.sandbox.aws.cache.state import Cache, Params
from drillkit.sandbox.aws.cache.tags import add_tags, list_tags, remove_tags
from drillkit.sandbox.aws.wire import Call, Fault

ACTIONS: dict[str, Callable[[Cache, str, Params], dict[str, Any]]] = {
    "CreateReplicationGroup": create_group,
    "DescribeReplicationGroups": describe_groups,
    "DescribeCacheClusters": describe_clusters,
    "DeleteReplicationGroup": delete_group,
    "TestFailover": test_failover,
    "CreateSnapshot": create_snapshot,
    "DescribeSnapshots": describe_snapshots,
    "DeleteSnapshot": delete_snapshot,
    "ListTagsForResource": list_tags,
    "AddTagsToResource": add_tags,
    "RemoveTagsFromResource": remove_tags,
    "DescribeEvents": describe_events,
}


def answer(cache: Cache, call: Call) -> str:
    """Performs a call and returns its XML; raises Fault."""
    action = ACTIONS.get(call.action)
    if action is None:
        raise Fault(
            "InvalidAction",
            f"the sandbox's ElastiCache does not serve {call.action}; it serves "
            f"{', '.join(ACTIONS)}",
        )
    with cache.lock:
        return cache.protocol.write(call, action(cache, call.region, call.params))


def act(cache: Cache, region: str, action: str, params: Params) -> dict[str, Any]:
    """Performs an action from inside."""
    with cache.lock:
        return ACTIONS[action](cache, region, params)
