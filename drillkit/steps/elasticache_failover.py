"""`elasticache.failover`: a node group fails over to a replica."""

from __future__ import annotations

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.elasticache import ElastiCache, FailOverGroup
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import StepFailed
from drillkit.model.permissions import AwsAction
from drillkit.model.prospect import Prospect
from drillkit.model.rehearsal import Rehearsal
from drillkit.steps.base import FROM_HERE, Act, Kind
from drillkit.steps.failover import fail_over, settled
from drillkit.steps.outlook import Outlook


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFailoverArguments:
    source: str
    """Identifier of the replication group."""
    node_group: str = "0001"
    """Node group (shard) of it."""


class ElastiCacheFailover(Kind[CacheFailoverArguments]):
    """Fail a node group of an ElastiCache replication group over to a replica (AWS'
    own TestFailover).

    Connections break, and writes that were not replicated are lost. It has recovered when another
    node is the primary and the group is available again. Nothing undoes it.
    """

    name = "elasticache.failover"
    disturbs = "users"
    rehearses = Rehearsal(way="switchover", system="cache", named_by=("source",))
    Arguments = CacheFailoverArguments
    needs = frozenset({"aws"})
    objectives = frozenset({"recovery", "detect"})
    checks = FROM_HERE

    def prospect(self, arguments: CacheFailoverArguments, act: Act) -> Prospect:
        outlook = Outlook(act)
        outlook.permissions += [
            "elasticache:DescribeReplicationGroups",
            AwsAction("elasticache:TestFailover", resource=f"replicationgroup:{arguments.source}"),
        ]
        with outlook.looking():
            cache = act.clients.elasticache
            found = able(cache, arguments)
            outlook.targets.append(
                f"elasticache replication-group/{cache.region}/{arguments.source}"
            )
            primary = primary_of(found, arguments.node_group)
            outlook.effects.append(
                f"fails {arguments.source} over from {primary}; not undone, connections break"
            )
        return outlook.prospect()

    def run(self, arguments: CacheFailoverArguments, act: Act) -> None:
        cache = act.clients.elasticache
        old = primary_of(able(cache, arguments), arguments.node_group)
        what = f"elasticache replication-group/{cache.region}/{arguments.source}"
        plan = act.book.plan(FailOverGroup(arguments.source, cache.region, arguments.node_group))

        def moved(_: float) -> Described | None:
            found = cache.group(arguments.source)
            if found is None or found.get("Status") != "available":
                return None
            return found if primary_of(found, arguments.node_group) not in ("", old) else None

        fail_over(act, "failover", what, lambda: cache.fail_over(plan), moved)
        settled(act, what, None, "")


def able(cache: ElastiCache, arguments: CacheFailoverArguments) -> Described:
    """A group that can fail over, available. Raises StepFailed when it is none."""
    found = cache.group(arguments.source)
    if found is None:
        raise StepFailed(f"there is no replication group {arguments.source} in {cache.region}")
    if found.get("AutomaticFailover") != "enabled":
        raise StepFailed(
            f"automatic failover of {arguments.source} is {found.get('AutomaticFailover')}: "
            "enable it"
        )
    if found.get("Status") != "available":
        raise StepFailed(
            f"expected {arguments.source} to be available, it is {found.get('Status')}"
        )
    if not primary_of(found, arguments.node_group):
        known = ", ".join(str(g.get("NodeGroupId")) for g in found.get("NodeGroups") or [])
        raise StepFailed(
            f"{arguments.source} has no node group {arguments.node_group} with a primary; it "
            f"has {known}"
        )
    return found


def primary_of(group: Described, node_group: str) -> str:
    """The node that is the primary of a node group, or ''."""
    for found in group.get("NodeGroups") or []:
        if found.get("NodeGroupId") == node_group:
            members = found.get("NodeGroupMembers") or []
            return next(
                (str(m["CacheClusterId"]) for m in members if m.get("CurrentRole") == "primary"), ""
            )
    return ""


KIND = ElastiCacheFailover()
