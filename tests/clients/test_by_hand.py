"""What somebody types where drillkit cannot undo a thing: real commands with real options."""

from __future__ import annotations

import shlex

import pytest
from botocore import xform_name
from botocore.session import Session

from drillkit.clients.aws.removal import DeleteResource
from drillkit.clients.elasticache.groups import DeleteReplicationGroup
from drillkit.clients.elasticache.snapshots import DeleteCacheSnapshot
from drillkit.clients.kube.field_patch import FieldChange, RestoreFields
from drillkit.clients.kube.lease import ReleaseLease
from drillkit.clients.kube.nodes import Uncordon
from drillkit.clients.kube.objects import DeleteFault
from drillkit.clients.kube.resources import NAMESPACES, NETWORK_CHAOS, VIRTUAL_SERVICES
from drillkit.clients.rds.clusters import DeleteCluster
from drillkit.clients.rds.groups import DeleteParameterGroup
from drillkit.clients.rds.instances import DeleteInstance
from drillkit.clients.rds.snapshots import DeleteSnapshot
from drillkit.clients.undo import UndoAction
from drillkit.clients.velero import backup_undo
from drillkit.clients.velero.undo import DeleteScratch

GLOBAL = {"region"}
AWS = [
    DeleteInstance("copy", "run", "eu-central-1"),
    DeleteCluster("copy", "run", "eu-central-1"),
    DeleteSnapshot("copy", "run", "eu-central-1"),
    DeleteSnapshot("copy", "run", "eu-central-1", cluster=True),
    DeleteParameterGroup("copy", "run", "eu-central-1"),
    DeleteParameterGroup("copy", "run", "eu-central-1", cluster=True),
    DeleteReplicationGroup("copy", "run", "eu-central-1"),
    DeleteCacheSnapshot("copy", "run", "eu-central-1"),
]


def test_every_undo_in_aws_has_its_lines() -> None:
    def kinds(cls: type) -> set[type]:
        return {cls, *(each for sub in cls.__subclasses__() for each in kinds(sub))}

    there = {each for each in kinds(DeleteResource) if hasattr(each, "kind")}
    assert {type(undo) for undo in AWS} == there


@pytest.mark.parametrize("undo", AWS, ids=lambda undo: undo.resource)
def test_lines_for_aws_are_operations_with_their_parameters(undo: DeleteResource) -> None:
    assert undo.by_hand
    for line in undo.by_hand:
        program, service, operation, *options = shlex.split(line)
        model = Session().get_service_model(service)
        names = {xform_name(name, "-"): name for name in model.operation_names}
        shape = model.operation_model(names[operation]).input_shape
        assert program == "aws"
        assert shape is not None
        known = {xform_name(name, "-"): member for name, member in shape.members.items()}
        given = [each[2:] for each in options if each.startswith("--")]
        assert "copy" in options
        for option in set(given) - GLOBAL:
            name = option.removeprefix("no-") if option not in known else option
            assert name in known, line
            assert option == name or known[name].type_name == "boolean"
        assert shape.required_members
        assert {xform_name(name, "-") for name in shape.required_members} <= set(given)


@pytest.mark.parametrize(
    ("undo", "lines"),
    [
        (Uncordon("n1", "run", "uid"), ["kubectl uncordon n1"]),
        (
            ReleaseLease("drillkit", "drillkit", "run"),
            ["kubectl delete leases.coordination.k8s.io drillkit --namespace drillkit"],
        ),
        (
            DeleteFault(NETWORK_CHAOS, "late", "run", "shop"),
            ["kubectl delete networkchaos.chaos-mesh.org late --namespace shop"],
        ),
        (
            backup_undo("b1", "velero", "run"),
            ["velero backup delete b1 --namespace velero --confirm"],
        ),
        (DeleteScratch(NAMESPACES, "dr-1", "run"), ["kubectl delete namespaces dr-1"]),
    ],
)
def test_lines_for_a_cluster(undo: UndoAction, lines: list[str]) -> None:
    assert list(undo.by_hand) == lines


def test_a_namespace_whose_disks_may_be_the_originals_is_not_deleted_without_a_look() -> None:
    first, *_, last = DeleteScratch(NAMESPACES, "dr-1", "run", handles=("vol-1",)).by_hand
    assert first.startswith("# These disks are the original's: vol-1.")
    assert last == "kubectl delete namespaces dr-1"


def test_a_field_is_put_back_only_where_it_still_holds_the_runs_value() -> None:
    undo = RestoreFields(
        VIRTUAL_SERVICES,
        "web",
        "run",
        "uid",
        (FieldChange("/spec/a", '"it\'s"', ""), FieldChange("/spec/b", "", "1")),
        "shop",
    )
    (line,) = undo.by_hand
    *_, patch = shlex.split(line)
    assert patch.startswith(
        '[{"op":"test","path":"/spec/a","value":"it\'s"},{"op":"remove","path":"/spec/a"},'
        '{"op":"add","path":"/spec/b","value":1},'
        '{"op":"remove","path":"/metadata/annotations/drillkit.dev~1undo-'
    )
