"""One restore of an Aurora cluster: the cluster first, its members when it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.polling import poll
from drillkit.clients.rds import DeleteCluster, DeleteInstance, Rds, plans
from drillkit.clients.rds.states import check_alive, is_usable
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import StepFailed
from drillkit.steps.aws import aws_of, refusals_fail, resource_name
from drillkit.steps.base import Act
from drillkit.steps.expiry import expires
from drillkit.steps.rds.arguments import RestoreArguments
from drillkit.steps.rds.instance_restore import await_instance
from drillkit.steps.rds.members import described_writer
from drillkit.steps.rds.original import Loss
from drillkit.steps.rds.parameter_groups import copied_group
from drillkit.steps.rds.reading import read

OTHERWISE = ("MultiAZ", "PreferredMaintenanceWindow", "AllocatedStorage")
"""Of no matter for a copy that lives an hour: fewer members, another window, storage that grows
by itself.
"""
QUOTAS = {"DBClusters": 1, "DBClusterParameterGroups": 1}
"""What a cluster takes besides its members."""


@dataclass(slots=True)
class ClusterRestore:
    """One restore of a cluster, from the decision to the last check."""

    act: Act
    rds: Rds
    arguments: RestoreArguments
    members: int
    loss: Loss

    def run(
        self,
        launch: Callable[[Planned[DeleteCluster], Mapping[str, Any]], Described],
        *,
        exact: bool,
    ) -> None:
        """Restore the cluster, wait, add members, wait, compare, read. `launch` makes the
        restore call.

        `exact`: to a point in time; that call takes engine and version from its source. Raises
        StepFailed, StepUnknown.
        """
        act, rds, arguments = self.act, self.rds, self.arguments
        original = self.loss.original
        if self.members < 1:
            raise StepFailed("expected at least one member: a cluster without any answers nobody")
        there = plans.network(aws_of(act), rds.region)
        name = resource_name(act)
        members = [resource_name(act, str(number)) for number in range(1, self.members + 1)]
        rds.admit(members, act.target.caps.instances)
        act.observe(self.loss.promised)
        act.mark("decided")
        source_group = arguments.parameter_group or str(
            original.described.get("DBClusterParameterGroup") or ""
        )
        with refusals_fail():
            group = copied_group(act, rds, original, source_group, cluster=True)
            settings = plans.cluster_settings(original.described, there, group, point_in_time=exact)
            plan = act.book.plan(DeleteCluster(name, act.run.id, rds.region, expires(act)))
            act.say(f"restoring {original.name} as {name}")
            launch(plan, settings)
        act.mark("queued")
        self._await(name, seen=lambda: act.mark("started"))
        # A member can only join a cluster that is available.
        pattern = self._pattern()
        zones = rds.zones(there.subnet_group)
        with refusals_fail():
            for member in members:
                size = str(pattern["DBInstanceClass"])
                undo = DeleteInstance(member, act.run.id, rds.region, expires(act), size)
                rds.create_member(act.book.plan(undo), cluster=name, settings=pattern, zones=zones)
        for member in members:
            await_instance(act, rds, member)
        act.mark("restored")
        copy = self._await(name)
        act.observe(plans.compare(original.described, copy, OTHERWISE))
        read(act, self.loss, copy, f"rds cluster/{rds.region}/{name}", arguments.warm)

    def _await(self, name: str, seen: Callable[[], None] | None = None) -> Described:
        rds, unseen = self.rds, seen

        def look(fresh_s: float) -> Described | None:
            found = rds.cluster(name, fresh_s)
            if found is None:
                return None  # descriptions lag behind
            nonlocal unseen
            if unseen is not None:
                unseen()
                unseen = None
            status = str(found.get("Status", ""))
            check_alive(status, f"rds cluster/{rds.region}/{name}")
            return found if is_usable(status) else None

        act = self.act
        with rds.clusters.watching(name):
            what = f"rds cluster/{name} to be available"
            return poll(act, look, what=what)

    def _pattern(self) -> dict[str, Any]:
        """Settings of a member: those of the original's writer, if it is still there."""
        wishes = self.arguments.wishes
        writer = described_writer(self.rds, self.loss.original.described)
        found = plans.member_settings(writer, self.loss.original.engine, "", wishes)
        if "DBInstanceClass" not in found:
            raise StepFailed(
                f"nothing tells of which class the members of {self.loss.original.name} were; "
                "say `instance_class`"
            )
        return found
