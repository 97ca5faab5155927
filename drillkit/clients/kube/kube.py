"""A cluster: reads (in `KubeClient`), and the mutating calls, each of which takes the receipt of
its undo.
"""

from __future__ import annotations

from drillkit.clients.identity import Identity
from drillkit.clients.kube import field_patch, irreversible, lease, nodes, objects
from drillkit.clients.kube.client import KubeClient
from drillkit.clients.kube.config import connect
from drillkit.clients.kube.field_patch import RestoreFields
from drillkit.clients.kube.irreversible import DeletePod, EvictPod, PostEvent, RestartWorkload
from drillkit.clients.kube.lease import ReleaseLease
from drillkit.clients.kube.nodes import Uncordon
from drillkit.clients.kube.objects import DeleteFault, DeleteObject
from drillkit.clients.kube.resources import LEASES, Object
from drillkit.clients.kube.verified import VerifiedTransport
from drillkit.clients.kube.wire import PoolTransport
from drillkit.clock import Clock, Fence
from drillkit.journal.book import Planned
from drillkit.model.target import KubernetesTarget


def open_kube(
    target: KubernetesTarget, clock: Clock, fence: Fence, expected: Identity | None = None
) -> Kube:
    """A connection to the target's cluster; nothing is sent yet, and nothing will be to another
    cluster than the `expected` one (default: the one that the target pins).

    Raises TargetError when it cannot be configured.
    """
    found = connect(target)
    wire = PoolTransport(found.host, found.pool, found.credentials)
    expected = expected or Identity(target.cluster_uid)
    verified = VerifiedTransport(wire, expected, found.who)
    return Kube(verified, clock, fence, found.who, found.kubeconfig, found.issued)


class Kube(KubeClient):
    """One cluster. Every mutating call raises Refused when the fence is closed, and CallError.

    Its attempts are bounded, and repeated only where a second one cannot do more than the first.
    """

    def behind(self, fence: Fence) -> Kube:
        """The same connection behind another fence."""
        return Kube(self._transport, self.clock, fence, self.who, self.kubeconfig, self._issued)

    def delete_pod(self, plan: Planned[DeletePod]) -> bool:
        """Delete that very pod (by UID). False when it was gone before we came."""
        return irreversible.delete_pod(self, plan)

    def evict_pod(self, plan: Planned[EvictPod]) -> bool:
        """Evict that very pod. False when it was gone before we came. Raises Blocked naming
        the PodDisruptionBudget.
        """
        return irreversible.evict_pod(self, plan)

    def cordon(self, plan: Planned[Uncordon]) -> Object:
        """Make a node unschedulable. Raises Conflict when it is already: then it is not ours
        to uncordon.
        """
        return nodes.cordon(self, plan)

    def create(self, plan: Planned[DeleteFault] | Planned[DeleteObject], body: Object) -> Object:
        """Create the object that the plan names, marked as ours; name and namespace come from
        the plan.

        Raises NotOurs when another object has that name, Absent when there is no such namespace,
        NotServed when the cluster knows no such resource.
        """
        return objects.create(self, plan, body)

    def set_fields(self, plan: Planned[RestoreFields]) -> Object:
        """Make the changes that the plan lists (`changed` makes it from an object as it was read).

        Raises Conflict when a field no longer holds what it held when it was read, or is changed by
        another run.
        """
        return field_patch.set_fields(self, plan)

    def restart(self, plan: Planned[RestartWorkload]) -> None:
        """Have a workload replace all its pods."""
        irreversible.restart(self, plan)

    def create_event(
        self,
        plan: Planned[PostEvent],
        *,
        reason: str,
        message: str,
        about: Object | None = None,
        warning: bool = False,
    ) -> None:
        """Post an Event, about `about` (default: the namespace)."""
        irreversible.create_event(
            self, plan, reason=reason, message=message, about=about, warning=warning
        )

    def acquire_lease(self, plan: Planned[ReleaseLease], *, holder: str, ttl_s: int) -> None:
        """Take the run's lock, over a dead run's if its time is over.

        Raises Refused naming who holds it, TargetError when its namespace does not exist.
        """
        lease.acquire_lease(self, plan, holder=holder, ttl_s=ttl_s)

    def rehearse_lease(self, namespace: str) -> None:
        """See whether a run could take its lock there; takes nothing.

        Raises what `acquire_lease` would: Refused naming the run that holds it, TargetError when
        the namespace does not exist, CallError.
        """
        lease.rehearse_lease(self, namespace)

    def renew_lease(self, plan: Planned[ReleaseLease]) -> str:
        """Keep the lock, and give the stop flag's text ('' while nobody set it). Raises NotOurs
        when it was lost.
        """
        return lease.renew_lease(self, plan)

    def set_block(self, namespace: str, why: str | None) -> bool:
        """Keep every run from starting here, with a reason; None lifts it. Whether a run holds the
        lock now, which is stopped by that.

        No undo is planned: a person's decision stays until a person lifts it. Raises TargetError
        when the namespace does not exist, CallError.
        """
        return lease.set_block(self, namespace, why)

    def block_of(self, namespace: str) -> str:
        """Why the target is blocked, or ''. Reads only."""
        there = self.find(LEASES, lease.LOCK, namespace)
        return lease.blocked(there) if there is not None else ""

    def stop_flag(self, name: str, namespace: str) -> str:
        """The stop flag's text on the Lease of that name; '' while nobody set it. Reads only."""
        return lease.stop_flag(self, name, namespace)
