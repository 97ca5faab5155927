"""An AWS account: its doors, the marks of what is ours, the meaning of its errors."""

from __future__ import annotations

from drillkit.clients.aws.aws import Aws
from drillkit.clients.aws.errors import Exists, NoCapacity, NoKey, NotRestorable, Quota, WrongState
from drillkit.clients.aws.service_client import ServiceClient

__all__ = [
    "Aws",
    "Exists",
    "NoCapacity",
    "NoKey",
    "NotRestorable",
    "Quota",
    "ServiceClient",
    "WrongState",
]
