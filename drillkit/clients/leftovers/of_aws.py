"""Resources of an AWS account that runs made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from drillkit.clients import Clients
from drillkit.clients.aws.ownership import EXPIRES, OF, RUN, as_mapping
from drillkit.clients.elasticache import ElastiCache
from drillkit.clients.elasticache.groups import DeleteReplicationGroup
from drillkit.clients.elasticache.snapshots import DeleteCacheSnapshot
from drillkit.clients.leftovers.leftover import Leftover, expiry
from drillkit.clients.rds.clusters import DeleteCluster
from drillkit.clients.rds.groups import DeleteParameterGroup
from drillkit.clients.rds.instances import DeleteInstance
from drillkit.clients.rds.rds import Rds
from drillkit.clients.rds.snapshots import DeleteSnapshot
from drillkit.clients.undo import UndoAction
from drillkit.model.errors import Absent

OWN_PREFIX = "dr-"
"""Runs name what they make so. Where descriptions have no tags, asking for those of everything else
would cost a call each."""


def leftovers_of_rds(clients: Clients) -> Iterator[Leftover]:
    """Everything of RDS in the target's regions that carries both tags of a run and an expiry.
    Raises CallError.
    """
    for region in _regions(clients):
        rds = clients.rds.at(region)
        yield from _instances(rds)
        yield from _clusters(rds)
        yield from _snapshots(rds)
        yield from _parameter_groups(rds)


def leftovers_of_elasticache(clients: Clients) -> Iterator[Leftover]:
    """The same of ElastiCache. Raises CallError."""
    for region in _regions(clients):
        cache = clients.elasticache.at(region)
        for each in cache.door.pages(
            "DescribeReplicationGroups", "list replication groups", "ReplicationGroups"
        ):
            group = DeleteReplicationGroup(str(each["ReplicationGroupId"]), "", region)
            yield from _cached(cache, group, each)
        listed = cache.door.pages(
            "DescribeSnapshots", "list cache snapshots", "Snapshots", SnapshotSource="user"
        )
        for each in listed:
            yield from _cached(
                cache, DeleteCacheSnapshot(str(each["SnapshotName"]), "", region), each
            )


def _cached(
    cache: ElastiCache,
    undo: DeleteReplicationGroup | DeleteCacheSnapshot,
    described: Mapping[str, Any],
) -> Iterator[Leftover]:
    if undo.name.startswith(OWN_PREFIX) and (found := cache.marked(described, "")) is not None:
        undo = replace(undo, run=found.tags.get(RUN, ""))
        yield from _marked(undo, undo.name, found.tags, "")


def _regions(clients: Clients) -> list[str]:
    target = clients.target.aws
    assert target is not None
    return list(dict.fromkeys([target.region, *([target.dr_region] if target.dr_region else [])]))


def _instances(rds: Rds) -> Iterator[Leftover]:
    for each in rds.all_instances():
        name = str(each["DBInstanceIdentifier"])
        undo = DeleteInstance(name, _run(each), rds.region)
        yield from _marked(
            undo, name, as_mapping(each.get("TagList")), str(each.get("DbiResourceId", ""))
        )


def _clusters(rds: Rds) -> Iterator[Leftover]:
    for each in rds.all_clusters():
        name = str(each["DBClusterIdentifier"])
        undo = DeleteCluster(name, _run(each), rds.region)
        yield from _marked(
            undo, name, as_mapping(each.get("TagList")), str(each.get("DbClusterResourceId", ""))
        )


def _snapshots(rds: Rds) -> Iterator[Leftover]:
    for cluster in (False, True):
        of = "Cluster" if cluster else ""
        for each in rds.snapshots(kind="manual", cluster=cluster):
            name = str(each[f"DB{of}SnapshotIdentifier"])
            undo = DeleteSnapshot(name, _run(each), rds.region, cluster=cluster)
            yield from _marked(undo, name, as_mapping(each.get("TagList")), "")


def _parameter_groups(rds: Rds) -> Iterator[Leftover]:
    for cluster in (False, True):
        of = "Cluster" if cluster else ""
        operation, items = f"DescribeDB{of}ParameterGroups", f"DB{of}ParameterGroups"
        for each in rds.door.pages(operation, "list parameter groups", items, MaxRecords=100):
            name = str(each[f"DB{of}ParameterGroupName"])
            if not name.startswith(OWN_PREFIX):
                continue
            try:
                tags = rds.tags(str(each[f"DB{of}ParameterGroupArn"]))
            except Absent:  # it went between the two questions
                continue
            undo = DeleteParameterGroup(name, tags.get(RUN, ""), rds.region, cluster=cluster)
            yield from _marked(undo, name, tags, "")


def _run(described: Mapping[str, Any]) -> str:
    return as_mapping(described.get("TagList")).get(RUN, "")


def _marked(undo: UndoAction, name: str, tags: Mapping[str, str], uid: str) -> Iterable[Leftover]:
    """Nothing unless both marks and the expiry are there: copies inherit tags."""
    at = expiry(tags.get(EXPIRES))
    if at is not None and tags.get(RUN) and tags.get(OF) == name:
        yield Leftover(undo, tags[RUN], at, uid)
