"""An RDS in memory, in its own time: states pass as the clock does, tags are inherited, falsy
values count.

Small on purpose: what a restore asks for, with the refusals that matter. The sandbox's RDS is the
thorough one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from drillkit.sandbox.aws.wire import Fault

Params = Mapping[str, Any]
START = datetime(2026, 1, 1, tzinfo=UTC)
CREATING_S, DELETING_S = 8.0, 4.0
TEAM = [{"Key": "team", "Value": "platform"}]


def source() -> dict[str, Any]:
    """An original with settings of its own in every place."""
    return {
        "DBInstanceIdentifier": "prod",
        "DBInstanceArn": "arn:aws:rds:eu-central-1:123456789012:db:prod",
        "DbiResourceId": "db-PROD",
        "DBInstanceStatus": "available",
        "Engine": "postgres",
        "EngineVersion": "16.3",
        "DBInstanceClass": "db.r6g.large",
        "AllocatedStorage": 500,
        "StorageType": "gp3",
        "Iops": 14000,
        "StorageThroughput": 600,
        "StorageEncrypted": True,
        "KmsKeyId": "arn:aws:kms:eu-central-1:123456789012:key/k",
        "MultiAZ": True,
        "AvailabilityZone": "eu-central-1a",
        "SecondaryAvailabilityZone": "eu-central-1b",
        "Endpoint": {"Address": "prod.example", "Port": 6432, "HostedZoneId": "Z"},
        "DBName": "shop",
        "MasterUsername": "app",
        "LicenseModel": "postgresql-license",
        "NetworkType": "IPV4",
        "IAMDatabaseAuthenticationEnabled": True,
        "EnabledCloudwatchLogsExports": ["postgresql", "upgrade"],
        "CACertificateIdentifier": "rds-ca-ecc384-g1",
        "AutoMinorVersionUpgrade": False,
        "DedicatedLogVolume": True,
        "OptionGroupMemberships": [{"OptionGroupName": "prod-options", "Status": "in-sync"}],
        "DBParameterGroups": [
            {"DBParameterGroupName": "prod-params", "ParameterApplyStatus": "in-sync"}
        ],
        "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-prod", "Status": "active"}],
        "DBSubnetGroup": {"DBSubnetGroupName": "prod-subnets"},
        "PubliclyAccessible": False,
        "DeletionProtection": True,
        "BackupRetentionPeriod": 14,
        "CopyTagsToSnapshot": True,
        "MonitoringInterval": 30,
        "MonitoringRoleArn": "arn:aws:iam::123456789012:role/mon",
        "PerformanceInsightsEnabled": True,
        "PerformanceInsightsRetentionPeriod": 7,
        "PreferredMaintenanceWindow": "sun:03:00-sun:03:30",
        "PreferredBackupWindow": "01:00-01:30",
        "LatestRestorableTime": START,
        "PendingModifiedValues": {},
        "TagList": TEAM,
        "AssociatedRoles": [],
    }


class FakeRds:
    """One region's RDS."""

    def __init__(self) -> None:
        self.at = START
        self.instances: dict[str, dict[str, Any]] = {"prod": source()}
        self.clusters: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, dict[str, Any]] = {"prod-params": {"tags": TEAM, "values": {}}}
        self.snapshots: dict[str, dict[str, Any]] = {}
        self._due: list[tuple[datetime, Callable[[], object]]] = []
        self._ids = 0

    def advance(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due in it."""
        end = self.at + timedelta(seconds=seconds)
        while self._due and min(self._due, key=lambda d: d[0])[0] <= end:
            due = min(self._due, key=lambda d: d[0])
            self._due.remove(due)
            self.at = max(self.at, due[0])
            due[1]()
        self.at = end

    def later(self, seconds: float, what: Callable[[], object]) -> None:
        self._due.append((self.at + timedelta(seconds=seconds), what))

    def inventory(self) -> dict[str, Any]:
        """All that is there, without what time changes."""
        return copy.deepcopy(
            {
                "instances": self.instances,
                "clusters": self.clusters,
                "groups": self.groups,
                "snapshots": self.snapshots,
            }
        )

    def answer(self, region: str, action: str, params: Params) -> Mapping[str, Any]:
        """One call. Raises Fault."""
        return dict(getattr(self, "_" + action)(params))

    # instances

    def _new_id(self, kind: str) -> str:
        self._ids += 1
        return f"{kind}-{self._ids:04d}"

    def _launch(self, name: str, fields: Mapping[str, Any], params: Params) -> Mapping[str, Any]:
        if name in self.instances:
            raise Fault("DBInstanceAlreadyExists", f"DB instance already exists: {name}")
        made = {
            **copy.deepcopy(dict(fields)),
            "DBInstanceIdentifier": name,
            "DBInstanceStatus": "creating",
            "DbiResourceId": self._new_id("db"),
            "DBInstanceArn": f"arn:aws:rds:eu-central-1:123456789012:db:{name}",
            "TagList": list(params["Tags"])
            if "Tags" in params
            else list(fields.get("TagList") or []),
            "MultiAZ": params.get("MultiAZ", False),
            "DeletionProtection": params.get(
                "DeletionProtection", fields.get("DeletionProtection", False)
            ),
            "DBParameterGroups": [
                {
                    "DBParameterGroupName": params.get("DBParameterGroupName", "default"),
                    "ParameterApplyStatus": "in-sync",
                }
            ],
            "Endpoint": {"Address": "127.0.0.1", "Port": 1, "HostedZoneId": "Z"},
        }
        if params.get("DBParameterGroupName") and params["DBParameterGroupName"] not in self.groups:
            raise Fault("DBParameterGroupNotFound", "no such group", 404)
        self.instances[name] = made
        self.later(CREATING_S, lambda: self._becomes(name, made, "available"))
        return {"DBInstance": made}

    def _becomes(self, name: str, made: dict[str, Any], status: str) -> None:
        if self.instances.get(name) is made and made["DBInstanceStatus"] == "creating":
            made["DBInstanceStatus"] = status

    def _RestoreDBInstanceToPointInTime(self, params: Params) -> Mapping[str, Any]:
        return self._launch(params["TargetDBInstanceIdentifier"], self.instances["prod"], params)

    def _RestoreDBInstanceFromDBSnapshot(self, params: Params) -> Mapping[str, Any]:
        if params["DBSnapshotIdentifier"] not in self.snapshots:
            raise Fault("DBSnapshotNotFound", "no such snapshot", 404)
        return self._launch(params["DBInstanceIdentifier"], self.instances["prod"], params)

    def _CreateDBInstance(self, params: Params) -> Mapping[str, Any]:
        cluster = self.clusters.get(params["DBClusterIdentifier"])
        if cluster is None or cluster["Status"] != "available":
            raise Fault("InvalidDBClusterStateFault", "the cluster is not available")
        made = self._launch(params["DBInstanceIdentifier"], {}, params)
        self.instances[params["DBInstanceIdentifier"]]["DBClusterIdentifier"] = params[
            "DBClusterIdentifier"
        ]
        return made

    def _DescribeDBInstances(self, params: Params) -> Mapping[str, Any]:
        if name := params.get("DBInstanceIdentifier"):
            if name not in self.instances:
                raise Fault("DBInstanceNotFound", f"DBInstance {name} not found.", 404)
            return {"DBInstances": [self.instances[name]]}
        wanted = next((f["Values"] for f in params.get("Filters") or []), None)
        return {
            "DBInstances": [i for n, i in self.instances.items() if wanted is None or n in wanted]
        }

    def _DescribeDBInstanceAutomatedBackups(self, params: Params) -> Mapping[str, Any]:
        return {"DBInstanceAutomatedBackups": []}

    def _DescribeDBSubnetGroups(self, params: Params) -> Mapping[str, Any]:
        return {"DBSubnetGroups": [{"DBSubnetGroupName": "drill", "Subnets": []}]}

    def _DescribeAccountAttributes(self, params: Params) -> Mapping[str, Any]:
        return {
            "AccountQuotas": [
                {"AccountQuotaName": "DBInstances", "Used": len(self.instances), "Max": 1000}
            ]
        }

    def _DescribeEvents(self, params: Params) -> Mapping[str, Any]:
        return {"Events": []}

    def _ModifyDBInstance(self, params: Params) -> Mapping[str, Any]:
        found = self._there(params["DBInstanceIdentifier"])
        if found["DBInstanceStatus"] == "creating":
            raise Fault("InvalidDBInstanceState", "it is creating")
        known = {
            "DeletionProtection",
            "MonitoringInterval",
            "MonitoringRoleArn",
            "PreferredMaintenanceWindow",
        }
        found |= {k: v for k, v in params.items() if k in known}
        if params.get("EnablePerformanceInsights"):
            found["PerformanceInsightsEnabled"] = True
        return {"DBInstance": found}

    def _there(self, name: str) -> dict[str, Any]:
        if name not in self.instances:
            raise Fault("DBInstanceNotFound", f"DBInstance {name} not found.", 404)
        return self.instances[name]

    def _DeleteDBInstance(self, params: Params) -> Mapping[str, Any]:
        name = params["DBInstanceIdentifier"]
        found = self._there(name)
        if found["DeletionProtection"]:
            raise Fault("InvalidParameterCombination", "Cannot delete protected DB Instance")
        if found["DBInstanceStatus"] in ("creating", "deleting"):
            raise Fault("InvalidDBInstanceState", f"it is {found['DBInstanceStatus']}")
        assert params["SkipFinalSnapshot"] is True
        assert params["DeleteAutomatedBackups"] is True
        found["DBInstanceStatus"] = "deleting"
        self.later(DELETING_S, lambda: self.instances.pop(name, None))
        return {"DBInstance": found}

    # clusters

    def _RestoreDBClusterToPointInTime(self, params: Params) -> Mapping[str, Any]:
        name = params["DBClusterIdentifier"]
        if name in self.clusters:
            raise Fault("DBClusterAlreadyExistsFault", "there already")
        made = {
            "DBClusterIdentifier": name,
            "Status": "creating",
            "DbClusterResourceId": self._new_id("cluster"),
            "TagList": list(params.get("Tags") or TEAM),
            "DeletionProtection": params["DeletionProtection"],
            "Engine": "aurora-postgresql",
        }
        self.clusters[name] = made

        def ready() -> None:
            made["Status"] = "available" if made["Status"] == "creating" else made["Status"]

        self.later(CREATING_S, ready)
        return {"DBCluster": made}

    def _DescribeDBClusters(self, params: Params) -> Mapping[str, Any]:
        if (name := params.get("DBClusterIdentifier")) and name not in self.clusters:
            raise Fault("DBClusterNotFoundFault", "not found", 404)
        return {"DBClusters": [c for n, c in self.clusters.items() if name in (None, n)]}

    def _DeleteDBCluster(self, params: Params) -> Mapping[str, Any]:
        name = params["DBClusterIdentifier"]
        if name not in self.clusters:
            raise Fault("DBClusterNotFoundFault", "not found", 404)
        members = [i for i in self.instances.values() if i.get("DBClusterIdentifier") == name]
        if self.clusters[name]["Status"] != "available" or members:
            raise Fault("InvalidDBClusterStateFault", "Cluster cannot be deleted now")
        assert params["SkipFinalSnapshot"] is True
        self.clusters[name]["Status"] = "deleting"
        self.later(DELETING_S, lambda: self.clusters.pop(name, None))
        return {"DBCluster": self.clusters[name]}

    # snapshots

    def _CreateDBSnapshot(self, params: Params) -> Mapping[str, Any]:
        name = params["DBSnapshotIdentifier"]
        if name in self.snapshots:
            raise Fault("DBSnapshotAlreadyExists", "there already")
        made = {
            "DBSnapshotIdentifier": name,
            "Status": "creating",
            "TagList": list(params["Tags"]),
            "DBInstanceIdentifier": "prod",
            "DBSnapshotArn": f"arn:aws:rds:eu-central-1:123456789012:snapshot:{name}",
            "OriginalSnapshotCreateTime": self.at,
            "SnapshotType": "manual",
        }
        self.snapshots[name] = made
        self.later(CREATING_S, lambda: made.update(Status="available"))
        return {"DBSnapshot": made}

    def _DescribeDBSnapshots(self, params: Params) -> Mapping[str, Any]:
        if (name := params.get("DBSnapshotIdentifier")) and name not in self.snapshots:
            raise Fault("DBSnapshotNotFound", "not found", 404)
        return {"DBSnapshots": [s for n, s in self.snapshots.items() if name in (None, n)]}

    def _DeleteDBSnapshot(self, params: Params) -> Mapping[str, Any]:
        name = params["DBSnapshotIdentifier"]
        if name not in self.snapshots:
            raise Fault("DBSnapshotNotFound", "not found", 404)
        if self.snapshots[name]["Status"] != "available":
            raise Fault("InvalidDBSnapshotState", "it is being created")
        return {"DBSnapshot": self.snapshots.pop(name)}

    # parameter groups

    def _CopyDBParameterGroup(self, params: Params) -> Mapping[str, Any]:
        name = params["TargetDBParameterGroupIdentifier"]
        if params["SourceDBParameterGroupIdentifier"] not in self.groups:
            raise Fault("DBParameterGroupNotFound", "no such group", 404)
        if name in self.groups:
            raise Fault("DBParameterGroupAlreadyExists", "there already")
        self.groups[name] = {"tags": list(params["Tags"]), "values": {}}
        return {"DBParameterGroup": _shown(name)}

    def _CreateDBParameterGroup(self, params: Params) -> Mapping[str, Any]:
        self.groups[params["DBParameterGroupName"]] = {"tags": list(params["Tags"]), "values": {}}
        return {"DBParameterGroup": _shown(params["DBParameterGroupName"])}

    def _DescribeDBParameterGroups(self, params: Params) -> Mapping[str, Any]:
        name = params["DBParameterGroupName"]
        if name not in self.groups:
            raise Fault("DBParameterGroupNotFound", "not found", 404)
        return {"DBParameterGroups": [_shown(name)]}

    def _DescribeDBParameters(self, params: Params) -> Mapping[str, Any]:
        libraries = "pg_stat_statements,pg_cron"
        return {
            "Parameters": [
                _parameter("shared_preload_libraries", libraries, "static"),
                _parameter("max_logical_replication_workers", "4", "static"),
                _parameter("work_mem", "4096", "dynamic"),
            ]
        }

    def _ModifyDBParameterGroup(self, params: Params) -> Mapping[str, Any]:
        name = params["DBParameterGroupName"]
        if name not in self.groups:
            raise Fault("DBParameterGroupNotFound", "not found", 404)
        values = self.groups[name]["values"]
        values |= {p["ParameterName"]: p["ParameterValue"] for p in params["Parameters"]}
        return {"DBParameterGroupName": name}

    def _DeleteDBParameterGroup(self, params: Params) -> Mapping[str, Any]:
        name = params["DBParameterGroupName"]
        if name not in self.groups:
            raise Fault("DBParameterGroupNotFound", "not found", 404)
        users = [
            i
            for i in self.instances.values()
            if i["DBParameterGroups"][0]["DBParameterGroupName"] == name
        ]
        if users:
            raise Fault("InvalidDBParameterGroupState", "it is in use")
        del self.groups[name]
        return {}

    def _ListTagsForResource(self, params: Params) -> Mapping[str, Any]:
        name = params["ResourceName"].rpartition(":")[2]
        if name not in self.groups:
            raise Fault("DBParameterGroupNotFound", "not found", 404)
        return {"TagList": self.groups[name]["tags"]}


def _shown(name: str) -> dict[str, str]:
    arn = f"arn:aws:rds:eu-central-1:123456789012:pg:{name}"
    return {
        "DBParameterGroupName": name,
        "DBParameterGroupFamily": "postgres16",
        "DBParameterGroupArn": arn,
    }


def _parameter(name: str, value: str, kind: str) -> dict[str, Any]:
    return {
        "ParameterName": name,
        "ParameterValue": value,
        "ApplyType": kind,
        "IsModifiable": True,
        "Source": "engine-default",
    }
