"""Which pods of a node a drain evicts, leaves alone, or stumbles over: kubectl's rules. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field

from drillkit.clients.kube.pods import (
    controller_kind,
    is_finished,
    is_going,
    is_mirror,
    local_storage,
)
from drillkit.clients.kube.resources import Object
from drillkit.faults.pod_selection import said
from drillkit.lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class DrainFlags:
    """The flags of `kubectl drain` that decide."""

    force: bool = False
    """Evict pods that stand alone: nothing brings them back."""
    delete_emptydir_data: bool = False
    """Evict pods with emptyDir volumes: their data is lost."""
    ignore_daemonsets: bool = True
    """Leave a DaemonSet's pods where they are; otherwise they are in the way."""


@dataclass(slots=True)
class Sorted:
    """The pods of a node."""

    evict: list[Object] = field(default_factory=list)
    leave: list[Object] = field(default_factory=list)
    """Mirror pods, DaemonSet pods, and those that are going already."""
    in_the_way: list[str] = field(default_factory=list)
    """Why the node cannot be drained under these rules."""


def sort_pods(
    pods: Iterable[Object], rules: DrainFlags, depends: Callable[[Object], str]
) -> Sorted:
    """Decide for each pod. `depends` tells why the drill needs a pod, or ''."""
    found = Sorted()
    for pod in pods:
        if is_mirror(pod) or is_going(pod):
            found.leave.append(pod)
        elif controller_kind(pod) == "DaemonSet" and not is_finished(pod):
            if rules.ignore_daemonsets:
                found.leave.append(pod)
            else:
                found.in_the_way.append(
                    f"{said(pod)} belongs to a DaemonSet (set ignore_daemonsets)"
                )
        elif why := depends(pod):
            found.in_the_way.append(why)
        elif is_finished(pod):
            found.evict.append(pod)
        elif not controller_kind(pod) and not rules.force:
            found.in_the_way.append(
                f"{said(pod)} stands alone: nothing would bring it back (set force)"
            )
        elif (volumes := local_storage(pod)) and not rules.delete_emptydir_data:
            why = (
                f"{said(pod)} has emptyDir data that would be lost: {', '.join(volumes)} "
                "(set delete_emptydir_data)"
            )
            found.in_the_way.append(why)
        else:
            found.evict.append(pod)
    return found
