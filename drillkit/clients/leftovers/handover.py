"""Handing a thing over: the run's marks are taken off, so that no undo and no sweep touches
it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from drillkit.clients import Clients
from drillkit.clients.aws.ownership import EXPIRES as EXPIRES_TAG
from drillkit.clients.aws.ownership import OF as OF_TAG
from drillkit.clients.aws.ownership import RUN as RUN_TAG
from drillkit.clients.aws.service_client import Door
from drillkit.clients.kube import DeleteObject
from drillkit.clients.kube.client import MERGE_PATCH
from drillkit.clients.kube.ownership import EXPIRES, OF, RUN, UNDO, is_ours
from drillkit.clients.kube.resources import NAMESPACES, NETWORK_POLICIES
from drillkit.clients.retry import patiently
from drillkit.clients.undo import UndoAction
from drillkit.clients.velero.seal import POLICY
from drillkit.model.errors import Absent, NotOurs, UsageError

TOGETHER: Mapping[str, frozenset[str]] = {
    "rds.delete-instance": frozenset({"rds.delete-parameter-group"}),
    "rds.delete-cluster": frozenset({"rds.delete-instance", "rds.delete-parameter-group"}),
    "elasticache.delete-replication-group": frozenset(),
}
"""What else of the same step must be kept, since the kept thing lives on it: kind of undo to kinds
of undo.
"""


def hand_over(clients: Clients, undo: UndoAction, uid: str = "") -> str:
    """Take the run's marks off; what to know about it from now on.

    Raises UsageError for what cannot be kept, Absent when it is not there, NotOurs when it is not
    the run's, CallError.
    """
    if isinstance(undo, DeleteObject):
        return _object(clients, undo, uid)
    if (arn := _ARNS.get(undo.kind)) is not None:
        door, name = arn(clients, undo)
        if not name:
            raise Absent(f"{undo.resource} is not there (any more)")
        asked = f"take the run's tags off {undo.resource}"
        door._change(
            "RemoveTagsFromResource",
            asked,
            ResourceName=name,
            TagKeys=[RUN_TAG, OF_TAG, EXPIRES_TAG],
        )
        return "its tags are off"
    raise UsageError(
        f"{undo.resource}: only what a run made can be kept; this is a change of something else"
    )


def _object(clients: Clients, undo: DeleteObject, uid: str) -> str:
    kube = clients.kube
    found = kube.find(undo.of, undo.name, undo.namespace)
    if found is None:
        raise Absent(f"{undo.resource} is not there (any more)")
    if not is_ours(found, undo.run, undo.name, uid):
        raise NotOurs(
            f"{undo.resource} does not carry this run's marks: it is nobody's to hand over"
        )
    body = {
        "metadata": {"labels": {RUN: None, OF: None}, "annotations": {UNDO: None, EXPIRES: None}}
    }

    def once() -> None:
        kube._send(
            "PATCH",
            undo.of.path(undo.name, undo.namespace),
            f"take the run's marks off {undo.resource}",
            body=body,
            content_type=MERGE_PATCH,
        )

    patiently(once, kube.clock, attempts=3, limit_s=20.0)
    sealed = undo.of == NAMESPACES and kube.find(NETWORK_POLICIES, POLICY, undo.name) is not None
    if sealed:
        return (
            f"its marks are off; it is still sealed: kubectl delete networkpolicy {POLICY} "
            f"-n {undo.name}"
        )
    return "its marks are off"


def _of_rds(look: str, arn: str, *keys: str) -> Callable[[Clients, Any], tuple[Door, str]]:
    def find(clients: Clients, undo: Any) -> tuple[Door, str]:
        rds = clients.rds.at(undo.region)
        described = getattr(rds, look)(undo.name, **{key: getattr(undo, key) for key in keys}) or {}
        of = "DBCluster" if getattr(undo, "cluster", False) else "DB"
        return rds.door, str(described.get(arn.replace("DB?", of), ""))

    return find


def _of_cache(clients: Clients, undo: Any) -> tuple[Door, str]:
    cache = clients.elasticache.at(undo.region)
    described = cache.group(undo.name) or {}
    return cache.door, str(described.get("ARN", ""))


_ARNS: Mapping[str, Callable[[Clients, Any], tuple[Door, str]]] = {
    "rds.delete-instance": _of_rds("instance", "DBInstanceArn"),
    "rds.delete-cluster": _of_rds("cluster", "DBClusterArn"),
    "rds.delete-snapshot": _of_rds("snapshot", "DB?SnapshotArn", "cluster"),
    "rds.delete-parameter-group": _of_rds("parameter_group", "DB?ParameterGroupArn", "cluster"),
    "elasticache.delete-replication-group": _of_cache,
}
"""How the ARN of what each kind of undo is about is found."""
