"""Members of an Aurora cluster."""

from __future__ import annotations

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.rds import Rds


def writer_of(cluster: Described) -> str:
    """The member that writes, or ''."""
    members = cluster.get("DBClusterMembers") or []
    return next((str(m["DBInstanceIdentifier"]) for m in members if m.get("IsClusterWriter")), "")


def described_writer(rds: Rds, cluster: Described) -> Described:
    """The member that writes as it is now, empty where there is none."""
    name = writer_of(cluster)
    return (rds.instance(name) if name else None) or {}
