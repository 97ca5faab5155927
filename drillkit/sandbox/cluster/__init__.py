"""The cluster behind the sandbox's Kubernetes API: controllers, pods as processes, a proxy, a
demo shop.
"""

from __future__ import annotations

from drillkit.sandbox.cluster.cluster import Cluster, start_cluster
from drillkit.sandbox.cluster.emulated import EMULATED, REAL

__all__ = ["EMULATED", "REAL", "Cluster", "start_cluster"]
