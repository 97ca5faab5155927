"""From the description of a source to the parameters of its restore: pure, no call is made here.

Settings are carried over, the network never is: a copy lives where the target says, cannot be
reached from outside, is unprotected, keeps no backups of its own and is marked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.sql import Database
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Refused
from drillkit.model.evidence import Comparison
from drillkit.model.target import AwsTarget

GP3_BASELINE = (3000, 125)
"""IOPS and MiB/s that every gp3 volume has; below 400 GiB RDS refuses to be told them."""


@dataclass(frozen=True, slots=True)
class Network:
    """Where copies live."""

    subnet_group: str
    security_groups: tuple[str, ...]
    kms_key: str = ""


def network(target: AwsTarget, region: str) -> Network:
    """The drill network of a region. Raises Refused when the target names none: the original's is
    never used.
    """
    elsewhere = region != target.region
    group = target.dr_subnet_group if elsewhere else target.subnet_group
    security = target.dr_security_groups if elsewhere else target.security_groups
    if not group or not security:
        keys = (
            "`dr_subnet_group` and `dr_security_groups`"
            if elsewhere
            else "`subnet_group` and `security_groups`"
        )
        raise Refused(
            f"the target names no drill network for {region}: add {keys} (without egress) to its "
            "`aws:`. A copy never joins its original's network"
        )
    return Network(group, security, (target.dr_kms_key or "") if elsewhere else "")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a drill wants otherwise than the source has it."""

    instance_class: str = ""
    multi_az: bool | None = None


def instance_settings(
    source: Described, there: Network, group: str, wishes: Wishes, *, abroad: bool = False
) -> dict[str, Any]:
    """Parameters of a restore of an instance, for either of its two calls.

    `source`: an instance, a deleted one's automated backup, or a snapshot; `group`: the copied
    parameter group, '' to leave the default; `abroad`: in another region, where the source's option
    group does not exist.
    """
    carried: dict[str, Any] = {}
    _take(
        carried,
        source,
        "DBInstanceClass",
        "AllocatedStorage",
        "StorageType",
        "NetworkType",
        "DedicatedLogVolume",
    )
    _take(carried, source, "AutoMinorVersionUpgrade", "ProcessorFeatures")
    if source.get("DBInstanceClass"):  # a full description, not that of a backup
        _take(carried, source, "MultiAZ", "CACertificateIdentifier")
    carried["EnableIAMDatabaseAuthentication"] = bool(
        source.get("IAMDatabaseAuthenticationEnabled")
    )
    carried |= _performance(source)
    if port := port_of(source):
        carried["Port"] = port
    if exports := source.get("EnabledCloudwatchLogsExports"):
        carried["EnableCloudwatchLogsExports"] = list(exports)
    option_group = option_group_of(source)
    if option_group and (not abroad or option_group.startswith("default:")):
        carried["OptionGroupName"] = option_group
    if wishes.instance_class:
        carried["DBInstanceClass"] = wishes.instance_class
    if wishes.multi_az is not None:
        carried["MultiAZ"] = wishes.multi_az
    return {
        **carried,
        **_forced(there),
        **({"DBParameterGroupName": group} if group else {}),
        "BackupRetentionPeriod": 0,
        "PubliclyAccessible": False,
    }


def _forced(there: Network) -> dict[str, Any]:
    return {
        "DBSubnetGroupName": there.subnet_group,
        "VpcSecurityGroupIds": list(there.security_groups),
        "DeletionProtection": False,
        "CopyTagsToSnapshot": False,
    }


def _take(into: dict[str, Any], source: Described, *names: str) -> None:
    for name in names:
        if source.get(name) not in (None, "", [], {}):
            into[name] = source[name]


def _performance(source: Described) -> dict[str, Any]:
    iops, throughput = int(source.get("Iops") or 0), int(source.get("StorageThroughput") or 0)
    if (
        source.get("StorageType") == "gp3"
        and (iops or GP3_BASELINE[0], throughput or GP3_BASELINE[1]) == GP3_BASELINE
    ):
        return {}
    return {
        **({"Iops": iops} if iops else {}),
        **({"StorageThroughput": throughput} if throughput else {}),
    }


def port_of(source: Described) -> int:
    """Port of an instance, cluster, backup or snapshot; 0: unknown."""
    endpoint = source.get("Endpoint")
    if isinstance(endpoint, Mapping) and endpoint.get("Port"):
        return int(endpoint["Port"])
    return int(source.get("Port") or source.get("DbInstancePort") or 0)


def option_group_of(source: Described) -> str:
    """Option group of an instance, backup or snapshot."""
    memberships = source.get("OptionGroupMemberships") or []
    return (
        str(memberships[0]["OptionGroupName"])
        if memberships
        else str(source.get("OptionGroupName") or "")
    )


def parameter_group_of(source: Described) -> str:
    """Parameter group of an instance, '' where its description has none."""
    groups = source.get("DBParameterGroups") or []
    return str(groups[0]["DBParameterGroupName"]) if groups else ""


def cluster_settings(
    source: Described, there: Network, group: str, *, point_in_time: bool
) -> dict[str, Any]:
    """Parameters of a restore of an Aurora cluster; the engine is asked for by a snapshot's
    restore only.
    """
    carried: dict[str, Any] = {}
    _take(carried, source, "NetworkType", "EngineMode")
    if str(source.get("StorageType", "")).startswith("aurora-"):
        carried["StorageType"] = source["StorageType"]
    if not point_in_time:
        _take(carried, source, "Engine", "EngineVersion")
    if port := port_of(source):
        carried["Port"] = port
    if exports := source.get("EnabledCloudwatchLogsExports"):
        carried["EnableCloudwatchLogsExports"] = list(exports)
    scaling = source.get("ServerlessV2ScalingConfiguration")
    if isinstance(scaling, Mapping):
        known = ("MinCapacity", "MaxCapacity", "SecondsUntilAutoPause")
        carried["ServerlessV2ScalingConfiguration"] = {k: scaling[k] for k in known if k in scaling}
    carried["EnableIAMDatabaseAuthentication"] = bool(
        source.get("IAMDatabaseAuthenticationEnabled")
    )
    if there.kms_key:
        carried["KmsKeyId"] = there.kms_key
    elif source.get("KmsKeyId"):
        carried["KmsKeyId"] = source["KmsKeyId"]
    return {
        **carried,
        **_forced(there),
        **({"DBClusterParameterGroupName": group} if group else {}),
        "BackupRetentionPeriod": 1,
    }


def member_settings(source: Described, engine: str, group: str, wishes: Wishes) -> dict[str, Any]:
    """Parameters of a member of a restored cluster, after the original's writer."""
    carried: dict[str, Any] = {"Engine": engine}
    _take(carried, source, "DBInstanceClass", "CACertificateIdentifier", "AutoMinorVersionUpgrade")
    if wishes.instance_class:
        carried["DBInstanceClass"] = wishes.instance_class
    if group:
        carried["DBParameterGroupName"] = group
    return {**carried, "PubliclyAccessible": False, "CopyTagsToSnapshot": False}


def later_changes(source: Described, copy: Described) -> dict[str, Any]:
    """What only a modification carries over: monitoring, Performance Insights, the
    maintenance window.
    """
    changes: dict[str, Any] = {}
    if source.get("MonitoringInterval") and source["MonitoringInterval"] != copy.get(
        "MonitoringInterval"
    ):
        changes["MonitoringInterval"] = source["MonitoringInterval"]
        _take(changes, source, "MonitoringRoleArn")
    if source.get("PerformanceInsightsEnabled") and not copy.get("PerformanceInsightsEnabled"):
        changes["EnablePerformanceInsights"] = True
        _take(changes, source, "PerformanceInsightsKMSKeyId", "PerformanceInsightsRetentionPeriod")
    window = source.get("PreferredMaintenanceWindow")
    if window and window != copy.get("PreferredMaintenanceWindow"):
        changes["PreferredMaintenanceWindow"] = window
    return changes


def _plain(name: str) -> Callable[[Described], str | None]:
    def read(described: Described) -> str | None:
        value = described.get(name)
        if value is None:
            return None
        return ", ".join(sorted(map(str, value))) if isinstance(value, list) else str(value)

    return read


_COMPARED: Mapping[str, Callable[[Described], str | None]] = {
    **{
        name: _plain(name)
        for name in (
            "Engine",
            "EngineVersion",
            "DBInstanceClass",
            "MultiAZ",
            "AllocatedStorage",
            "StorageType",
            "Iops",
            "StorageThroughput",
            "StorageEncrypted",
            "KmsKeyId",
            "LicenseModel",
            "AutoMinorVersionUpgrade",
            "IAMDatabaseAuthenticationEnabled",
            "EnabledCloudwatchLogsExports",
            "CACertificateIdentifier",
            "NetworkType",
            "MonitoringInterval",
            "PerformanceInsightsEnabled",
            "PreferredMaintenanceWindow",
            "MasterUsername",
            "DBName",
            "DatabaseName",
            "HttpEndpointEnabled",
            "MaxAllocatedStorage",
            "PubliclyAccessible",
            "DeletionProtection",
            "BackupRetentionPeriod",
            "CopyTagsToSnapshot",
        )
    },
    "OptionGroup": lambda d: option_group_of(d) or None,
    "ParameterGroup": lambda d: parameter_group_of(d) or _plain("DBClusterParameterGroup")(d),
    "SubnetGroup": lambda d: _subnet_group(d),
    "SecurityGroups": lambda d: ", ".join(
        sorted(g["VpcSecurityGroupId"] for g in d.get("VpcSecurityGroups") or ())
    ),
    "IamRoles": lambda d: ", ".join(
        sorted(str(r.get("RoleArn")) for r in d.get("AssociatedRoles") or ())
    ),
}
FORCED = (
    "ParameterGroup",
    "SubnetGroup",
    "SecurityGroups",
    "PubliclyAccessible",
    "DeletionProtection",
    "BackupRetentionPeriod",
    "CopyTagsToSnapshot",
    "IamRoles",
    "MaxAllocatedStorage",
)
"""Settings in which a copy differs on purpose."""


def _subnet_group(described: Described) -> str | None:
    found = described.get("DBSubnetGroup")
    return str(found.get("DBSubnetGroupName")) if isinstance(found, Mapping) else found


def compare(source: Described, copy: Described, also_allowed: tuple[str, ...] = ()) -> Comparison:
    """What a copy has otherwise than its source, of what the source's description tells."""
    name = str(source.get("DBInstanceIdentifier") or source.get("DBClusterIdentifier"))
    pairs = {key: (read(source), read(copy)) for key, read in _COMPARED.items()}
    known = {key: pair for key, pair in pairs.items() if pair[0] is not None}
    differs = tuple((key, one, two) for key, (one, two) in sorted(known.items()) if one != two)
    forced = tuple(key for key, _, _ in differs if key in (*FORCED, *also_allowed))
    return Comparison("settings", name, len(known), differs, forced)


def database_of(described: Described, name: str = "") -> Database | None:
    """Where an instance or cluster listens; None while it has no endpoint."""
    endpoint = described.get("Endpoint")
    host = endpoint.get("Address") if isinstance(endpoint, Mapping) else endpoint
    port = port_of(described)
    if not host or not port:
        return None
    engine = str(described.get("Engine", ""))
    default = "postgres" if "postgres" in engine else "mysql"
    known = name or described.get("DBName") or described.get("DatabaseName") or default
    return Database(engine, str(host), port, str(known))
