"""A cluster: reads, and the mutating calls that take the receipt of their undo."""

from __future__ import annotations

from drillkit.clients.kube.fields import RestoreFields
from drillkit.clients.kube.irreversible import DeletePod, EvictPod, PostEvent, RestartWorkload
from drillkit.clients.kube.lease import ReleaseLease
from drillkit.clients.kube.nodes import Uncordon
from drillkit.clients.kube.objects import DeleteFault, DeleteObject
from drillkit.clients.kube.resources import Object, Resource
from drillkit.journal.book import Planned


class Kube:
    """One cluster."""

    def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """The object. Raises Absent, CallError."""
        raise NotImplementedError

    def find(self, resource: Resource, name: str, namespace: str = "") -> Object | None:
        """The object, or None where there is none. Raises CallError."""
        raise NotImplementedError

    def list(
        self, resource: Resource, namespace: str = "", *, selector: str = "", fields: str = "", limit: int = 500
    ) -> list[Object]:
        """All objects that match, read in pages of `limit`; namespace '' means every namespace. Raises CallError."""
        raise NotImplementedError

    def log(
        self, name: str, namespace: str, *, container: str = "", tail: int = 200, previous: bool = False,
        limit_bytes: int = 256 * 1024,
    ) -> str:  # fmt: skip
        """The last lines of a container's log. Raises CallError."""
        raise NotImplementedError

    def cluster_uid(self) -> str:
        """UID of the namespace kube-system, which is the cluster's."""
        raise NotImplementedError

    def server_version(self) -> str:
        """Such as `v1.32.1`."""
        raise NotImplementedError

    def clock_offset_s(self) -> float:
        """Seconds that the API server's clock is ahead of ours (by its Date header: to the second)."""
        raise NotImplementedError

    def serves(self, resource: Resource) -> bool:
        """Whether the cluster knows the resource (is the CRD installed?)."""
        raise NotImplementedError

    def can_i(self, verb: str, resource: Resource, *, subresource: str = "", namespace: str = "") -> bool:
        """Whether our credentials may do that. Asks only; changes nothing."""
        raise NotImplementedError

    # Every mutating call below takes the receipt of its undo. Raises Refused when the gate is closed, CallError.

    def delete_pod(self, plan: Planned[DeletePod]) -> None:
        """Delete that very pod (by UID). A pod that is gone already is no error."""
        raise NotImplementedError

    def evict_pod(self, plan: Planned[EvictPod]) -> None:
        """Evict that very pod. Raises Blocked naming the PodDisruptionBudget. One that is gone already is no error."""
        raise NotImplementedError

    def cordon(self, plan: Planned[Uncordon]) -> None:
        """Make a node unschedulable. Raises Conflict when it is already: then it is not ours to uncordon."""
        raise NotImplementedError

    def create(self, plan: Planned[DeleteFault] | Planned[DeleteObject], body: Object) -> Object:
        """Create the object that the plan names, marked as ours; kind, name and namespace come from the plan.

        Raises NotOurs when another object has that name.
        """
        raise NotImplementedError

    def set_fields(self, plan: Planned[RestoreFields]) -> Object:
        """Make the changes the plan lists. Raises Conflict when a field no longer holds what the plan says it held."""
        raise NotImplementedError

    def restart(self, plan: Planned[RestartWorkload]) -> None:
        """Have a workload replace all its pods."""
        raise NotImplementedError

    def create_event(
        self, plan: Planned[PostEvent], *, reason: str, message: str, about: Object | None = None,
        warning: bool = False,
    ) -> None:  # fmt: skip
        """Post an Event, about `about` (default: the namespace)."""
        raise NotImplementedError

    def acquire_lease(self, plan: Planned[ReleaseLease], *, holder: str, ttl_s: int) -> None:
        """Take the run's lock. Raises Refused naming who holds it."""
        raise NotImplementedError

    def renew_lease(self, plan: Planned[ReleaseLease]) -> str:
        """Keep the lock, and give the stop flag's text ('' when nobody set it). Raises NotOurs when it was lost."""
        raise NotImplementedError
