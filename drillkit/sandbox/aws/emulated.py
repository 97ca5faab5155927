"""What the AWS sandbox really does and what it only plays; reports of its runs say so."""

from __future__ import annotations

REAL = (
    "RDS instances and Aurora clusters are PostgreSQL servers: rows, passwords, base backups, WAL "
    "archiving, snapshots, point-in-time recovery and copies to another region are real; so are "
    "the connections a failover cuts.",
    "The latest restorable time is what the archiver has really delivered.",
    "S3, STS, Secrets Manager and EC2's security groups are served by moto; ElastiCache answers "
    "as Redis does (fakeredis).",
)

EMULATED = (
    "RDS works in seconds what takes AWS minutes: states follow the sandbox's real work, not "
    "AWS's durations.",
    "WAL ships every few seconds; RDS does it every five minutes, so a real recovery point "
    "is older.",
    "Regions and zones are names on this machine; encryption, subnets, security groups and IAM "
    "have no effect.",
    "Endpoints are 127.0.0.1 with a port of their own for each instance, whatever port was "
    "asked for.",
    "Of a parameter group only a few harmless parameters reach PostgreSQL; classes and storage "
    "have no effect.",
    "One PostgreSQL stands behind an Aurora cluster's writer and reader endpoints; a clone is "
    "a copy.",
    "ElastiCache data lives in memory in one place; replicas are names.",
    "Signatures are not verified, but the access key must be the sandbox's own.",
)
