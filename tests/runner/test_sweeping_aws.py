"""Leftovers in an AWS account: only what bears both tags and has expired; and what is handed over,
which is the run's own and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import pytest

from drillkit.cleanup import OpenUndo
from drillkit.clients import Clients, elasticache
from drillkit.clients import rds as rds_client
from drillkit.clients.aws.removal import FoundResource
from drillkit.clients.rds import Rds
from drillkit.clients.undo import Keepable, Leftover, Sweepable, UndoAction
from drillkit.clock import Fence, SystemClock
from drillkit.model.errors import NotOurs
from drillkit.model.target import AwsTarget, Target
from drillkit.runner.keep import companions

RUN = "20200101-030000-aaaa"


def tags(
    name: str, *, expires: str = "2020-01-01T06:00:00+00:00", **more: str
) -> list[dict[str, str]]:
    found = {"drillkit:run": RUN, "drillkit:of": name, "drillkit:expires": expires, **more}
    return [{"Key": key, "Value": value} for key, value in found.items() if value]


class Door:
    """Pages that are given."""

    def __init__(self, pages: Mapping[str, list[dict[str, Any]]]) -> None:
        self._pages = pages

    def pages(
        self, operation: str, asked: str, items: str, **params: Any
    ) -> Iterable[dict[str, Any]]:
        return self._pages.get(items, [])


class Region:
    """RDS or ElastiCache of one region, answering from lists."""

    def __init__(
        self, region: str, tagged: Mapping[str, list[dict[str, str]]], **pages: list[dict[str, Any]]
    ) -> None:
        self.region, self.service, self._tagged = region, Door(pages), tagged
        self._pages = pages

    def at(self, region: str) -> Region:
        return self if region == self.region else Region(region, {})

    def all_instances(self) -> list[dict[str, Any]]:
        return self._pages.get("DBInstances", [])

    def all_clusters(self) -> list[dict[str, Any]]:
        return self._pages.get("DBClusters", [])

    def snapshots(
        self, source: str = "", kind: str = "", *, cluster: bool = False
    ) -> list[dict[str, Any]]:
        return self._pages.get("DBClusterSnapshots" if cluster else "DBSnapshots", [])

    def tags(self, arn: str) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in self._tagged.get(arn, [])}

    def marked(self, described: Mapping[str, Any], status: str) -> Any:
        return FoundResource(self.tags(described["ARN"]), status)


def clients(**services: Region) -> Clients:
    target = Target(
        name="t",
        aws=AwsTarget(account="123456789012", region="eu-central-1", dr_region="eu-west-1"),
    )
    made = Clients(target, SystemClock(), Fence())
    vars(made).update({name: cast(Rds, region) for name, region in services.items()})
    return made


def found_by(undos: Mapping[str, type[UndoAction]], clients: Clients) -> list[Leftover]:
    sweepable = [undo for undo in undos.values() if issubclass(undo, Sweepable)]
    return [each for undo in sweepable for look in undo.lookups(clients) for each in look()]


def instance(name: str, marks: list[dict[str, str]]) -> dict[str, Any]:
    return {"DBInstanceIdentifier": name, "DbiResourceId": f"db-{name}", "TagList": marks}


def test_an_instance_must_bear_the_run_its_own_name_and_an_expiry() -> None:
    listed = [
        instance("dr-old", tags("dr-old")),
        instance("prod", [{"Key": "team", "Value": "web"}]),
        instance("copy-of-a-copy", tags("dr-old")),  # a restore of a drill's copy inherits its tags
        instance("no-expiry", tags("no-expiry", expires="")),
        instance("no-date", tags("no-date", expires="soon")),
    ]
    found = found_by(
        rds_client.UNDOS, (clients(rds=Region("eu-central-1", {}, DBInstances=listed)))
    )
    assert [(each.resource, each.run, each.uid) for each in found] == [
        ("rds instance/eu-central-1/dr-old", RUN, "db-dr-old")
    ]


def test_clusters_snapshots_and_parameter_groups_are_found_in_their_order_of_removal() -> None:
    region = Region(
        "eu-central-1",
        {"arn:pg": tags("dr-pg"), "arn:other": tags("dr-pg")},
        DBInstances=[instance("dr-i", tags("dr-i"))],
        DBClusters=[
            {"DBClusterIdentifier": "dr-c", "DbClusterResourceId": "c", "TagList": tags("dr-c")}
        ],
        DBSnapshots=[{"DBSnapshotIdentifier": "dr-s", "TagList": tags("dr-s")}],
        DBClusterSnapshots=[{"DBClusterSnapshotIdentifier": "dr-cs", "TagList": tags("dr-cs")}],
        DBParameterGroups=[
            {"DBParameterGroupName": "dr-pg", "DBParameterGroupArn": "arn:pg"},
            {"DBParameterGroupName": "theirs", "DBParameterGroupArn": "arn:theirs"},
            {"DBParameterGroupName": "dr-other", "DBParameterGroupArn": "arn:other"},
        ],
    )
    found = found_by(rds_client.UNDOS, (clients(rds=region)))
    kinds = {each.undo.kind: each.undo.rank for each in found}
    assert [each.resource.rpartition("/")[2] for each in found] == [
        "dr-i",
        "dr-c",
        "dr-s",
        "dr-cs",
        "dr-pg",
    ]
    assert (
        kinds["rds.delete-instance"]
        < kinds["rds.delete-cluster"]
        < kinds["rds.delete-parameter-group"]
    )


def test_caches_are_found_by_their_tags_which_cost_a_call_each() -> None:
    groups = [
        {"ReplicationGroupId": "dr-g", "ARN": "arn:g"},
        {"ReplicationGroupId": "prod", "ARN": "arn:prod"},
    ]
    region = Region(
        "eu-central-1",
        {"arn:g": tags("dr-g"), "arn:prod": tags("prod")},
        ReplicationGroups=groups,
        Snapshots=[],
    )
    found = found_by(elasticache.UNDOS, (clients(elasticache=region)))
    assert [each.resource for each in found] == ["elasticache replication-group/eu-central-1/dr-g"]


@pytest.mark.parametrize("kind", [*rds_client.UNDOS, *elasticache.UNDOS])
def test_whatever_a_run_made_can_be_kept_and_nothing_that_bears_other_tags(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cls: Any = {**rds_client.UNDOS, **elasticache.UNDOS}[kind]
    asked: list[tuple[str, str]] = []

    class Tagging:
        def _change(self, operation: str, asked_for: str, *, ResourceName: str, **_: Any) -> None:
            asked.append((operation, ResourceName))

    tagged = {"drillkit:run": RUN, "drillkit:of": "dr-a"}
    found = FoundResource(tagged, uid="id-1", arn="arn:a")
    monkeypatch.setattr(cls, "find", lambda self, clients: found)
    monkeypatch.setattr(cls, "service", lambda self, clients: Tagging())
    undo = cls("dr-a", RUN, "eu-central-1")
    assert isinstance(undo, Keepable)
    assert undo.hand_over(clients(), "id-1") == "its tags are off"
    assert asked == [("RemoveTagsFromResource", "arn:a")]
    for foreign, uid in ((undo, "id-2"), (cls("dr-b", RUN, ""), ""), (cls("dr-a", "r", ""), "")):
        with pytest.raises(NotOurs, match="nobody's to hand over"):
            foreign.hand_over(clients(), uid)
    assert len(asked) == 1


def test_a_member_is_kept_with_its_cluster_and_all_that_they_live_on() -> None:
    def undo(n: int, kind: str, name: str, step: str = "db") -> OpenUndo:
        args = {"name": name, "run": RUN, "region": "eu-central-1"}
        return OpenUndo(n, f"rds.delete-{kind}", args, "remove", f"{kind}/{name}", step, 0.0)

    member = undo(1, "instance", "dr-1")
    opens = [
        member,
        undo(2, "instance", "dr-2"),
        undo(3, "cluster", "dr"),
        undo(4, "parameter-group", "dr"),
        undo(5, "snapshot", "dr"),
        undo(6, "instance", "dr-9", step="another"),
    ]
    assert {each.record for each in companions(member, opens)} == {1, 2, 3, 4}
