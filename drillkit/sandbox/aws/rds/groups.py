"""Parameter groups, cluster parameter groups and subnet groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drillkit.sandbox.aws.rds.settings import cluster_parameter_group, parameter_group, subnet_group
from drillkit.sandbox.aws.rds.state import Group, Params, Rds, subnets_shown, tags_of, where
from drillkit.sandbox.aws.wire import Fault

# Parameters every group shows with the engine's value, beside those somebody set: (value, type,
# needs a restart).
ENGINE_DEFAULTS = {
    "autovacuum": ("1", "dynamic"),
    "cron.database_name": ("postgres", "static"),
    "cron.max_running_jobs": ("5", "static"),
    "default_transaction_read_only": ("0", "dynamic"),
    "log_min_duration_statement": ("-1", "dynamic"),
    "max_connections": ("60", "static"),
    "max_logical_replication_workers": ("4", "static"),
    "max_worker_processes": ("2", "static"),
    "pglogical.conflict_resolution": ("apply_remote", "static"),
    "rds.force_ssl": ("0", "dynamic"),
    "rds.logical_replication": ("0", "static"),
    "shared_preload_libraries": ("pg_stat_statements", "static"),
    "statement_timeout": ("0", "dynamic"),
    "work_mem": ("4096", "dynamic"),
}


@dataclass(frozen=True)
class Kind:
    """What the two kinds of parameter group call things."""

    cluster: bool
    name: str
    arn: str
    arn_kind: str
    answer: str

    def shelf(self, rds: Rds, region: str) -> dict[str, Group]:
        there = rds.region(region)
        return there.cluster_parameter_groups if self.cluster else there.parameter_groups

    def get(self, rds: Rds, region: str, name: str) -> Group:
        return (cluster_parameter_group if self.cluster else parameter_group)(rds, region, name)


INSTANCE = Kind(False, "DBParameterGroupName", "DBParameterGroupArn", "pg", "DBParameterGroup")
CLUSTER = Kind(
    True,
    "DBClusterParameterGroupName",
    "DBClusterParameterGroupArn",
    "cluster-pg",
    "DBClusterParameterGroup",
)


def _add(
    rds: Rds, kind: Kind, region: str, name: str, family: str, text: str, tags: dict[str, str]
) -> Group:
    name = name.lower()
    if name in kind.shelf(rds, region):
        raise rds.fault(
            "DBParameterGroupAlreadyExistsFault", f"Parameter group {name} already exists"
        )
    group = Group(
        region,
        {
            kind.name: name,
            "DBParameterGroupFamily": family,
            "Description": text,
            kind.arn: rds.arn(region, kind.arn_kind, name),
        },
        dict(tags),
    )
    kind.shelf(rds, region)[name] = group
    return group


def _create(kind: Kind, rds: Rds, region: str, params: Params) -> dict[str, Any]:
    group = _add(
        rds,
        kind,
        region,
        params[kind.name],
        params["DBParameterGroupFamily"],
        params["Description"],
        tags_of(params),
    )
    return {kind.answer: group.attrs}


def _copy(kind: Kind, rds: Rds, region: str, params: Params) -> dict[str, Any]:
    home, name = where(region, params[f"Source{kind.answer}Identifier"])
    if home != region:
        raise Fault(
            "InvalidParameterValue", "a parameter group cannot be copied from another region"
        )
    source = kind.get(rds, region, name)
    copy = _add(
        rds,
        kind,
        region,
        params[f"Target{kind.answer}Identifier"],
        source.attrs["DBParameterGroupFamily"],
        params[f"Target{kind.answer}Description"],
        tags_of(params),
    )
    copy.parameters = {key: dict(entry) for key, entry in source.parameters.items()}
    return {kind.answer: copy.attrs}


def _describe(kind: Kind, rds: Rds, region: str, params: Params) -> dict[str, Any]:
    wanted = params.get(kind.name)
    groups = [kind.get(rds, region, wanted)] if wanted else list(kind.shelf(rds, region).values())
    return {f"{kind.answer}s": [group.attrs for group in groups]}


def _parameters(kind: Kind, rds: Rds, region: str, params: Params) -> dict[str, Any]:
    group = kind.get(rds, region, params[kind.name])
    shown = []
    for name in sorted({*ENGINE_DEFAULTS, *group.parameters}):
        value, apply_type = ENGINE_DEFAULTS.get(name, ("", "dynamic"))
        entry = {
            "ParameterName": name,
            "ParameterValue": value,
            "Source": "engine-default",
            "ApplyType": apply_type,
            "IsModifiable": True,
            "DataType": "string",
            "ApplyMethod": "pending-reboot",
        }
        if name in group.parameters:
            entry |= group.parameters[name] | {"Source": "user"}
        if params.get("Source", entry["Source"]) == entry["Source"]:
            shown.append(entry)
    return {"Parameters": shown}


def _modify(kind: Kind, rds: Rds, region: str, params: Params) -> dict[str, Any]:
    name = params[kind.name].lower()
    group = kind.get(rds, region, name)
    if name.startswith("default."):
        raise rds.fault(
            "InvalidDBParameterGroupStateFault", f"{name} is a default group and cannot be modified"
        )
    if not 1 <= len(params["Parameters"]) <= 20:
        raise Fault("InvalidParameterValue", "a request modifies between 1 and 20 parameters")
    for parameter in params["Parameters"]:
        static = ENGINE_DEFAULTS.get(parameter["ParameterName"], ("", "dynamic"))[1] == "static"
        if static and parameter.get("ApplyMethod") != "pending-reboot":
            raise Fault(
                "InvalidParameterCombination",
                "cannot use immediate apply method for static parameter "
                f"{parameter['ParameterName']}",
            )
        group.parameters[parameter["ParameterName"]] = {
            key: parameter[key]
            for key in ("ParameterName", "ParameterValue", "ApplyMethod")
            if key in parameter
        }
    if not kind.cluster:
        for item in rds.region(region).instances.values():
            if item.attrs["ParameterGroup"] == name:
                item.parameters_pending = True
    return {kind.name: name}


def _delete(kind: Kind, rds: Rds, region: str, params: Params) -> dict[str, Any]:
    name = params[kind.name].lower()
    kind.get(rds, region, name)
    there = rds.region(region)
    users = [item.id for item in there.instances.values() if item.attrs["ParameterGroup"] == name]
    if kind.cluster:
        users = [
            item.id
            for item in there.clusters.values()
            if item.attrs["DBClusterParameterGroup"] == name
        ]
    if name.startswith("default.") or users:
        raise rds.fault(
            "InvalidDBParameterGroupStateFault",
            f"the parameter group {name} is in use by {', '.join(users) or 'RDS itself'} and "
            "cannot be deleted",
        )
    del kind.shelf(rds, region)[name]
    return {}


def create_subnet_group(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    name = params["DBSubnetGroupName"].lower()
    shelf = rds.region(region).subnet_groups
    if name in shelf:
        raise rds.fault(
            "DBSubnetGroupAlreadyExistsFault", f"the DB subnet group {name} already exists"
        )
    if len(params["SubnetIds"]) < 2:
        raise rds.fault(
            "DBSubnetGroupDoesNotCoverEnoughAZs", "subnets in at least two zones are needed"
        )
    shelf[name] = Group(
        region,
        {
            "DBSubnetGroupName": name,
            "DBSubnetGroupDescription": params["DBSubnetGroupDescription"],
            "VpcId": "vpc-default",
            "SubnetGroupStatus": "Complete",
            "Subnets": subnets_shown(region, params["SubnetIds"]),
            "DBSubnetGroupArn": rds.arn(region, "subgrp", name),
        },
        tags_of(params),
    )
    return {"DBSubnetGroup": shelf[name].attrs}


def describe_subnet_groups(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    wanted = params.get("DBSubnetGroupName")
    groups = (
        [subnet_group(rds, region, wanted)]
        if wanted
        else list(rds.region(region).subnet_groups.values())
    )
    return {"DBSubnetGroups": [group.attrs for group in groups]}


def _for(
    kind: Kind, function: Callable[[Kind, Rds, str, Params], dict[str, Any]]
) -> Callable[[Rds, str, Params], dict[str, Any]]:
    def action(rds: Rds, region: str, params: Params) -> dict[str, Any]:
        return function(kind, rds, region, params)

    return action


ACTIONS = {
    "CreateDBParameterGroup": _for(INSTANCE, _create),
    "CopyDBParameterGroup": _for(INSTANCE, _copy),
    "DescribeDBParameterGroups": _for(INSTANCE, _describe),
    "DescribeDBParameters": _for(INSTANCE, _parameters),
    "ModifyDBParameterGroup": _for(INSTANCE, _modify),
    "DeleteDBParameterGroup": _for(INSTANCE, _delete),
    "CreateDBClusterParameterGroup": _for(CLUSTER, _create),
    "CopyDBClusterParameterGroup": _for(CLUSTER, _copy),
    "DescribeDBClusterParameterGroups": _for(CLUSTER, _describe),
    "DescribeDBClusterParameters": _for(CLUSTER, _parameters),
    "ModifyDBClusterParameterGroup": _for(CLUSTER, _modify),
    "DeleteDBClusterParameterGroup": _for(CLUSTER, _delete),
    "CreateDBSubnetGroup": create_subnet_group,
    "DescribeDBSubnetGroups": describe_subnet_groups,
}
