"""What runs made and still stands: found by its marks, and handed over to whoever needs it."""

from __future__ import annotations

from drillkit.clients.leftovers.handover import hand_over
from drillkit.clients.leftovers.leftover import Leftover, expiry
from drillkit.clients.leftovers.of_aws import leftovers_of_elasticache, leftovers_of_rds
from drillkit.clients.leftovers.of_kube import CHANGED, changes_of_kube, leftovers_of_kube

__all__ = [
    "CHANGED",
    "Leftover",
    "changes_of_kube",
    "expiry",
    "hand_over",
    "leftovers_of_elasticache",
    "leftovers_of_kube",
    "leftovers_of_rds",
]
