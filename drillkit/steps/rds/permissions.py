"""What a restore of a database must be allowed to do, besides the call that restores."""

from __future__ import annotations

_INSTANCE_LOOKS = (
    "rds:DescribeDBInstances",
    "rds:DescribeDBParameters",
    "rds:DescribeDBParameterGroups",
    "rds:DescribeEvents",
    "rds:DescribeDBSubnetGroups",
    "rds:DescribeAccountAttributes",
    "rds:DescribeDBEngineVersions",
    "rds:ListTagsForResource",
    "rds:AddTagsToResource",
    "sts:GetCallerIdentity",
)
_INSTANCE_CHANGES = (
    "rds:CopyDBParameterGroup",
    "rds:CreateDBParameterGroup",
    "rds:ModifyDBParameterGroup",
    "rds:DeleteDBParameterGroup",
    "rds:ModifyDBInstance",
    "rds:RebootDBInstance",
    "rds:DeleteDBInstance",
)
_CLUSTER_LOOKS = (
    "rds:DescribeDBClusters",
    "rds:DescribeDBInstances",
    "rds:DescribeDBClusterParameters",
    "rds:DescribeDBClusterParameterGroups",
    "rds:DescribeDBEngineVersions",
    "rds:DescribeDBSubnetGroups",
    "rds:DescribeAccountAttributes",
    "rds:DescribeEvents",
    "rds:ListTagsForResource",
    "rds:AddTagsToResource",
    "sts:GetCallerIdentity",
)
_CLUSTER_CHANGES = (
    "rds:CopyDBClusterParameterGroup",
    "rds:CreateDBClusterParameterGroup",
    "rds:ModifyDBClusterParameterGroup",
    "rds:DeleteDBClusterParameterGroup",
    "rds:CreateDBInstance",
    "rds:ModifyDBCluster",
    "rds:ModifyDBInstance",
    "rds:DeleteDBInstance",
    "rds:DeleteDBCluster",
)
_KEYS = (
    "kms:Decrypt",
    "kms:GenerateDataKey*",
    "kms:ReEncrypt*",
    "kms:DescribeKey",
    "kms:CreateGrant",
)
INSTANCE = (*_INSTANCE_LOOKS, *_INSTANCE_CHANGES, *_KEYS)
CLUSTER = (*_CLUSTER_LOOKS, *_CLUSTER_CHANGES, *_KEYS)
