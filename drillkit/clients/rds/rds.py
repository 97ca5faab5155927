"""RDS and Aurora: reads (in `RdsReader`), and the mutating calls, each of which takes the receipt
of its undo.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from drillkit.clients.aws import Aws
from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.aws.ownership import RUN, as_mapping
from drillkit.clients.rds import clusters, failovers, groups, instances, snapshots
from drillkit.clients.rds.clusters import DeleteCluster
from drillkit.clients.rds.failovers import FailOverCluster, FailOverInstance
from drillkit.clients.rds.groups import DeleteParameterGroup
from drillkit.clients.rds.instances import DeleteInstance
from drillkit.clients.rds.reader import RdsReader
from drillkit.clients.rds.snapshots import DeleteSnapshot
from drillkit.journal.book import Planned
from drillkit.model.errors import Refused


class Rds(RdsReader):
    """RDS in one region. Every mutating call raises Refused when the fence is closed,
    and CallError.

    Names come from the plan, and so do the tags that make a resource ours. A name that this run has
    taken already is adopted, any other's is refused (NotOurs).
    """

    def __init__(self, aws: Aws, region: str = "", others: dict[str, Rds] | None = None) -> None:
        """`others`: the same of other regions, by their names; this one is added."""
        super().__init__(aws, region)
        self._admitting = threading.Lock()
        self._admitted: set[str] = set()
        self._others = {} if others is None else others
        self._others[self.region] = self

    def at(self, region: str) -> Rds:
        """RDS in another region of the same account."""
        with self._admitting:
            if region not in self._others:
                Rds(self.aws, region, self._others)
            return self._others[region]

    def admit(self, names: Sequence[str], most: int) -> None:
        """Let these instances be made while no more than `most` of all runs' exist in this region.

        Raises Refused naming those that are there.
        """
        with self._admitting:
            there = {
                str(item["DBInstanceIdentifier"])
                for item in self.all_instances()
                if RUN in as_mapping(item.get("TagList"))
            }
            taken = there | self._admitted
            if len(taken | set(names)) > most:
                raise Refused(
                    f"the target allows {most} restored instances at once (`caps.instances`) and "
                    f"{len(taken)} are there ({', '.join(sorted(taken)) or 'none'}); {len(names)} "
                    "more would be too many. Raise the cap, or remove what older runs left"
                )
            self._admitted |= set(names)

    def restore_from_snapshot(
        self,
        plan: Planned[DeleteInstance],
        *,
        snapshot: str,
        settings: Mapping[str, Any],
        zones: Sequence[str] = (),
    ) -> Described:
        """Restore a snapshot beside the original. `zones`: where to try when there is
        no capacity.
        """
        return instances.restore_from_snapshot(self, plan, snapshot, settings, zones)

    def restore_to_point_in_time(
        self,
        plan: Planned[DeleteInstance],
        *,
        source: Mapping[str, Any],
        settings: Mapping[str, Any],
        zones: Sequence[str] = (),
    ) -> Described:
        """Restore to a point in time. `source` says which and when: `SourceDBInstanceIdentifier`,
        `RestoreTime`.
        """
        return instances.restore_to_point_in_time(self, plan, source, settings, zones)

    def create_member(
        self,
        plan: Planned[DeleteInstance],
        *,
        cluster: str,
        settings: Mapping[str, Any],
        zones: Sequence[str] = (),
    ) -> Described:
        """Make an instance in a restored Aurora cluster, which must be available."""
        return instances.create_member(self, plan, cluster, settings, zones)

    def restore_cluster_from_snapshot(
        self, plan: Planned[DeleteCluster], *, snapshot: str, settings: Mapping[str, Any]
    ) -> Described:
        """Restore an Aurora cluster, without members, from a cluster snapshot."""
        return clusters.restore_cluster_from_snapshot(self, plan, snapshot, settings)

    def restore_cluster_to_point_in_time(
        self,
        plan: Planned[DeleteCluster],
        *,
        source: Mapping[str, Any],
        settings: Mapping[str, Any],
    ) -> Described:
        """Restore an Aurora cluster, without members, to a point in time; a full copy, never
        a clone.
        """
        return clusters.restore_cluster_to_point_in_time(self, plan, source, settings)

    def create_snapshot(self, plan: Planned[DeleteSnapshot], *, source: str) -> Described:
        """Take a snapshot of an instance or (as the plan says) of a cluster."""
        return snapshots.create_snapshot(self, plan, source)

    def copy_snapshot(
        self,
        plan: Planned[DeleteSnapshot],
        *,
        source_arn: str,
        source_region: str,
        kms_key: str = "",
    ) -> Described:
        """Copy a snapshot into this region. An encrypted one from elsewhere needs a key of
        this region.
        """
        return snapshots.copy_snapshot(self, plan, source_arn, source_region, kms_key)

    def copy_parameter_group(
        self,
        plan: Planned[DeleteParameterGroup],
        *,
        source: str,
        family: str,
        values: Mapping[str, str] | None = None,
    ) -> Described:
        """Copy a parameter group and switch off schedulers and subscriptions in it.

        A default group cannot be copied, nor one of another region: without a `source` one of the
        `family` is made instead, with the `values` that the other one sets.
        """
        return groups.copy_parameter_group(self, plan, source, family, values or {})

    def modify(self, plan: Planned[DeleteInstance], *, changes: Mapping[str, Any]) -> Described:
        """Change an instance that the run made, at once. Its deletion undoes this, too."""
        return instances.modify(self, plan, changes)

    def reboot(self, plan: Planned[DeleteInstance]) -> Described:
        """Reboot an instance that the run made."""
        return instances.reboot(self, plan)

    def fail_over_instance(self, plan: Planned[FailOverInstance]) -> Described:
        """Reboot a Multi-AZ instance onto its standby."""
        return failovers.fail_over_instance(self, plan)

    def fail_over_cluster(self, plan: Planned[FailOverCluster]) -> Described:
        """Make another member of an Aurora cluster its writer."""
        return failovers.fail_over_cluster(self, plan)
