"""Looking at RDS in one region. Everything that changes it is in `Rds`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drillkit.clients.aws import Aws
from drillkit.clients.aws.describe_cache import Described, SharedLook
from drillkit.clients.aws.ownership import as_mapping
from drillkit.model.errors import Absent

FILTER_MOST = 50
"""Names in one filter; for more, everything is listed."""


class RdsReader:
    """One region's RDS, looked at. All methods raise CallError and, the first time, TargetError."""

    def __init__(self, aws: Aws, region: str = "") -> None:
        self.aws = aws
        self.region = region or aws.target.region
        self.clock = aws.clock
        self.service = aws.service("rds", self.region)
        self.instances = SharedLook(self._instances, aws.clock)
        self.clusters = SharedLook(self._clusters, aws.clock)

    def instance(self, name: str, fresh_s: float = 0.0) -> Described | None:
        """An instance, or None; as it was `fresh_s` seconds ago at most."""
        return self.instances.look(name.lower(), fresh_s)

    def cluster(self, name: str, fresh_s: float = 0.0) -> Described | None:
        """An Aurora cluster, or None."""
        return self.clusters.look(name.lower(), fresh_s)

    def _instances(self, names: frozenset[str]) -> dict[str, Described]:
        return self._by_name(
            "DescribeDBInstances", "DBInstances", "DBInstanceIdentifier", "db-instance-id", names
        )

    def _clusters(self, names: frozenset[str]) -> dict[str, Described]:
        return self._by_name(
            "DescribeDBClusters", "DBClusters", "DBClusterIdentifier", "db-cluster-id", names
        )

    def _by_name(
        self, operation: str, items: str, key: str, filtered: str, names: frozenset[str]
    ) -> dict[str, Described]:
        """One call where the names fit into a filter."""
        if len(names) == 1:
            (name,) = names
            try:
                found = (
                    self.service.read(operation, f"look at {name}", **{key: name}).get(items) or []
                )
            except Absent:
                found = []
        else:
            found = self._listed(operation, items, filtered, names)
        return {str(item[key]).lower(): item for item in found if str(item[key]).lower() in names}

    def _listed(
        self, operation: str, items: str, filtered: str, names: frozenset[str]
    ) -> list[Described]:
        asked = f"look at {len(names)} of {items}"
        if len(names) <= FILTER_MOST:
            wanted = [{"Name": filtered, "Values": sorted(names)}]
            try:
                return list(
                    self.service.pages(operation, asked, items, Filters=wanted, MaxRecords=100)
                )
            except Absent:
                pass  # a filter's unknown name may be called an error: look at all
        return list(self.service.pages(operation, asked, items, MaxRecords=100))

    def all_instances(self) -> list[dict[str, Any]]:
        """Every instance of the region."""
        return list(
            self.service.pages(
                "DescribeDBInstances", "list rds instances", "DBInstances", MaxRecords=100
            )
        )

    def all_clusters(self) -> list[dict[str, Any]]:
        """Every cluster of the region."""
        return list(
            self.service.pages(
                "DescribeDBClusters", "list rds clusters", "DBClusters", MaxRecords=100
            )
        )

    def snapshot(self, name: str, *, cluster: bool = False) -> Described | None:
        """A snapshot by its name, or None."""
        of = "Cluster" if cluster else ""
        try:
            found = self.service.read(
                f"DescribeDB{of}Snapshots",
                f"look at rds {of.lower()}snapshot/{name}",
                **{f"DB{of}SnapshotIdentifier": name},
            )
        except Absent:
            return None
        return next(iter(found.get(f"DB{of}Snapshots") or []), None)

    def snapshots(
        self, source: str = "", kind: str = "", *, cluster: bool = False
    ) -> list[dict[str, Any]]:
        """Snapshots of one instance or cluster (of all where `source` is ''); `kind`: automated
        or manual.

        Those of a source that is gone are found by its name, too.
        """
        of = "Cluster" if cluster else ""
        wanted = {f"DB{of}{'' if cluster else 'Instance'}Identifier": source} if source else {}
        kinds = {"SnapshotType": kind} if kind else {}
        asked = f"list snapshots of {source or 'everything'}"
        operation = f"DescribeDB{of}Snapshots"
        return list(
            self.service.pages(
                operation, asked, f"DB{of}Snapshots", MaxRecords=100, **wanted, **kinds
            )
        )

    def automated_backups(self, source: str, *, cluster: bool = False) -> list[dict[str, Any]]:
        """Automated backups of a source by its name, also of one that is deleted
        (`Status: retained`), newest first.
        """
        of = "Cluster" if cluster else "Instance"
        try:
            found = list(
                self.service.pages(
                    f"DescribeDB{of}AutomatedBackups",
                    f"look at automated backups of {source}",
                    f"DB{of}AutomatedBackups",
                    **{f"DB{of}Identifier": source},
                )
            )
        except Absent:
            return []
        return sorted(
            found,
            key=lambda b: str((b.get("RestoreWindow") or {}).get("LatestTime", "")),
            reverse=True,
        )

    def parameters(self, group: str, *, cluster: bool = False) -> dict[str, dict[str, Any]]:
        """The parameters of a parameter group by name."""
        of = "Cluster" if cluster else ""
        found = self.service.pages(
            f"DescribeDB{of}Parameters",
            f"look at parameters of {group}",
            "Parameters",
            MaxRecords=100,
            **{f"DB{of}ParameterGroupName": group},
        )
        return {str(p["ParameterName"]): p for p in found}

    def parameter_group(self, name: str, *, cluster: bool = False) -> Described | None:
        """A parameter group, or None."""
        of = "Cluster" if cluster else ""
        try:
            answer = self.service.read(
                f"DescribeDB{of}ParameterGroups",
                f"look at parameter group {name}",
                **{f"DB{of}ParameterGroupName": name},
            )
        except Absent:
            return None
        return next(iter(answer.get(f"DB{of}ParameterGroups") or []), None)

    def parameter_family(self, engine: str, version: str) -> str:
        """The family of parameter groups that fit an engine's version, such as `postgres16`.
        Raises Absent.
        """
        answer = self.service.read(
            "DescribeDBEngineVersions",
            f"look up {engine} {version}",
            Engine=engine,
            EngineVersion=version,
        )
        for found in answer.get("DBEngineVersions") or []:
            return str(found["DBParameterGroupFamily"])
        raise Absent(
            f"RDS knows no version {version} of {engine} any more; restore needs one that it offers"
        )

    def subnet_group(self, name: str) -> Described | None:
        """A subnet group, or None."""
        try:
            answer = self.service.read(
                "DescribeDBSubnetGroups", f"look at subnet group {name}", DBSubnetGroupName=name
            )
        except Absent:
            return None
        return next(iter(answer.get("DBSubnetGroups") or []), None)

    def zones(self, subnet_group: str) -> list[str]:
        """Availability zones of a subnet group."""
        subnets = (self.subnet_group(subnet_group) or {}).get("Subnets") or []
        return sorted(
            {str((s.get("SubnetAvailabilityZone") or {}).get("Name")) for s in subnets} - {"None"}
        )

    def quotas(self) -> Mapping[str, tuple[int, int]]:
        """(used, most) of each quota, such as `DBInstances`."""
        answer = self.service.read("DescribeAccountAttributes", "look at the quotas of rds")
        return {
            q["AccountQuotaName"]: (int(q["Used"]), int(q["Max"]))
            for q in answer.get("AccountQuotas") or []
        }

    def tags(self, arn: str) -> dict[str, str]:
        """Tags of what has no list of them in its description."""
        answer = self.service.read(
            "ListTagsForResource", f"read the tags of {arn}", ResourceName=arn
        )
        return as_mapping(answer.get("TagList"))

    def last_event(self, name: str, kind: str = "db-instance") -> str:
        """The newest event of a resource within the hour, or ''."""
        answer = self.service.read(
            "DescribeEvents", f"look at events of {name}", SourceIdentifier=name, SourceType=kind
        )
        events = answer.get("Events") or []
        return str(events[-1].get("Message", "")) if events else ""
