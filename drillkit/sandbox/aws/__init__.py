"""AWS on 127.0.0.1: RDS with real PostgreSQL servers, ElastiCache, and by moto S3, STS, Secrets
Manager and EC2.
"""

from __future__ import annotations

from drillkit.sandbox.aws.handle import AwsFailed, AwsHandle, start_aws

__all__ = ["AwsFailed", "AwsHandle", "start_aws"]
