"""Compatibility: what steps rehearsed in journals that do not say so (until 0.2). It is complete
and grows no more; kinds of today declare it (`steps.base.Kind.rehearses`).
"""

from __future__ import annotations

from collections.abc import Mapping

from drillkit.model.rehearsal import Apart, Rehearsal, Way

_NAMES = ("source", "schedule", "backup", "cluster", "replication_group")


def _database(way: Way, apart: Apart = "") -> Rehearsal:
    return Rehearsal(way=way, system="database", named_by=_NAMES, apart=apart)


def _cache(way: Way, apart: Apart = "") -> Rehearsal:
    return Rehearsal(way=way, system="cache", named_by=_NAMES, apart=apart)


_RESTORED_BY_VELERO = ("namespaces", *_NAMES)
_FORMER: Mapping[str, Rehearsal] = {
    "aurora.failover": _database("switchover"),
    "aurora.point-in-time-restore": _database("restore", "beside"),
    "aurora.snapshot-restore": _database("restore", "beside"),
    "chaostoolkit": Rehearsal(way="disruption"),
    "elasticache.failover": _cache("switchover"),
    "elasticache.snapshot-restore": _cache("restore", "beside"),
    "litmus.engine": Rehearsal(way="disruption"),
    "rds.cross-region-restore": _database("restore", "region"),
    "rds.failover": _database("switchover"),
    "rds.freshness": _database(""),
    "rds.point-in-time-restore": _database("restore", "beside"),
    "rds.snapshot-restore": _database("restore", "beside"),
    "velero.backup": Rehearsal(system="cluster"),
    "velero.freshness": Rehearsal(system="cluster"),
    "velero.restore": Rehearsal(
        way="restore", system="cluster", named_by=_RESTORED_BY_VELERO, apart="sealed"
    ),
}


def rehearsed(uses: str, recorded: Rehearsal | None) -> Rehearsal:
    """What a step of that kind rehearses. `recorded`: as its journal says, if it does."""
    return recorded or _FORMER.get(uses, Rehearsal())
