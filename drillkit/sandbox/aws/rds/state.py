"""What RDS remembers: instances, clusters, snapshots, automated backups, groups, per region."""

from __future__ import annotations

import secrets
import string
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from drillkit.sandbox.aws.knobs import Knobs
from drillkit.sandbox.aws.rds.database import Database, Databases
from drillkit.sandbox.aws.wire import Fault, QueryProtocol

Params = Mapping[str, Any]


def now() -> datetime:
    """The service's clock."""
    return datetime.now(UTC)


def new_resource_id(prefix: str) -> str:
    """For instance `db-` and 26 capital letters and digits, as RDS makes them."""
    return prefix + "".join(
        secrets.choice(string.ascii_uppercase + string.digits) for _ in range(26)
    )


def tags_of(params: Params) -> dict[str, str]:
    """The request's tags as a dictionary."""
    return {tag["Key"]: tag.get("Value", "") for tag in params.get("Tags") or []}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as RDS shows them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@dataclass(eq=False)
class Instance:
    """A DB instance.  `attrs` holds the fields of the API's DBInstance that we are told rather
    than derive.
    """

    region: str
    attrs: dict[str, Any]
    tags: dict[str, str]
    database: Database | None = None
    password: str = ""
    status: str = "creating"
    reached: bool = False
    pending: dict[str, Any] = field(default_factory=dict)
    parameters_pending: bool = False

    @property
    def id(self) -> str:
        return str(self.attrs["DBInstanceIdentifier"])

    @property
    def cluster_id(self) -> str | None:
        return self.attrs.get("DBClusterIdentifier")


@dataclass(eq=False)
class Cluster:
    """An Aurora cluster: one PostgreSQL server behind its writer and reader endpoints alike."""

    region: str
    attrs: dict[str, Any]
    tags: dict[str, str]
    database: Database | None = None
    password: str = ""
    status: str = "creating"
    writer: str | None = None

    @property
    def id(self) -> str:
        return str(self.attrs["DBClusterIdentifier"])


@dataclass(eq=False)
class Snapshot:
    """A snapshot of an instance or a cluster; `folder` is its base backup once it is available."""

    region: str
    attrs: dict[str, Any]
    tags: dict[str, str]
    source_attrs: dict[str, Any]
    source_tags: dict[str, str]
    cluster: bool = False
    folder: Path | None = None
    status: str = "creating"
    progress: int = 0
    shared_folder: bool = False

    @property
    def id(self) -> str:
        return str(
            self.attrs["DBClusterSnapshotIdentifier" if self.cluster else "DBSnapshotIdentifier"]
        )


@dataclass(eq=False)
class Backup:
    """The automated backup of an instance or cluster, which may be gone by now (`retained`)."""

    region: str
    source_attrs: dict[str, Any]
    source_tags: dict[str, str]
    database: Database
    arn: str
    cluster: bool = False
    retained: bool = False


@dataclass(eq=False)
class Group:
    """A parameter group, cluster parameter group or subnet group."""

    region: str
    attrs: dict[str, Any]
    tags: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass
class Region:
    """Everything RDS has in one region, by identifier (lower case, as RDS stores them)."""

    name: str
    instances: dict[str, Instance] = field(default_factory=dict)
    clusters: dict[str, Cluster] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    cluster_snapshots: dict[str, Snapshot] = field(default_factory=dict)
    backups: dict[str, Backup] = field(default_factory=dict)
    parameter_groups: dict[str, Group] = field(default_factory=dict)
    cluster_parameter_groups: dict[str, Group] = field(default_factory=dict)
    subnet_groups: dict[str, Group] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)


class Rds:
    """The service's state and the means it works with.  Hold `lock` while reading or
    changing state.
    """

    def __init__(
        self, account: str, databases: Databases, knobs: Knobs, protocol: QueryProtocol
    ) -> None:
        self.account = account
        self.databases = databases
        self.knobs = knobs
        self.protocol = protocol
        self.lock = threading.RLock()
        self.regions: dict[str, Region] = {}
        self.on_secret: Callable[[str, str, str], str] | None = None
        self.prepare: dict[str, Callable[[Any], None]] = {}

    def region(self, name: str) -> Region:
        """A region, made with its default groups when first spoken of."""
        if name not in self.regions:
            self.regions[name] = self._new_region(name)
        return self.regions[name]

    def _new_region(self, name: str) -> Region:
        region = Region(name)
        major = self.databases.version.split(".")[0]
        for family in (f"postgres{major}", f"aurora-postgresql{major}"):
            shown = {
                "DBParameterGroupName": f"default.{family}",
                "DBParameterGroupFamily": family,
                "Description": f"Default parameter group for {family}",
                "DBParameterGroupArn": self.arn(name, "pg", f"default.{family}"),
            }
            region.parameter_groups[f"default.{family}"] = Group(name, shown)
        family = f"aurora-postgresql{major}"
        region.cluster_parameter_groups[f"default.{family}"] = Group(
            name,
            {
                "DBClusterParameterGroupName": f"default.{family}",
                "DBParameterGroupFamily": family,
                "Description": f"Default cluster parameter group for {family}",
                "DBClusterParameterGroupArn": self.arn(name, "cluster-pg", f"default.{family}"),
            },
        )
        region.subnet_groups["default"] = Group(
            name,
            {
                "DBSubnetGroupName": "default",
                "DBSubnetGroupDescription": "default",
                "VpcId": "vpc-default",
                "SubnetGroupStatus": "Complete",
                "DBSubnetGroupArn": self.arn(name, "subgrp", "default"),
                "Subnets": subnets_shown(name, ["subnet-default-a", "subnet-default-b"]),
            },
        )
        return region

    def arn(self, region: str, kind: str, name: str) -> str:
        """`kind`: db, cluster, snapshot, cluster-snapshot, pg, cluster-pg, subgrp, auto-backup."""
        return f"arn:aws:rds:{region}:{self.account}:{kind}:{name}"

    def fault(self, name: str, message: str) -> Fault:
        return self.protocol.fault(name, message)

    def instance(self, region: str, identifier: str) -> Instance:
        """Raises DBInstanceNotFound."""
        found = self.region(region).instances.get(name_of(identifier))
        if found is None or self.knobs.hidden(found.id):
            raise self.fault("DBInstanceNotFoundFault", f"DBInstance {identifier} not found.")
        return found

    def cluster(self, region: str, identifier: str) -> Cluster:
        """Raises DBClusterNotFoundFault."""
        found = self.region(region).clusters.get(name_of(identifier))
        if found is None or self.knobs.hidden(found.id):
            raise self.fault("DBClusterNotFoundFault", f"DBCluster {identifier} not found.")
        return found

    def snapshot(self, region: str, identifier: str, cluster: bool) -> Snapshot:
        """By name in this region or by ARN in any; raises DB(Cluster)SnapshotNotFound."""
        home, name = where(region, identifier)
        there = self.region(home)
        found = (there.cluster_snapshots if cluster else there.snapshots).get(name)
        if found is None or self.knobs.hidden(found.id):
            shape = "DBClusterSnapshotNotFoundFault" if cluster else "DBSnapshotNotFoundFault"
            raise self.fault(
                shape, f"{'DBClusterSnapshot' if cluster else 'DBSnapshot'} not found: {identifier}"
            )
        return found

    def event(self, region: str, kind: str, identifier: str, message: str) -> None:
        """Adds to what DescribeEvents shows."""
        events = self.region(region).events
        events.append(
            {"SourceIdentifier": identifier, "SourceType": kind, "Message": message, "Date": now()}
        )
        del events[:-500]

    def tagged(self) -> Iterator[tuple[str, dict[str, str]]]:
        """The ARN and the tags of everything that has them."""
        keys = (
            "DBInstanceArn",
            "DBClusterArn",
            "DBSnapshotArn",
            "DBClusterSnapshotArn",
            "DBParameterGroupArn",
            "DBClusterParameterGroupArn",
            "DBSubnetGroupArn",
        )
        for region in self.regions.values():
            for group in (
                region.instances,
                region.clusters,
                region.snapshots,
                region.cluster_snapshots,
                region.parameter_groups,
                region.cluster_parameter_groups,
                region.subnet_groups,
            ):
                for item in group.values():
                    yield next(item.attrs[key] for key in keys if key in item.attrs), item.tags


def name_of(identifier: str) -> str:
    """The stored name for an identifier or ARN."""
    return identifier.split(":")[6].lower() if identifier.startswith("arn:") else identifier.lower()


def where(region: str, identifier: str) -> tuple[str, str]:
    """The region and the name of something given by name or ARN.  An automated snapshot's name has
    a colon itself.
    """
    if not identifier.startswith("arn:"):
        return region, identifier.lower()
    parts = identifier.split(":", 6)
    return parts[3], parts[6].lower()


def subnets_shown(region: str, identifiers: list[str]) -> list[dict[str, Any]]:
    """Subnets as a subnet group shows them, spread over the zones."""
    return [
        {
            "SubnetIdentifier": identifier,
            "SubnetStatus": "Active",
            "SubnetAvailabilityZone": {"Name": f"{region}{'abc'[number % 3]}"},
        }
        for number, identifier in enumerate(identifiers)
    ]


def chosen(params: Params, names: str, value: str) -> bool:
    """Whether a Filters entry of this name, if any, lets `value` through."""
    for entry in params.get("Filters") or []:
        if entry["Name"] == names:
            return any(fnmatchcase(value, wanted) for wanted in entry["Values"])
    return True
