"""From request parameters to the fields a resource shows; what is given wins even when it is false,
empty or zero.
"""

from __future__ import annotations

from typing import Any

from drillkit.sandbox.aws.rds.state import Group, Params, Rds

SAME_NAME = (
    "AllocatedStorage",
    "AutoMinorVersionUpgrade",
    "AvailabilityZone",
    "BackupRetentionPeriod",
    "CACertificateIdentifier",
    "CopyTagsToSnapshot",
    "DBInstanceClass",
    "DeletionProtection",
    "EngineVersion",
    "Iops",
    "KmsKeyId",
    "LicenseModel",
    "MaxAllocatedStorage",
    "MonitoringInterval",
    "MonitoringRoleArn",
    "MultiAZ",
    "NetworkType",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "PromotionTier",
    "PubliclyAccessible",
    "StorageEncrypted",
    "StorageThroughput",
    "StorageType",
    "DatabaseName",
    "EngineMode",
    "DBName",
)
RENAMED = {
    "EnableIAMDatabaseAuthentication": "IAMDatabaseAuthenticationEnabled",
    "EnablePerformanceInsights": "PerformanceInsightsEnabled",
    "EnableCloudwatchLogsExports": "EnabledCloudwatchLogsExports",
    "EnableHttpEndpoint": "HttpEndpointEnabled",
}


def parameter_group(rds: Rds, region: str, name: str) -> Group:
    """Raises DBParameterGroupNotFound."""
    found = rds.region(region).parameter_groups.get(name.lower())
    if found is None:
        raise rds.fault("DBParameterGroupNotFoundFault", f"DBParameterGroup not found: {name}")
    return found


def cluster_parameter_group(rds: Rds, region: str, name: str) -> Group:
    """Raises DBParameterGroupNotFound: RDS uses the instance groups' error for clusters too."""
    found = rds.region(region).cluster_parameter_groups.get(name.lower())
    if found is None:
        raise rds.fault(
            "DBParameterGroupNotFoundFault", f"DBClusterParameterGroup not found: {name}"
        )
    return found


def subnet_group(rds: Rds, region: str, name: str) -> Group:
    """Raises DBSubnetGroupNotFoundFault."""
    found = rds.region(region).subnet_groups.get(name.lower())
    if found is None:
        raise rds.fault("DBSubnetGroupNotFoundFault", f"DB subnet group '{name}' does not exist.")
    return found


def security_groups(identifiers: list[str]) -> list[dict[str, str]]:
    return [{"VpcSecurityGroupId": identifier, "Status": "active"} for identifier in identifiers]


def plain(params: Params) -> dict[str, Any]:
    """The fields that are just copied, under the names the API shows them by."""
    fields = {name: params[name] for name in SAME_NAME if name in params}
    return fields | {shown: params[name] for name, shown in RENAMED.items() if name in params}


def instance_fields(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """Every field of an instance that `params` speaks of; raises the fault for a group that does
    not exist.
    """
    fields = plain(params)
    if "VpcSecurityGroupIds" in params:
        fields["VpcSecurityGroups"] = security_groups(params["VpcSecurityGroupIds"])
    if "DBSubnetGroupName" in params:
        fields["DBSubnetGroup"] = dict(subnet_group(rds, region, params["DBSubnetGroupName"]).attrs)
    if "DBParameterGroupName" in params:
        parameter_group(rds, region, params["DBParameterGroupName"])
        fields["ParameterGroup"] = params["DBParameterGroupName"].lower()
    if "OptionGroupName" in params:
        fields["OptionGroupMemberships"] = [
            {"OptionGroupName": params["OptionGroupName"], "Status": "in-sync"}
        ]
    if export := params.get("CloudwatchLogsExportConfiguration"):
        fields["EnabledCloudwatchLogsExports"] = export.get("EnableLogTypes") or []
    return fields


def instance_defaults(rds: Rds, region: str, engine: str) -> dict[str, Any]:
    """What an instance gets when nobody says otherwise."""
    major = rds.databases.version.split(".")[0]
    default_subnets = subnet_group(rds, region, "default")
    return {
        "Engine": engine,
        "EngineVersion": rds.databases.version,
        "LicenseModel": "postgresql-license",
        "DBInstanceClass": "db.t4g.micro",
        "AllocatedStorage": 20,
        "StorageType": "gp3",
        "StorageEncrypted": False,
        "MultiAZ": False,
        "AvailabilityZone": f"{region}a",
        "AutoMinorVersionUpgrade": True,
        "DeletionProtection": False,
        "BackupRetentionPeriod": 1,
        "PreferredBackupWindow": "02:00-02:30",
        "PreferredMaintenanceWindow": "sun:03:00-sun:03:30",
        "IAMDatabaseAuthenticationEnabled": False,
        "CopyTagsToSnapshot": False,
        "MonitoringInterval": 0,
        "PerformanceInsightsEnabled": False,
        "CACertificateIdentifier": "rds-ca-rsa2048-g1",
        "EnabledCloudwatchLogsExports": [],
        "NetworkType": "IPV4",
        "VpcSecurityGroups": security_groups(["sg-default"]),
        "DBSubnetGroup": dict(default_subnets.attrs),
        "ParameterGroup": f"default.{engine}{major}",
        "OptionGroupMemberships": [
            {"OptionGroupName": f"default:{engine}-{major}", "Status": "in-sync"}
        ],
        "DBSecurityGroups": [],
        "ReadReplicaDBInstanceIdentifiers": [],
        "DomainMemberships": [],
        "DbInstancePort": 0,
    }


def finish_network(fields: dict[str, Any], params: Params) -> None:
    """Public unless said otherwise where the default subnets are used, and a standby zone for
    Multi-AZ, as in RDS.
    """
    if "PubliclyAccessible" not in params:
        fields["PubliclyAccessible"] = fields["DBSubnetGroup"]["DBSubnetGroupName"] == "default"
    place_standby(fields)


def place_standby(fields: dict[str, Any]) -> None:
    """Gives a Multi-AZ instance a second zone and takes it from any other."""
    if fields.get("MultiAZ"):
        zone = fields["AvailabilityZone"]
        fields["SecondaryAvailabilityZone"] = zone[:-1] + ("b" if zone.endswith("a") else "a")
    else:
        fields.pop("SecondaryAvailabilityZone", None)


def group_values(group: Group) -> dict[str, str]:
    """The parameters a group sets."""
    return {
        name: entry["ParameterValue"]
        for name, entry in group.parameters.items()
        if "ParameterValue" in entry
    }
