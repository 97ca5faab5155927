"""Services get Endpoints and EndpointSlices that name their pods."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from drillkit.sandbox.cluster.controllers.scheduler import ZONE
from drillkit.sandbox.cluster.values import is_finished, is_healthy, safe_hash
from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.objects import (
    NODES,
    PODS,
    SERVICES,
    Gvr,
    Object,
    clone,
    is_ready,
    is_terminating,
    labels_of,
    owner_reference,
)

ENDPOINTS: Gvr = ("", "endpoints")
SLICES: Gvr = ("discovery.k8s.io", "endpointslices")
PORT_ANNOTATION = "sandbox.drillkit.dev/port"
"""On a pod whose process could not listen on its containerPort: where it does listen."""


@dataclass(frozen=True)
class LoadBalancers:
    """Services of type LoadBalancer get the loopback address as theirs."""

    name: str = "load-balancer"
    gvr: Gvr = SERVICES
    watches: frozenset[Gvr] = frozenset({SERVICES})

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        if obj["spec"].get("type") == "LoadBalancer":
            view.write_status(
                SERVICES,
                obj,
                {**(obj.get("status") or {}), "loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}},
            )
        return None


@dataclass(frozen=True)
class EndpointLists:
    """Endpoints and one EndpointSlice for each Service with a selector."""

    name: str = "endpoints"
    gvr: Gvr = SERVICES
    watches: frozenset[Gvr] = frozenset({SERVICES, PODS, NODES, ENDPOINTS, SLICES})

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        if not obj["spec"].get("selector") or is_terminating(obj):
            return None
        pods = sorted(backends(view, obj), key=lambda pod: str(pod["metadata"]["name"]))
        self._write(view, obj, ENDPOINTS, obj["metadata"]["name"], {"subsets": subsets(obj, pods)})
        name = f"{obj['metadata']['name']}-{safe_hash(obj['metadata']['uid'])[:5]}"
        self._write(view, obj, SLICES, name, endpoint_slice(view, obj, pods))
        return None

    def _write(self, view: View, service: Object, gvr: Gvr, name: str, content: Object) -> None:
        namespace = service["metadata"]["namespace"]
        old = view.get(gvr, namespace, name)
        if old is None:
            labels = {**labels_of(service)}
            if gvr == SLICES:
                labels |= {
                    "kubernetes.io/service-name": service["metadata"]["name"],
                    "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                }
            meta: Object = {"name": name, "labels": labels}
            if gvr == SLICES:
                meta["ownerReferences"] = [owner_reference(service)]
            view.create(gvr, {"metadata": meta, **content}, namespace)
        elif any(old.get(key) != value for key, value in content.items()):
            view.store.update(gvr, {**clone(old), **content})


def backends(view: View, service: Object) -> list[Object]:
    """The pods with an address that a Service selects."""
    wanted = (service["spec"].get("selector") or {}).items()
    return [
        pod
        for pod in view.all(PODS, service["metadata"]["namespace"])
        if wanted
        and wanted <= labels_of(pod).items()
        and (pod.get("status") or {}).get("podIP")
        and not is_finished(pod)
    ]


def serving_port(pod: Object) -> int:
    """The one port on which a pod's process listens."""
    told = (pod["metadata"].get("annotations") or {}).get(PORT_ANNOTATION)
    if told:
        return int(told)
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or []:
            return int(port["containerPort"])
    return 8080


def subsets(service: Object, pods: list[Object]) -> list[Object]:
    """The subsets of an Endpoints object."""
    groups: dict[int, Object] = {}
    for pod in pods:
        if is_terminating(pod):
            continue
        group = groups.setdefault(serving_port(pod), {})
        group.setdefault("addresses" if is_ready(pod) else "notReadyAddresses", []).append(
            _address(pod)
        )
    found = []
    for port, group in sorted(groups.items()):
        ports = [
            {**_name(each), "port": port, "protocol": each.get("protocol", "TCP")}
            for each in service["spec"].get("ports") or []
        ]
        found.append({**group, "ports": ports})
    return found


def endpoint_slice(view: View, service: Object, pods: list[Object]) -> Object:
    """The content of an EndpointSlice; pods on another port than the first one's are left
    to Endpoints.
    """
    port = serving_port(pods[0]) if pods else None
    endpoints = []
    for pod in pods:
        if serving_port(pod) != port:
            continue
        node = view.get(NODES, "", pod["spec"].get("nodeName") or "")
        zone = labels_of(node).get(ZONE) if node else None
        endpoints.append(
            {
                "addresses": [pod["status"]["podIP"]],
                "conditions": {
                    "ready": is_healthy(pod),
                    "serving": is_ready(pod),
                    "terminating": is_terminating(pod),
                },
                "nodeName": pod["spec"].get("nodeName"),
                "targetRef": _reference(pod),
                **({"zone": zone} if zone else {}),
            }
        )
    ports = [
        {"name": each.get("name") or "", "port": port, "protocol": each.get("protocol", "TCP")}
        for each in service["spec"].get("ports") or []
        if port is not None
    ]
    return {"addressType": "IPv4", "endpoints": endpoints, "ports": ports}


def _address(pod: Object) -> Object:
    return {
        "ip": pod["status"]["podIP"],
        "nodeName": pod["spec"].get("nodeName"),
        "targetRef": _reference(pod),
    }


def _reference(pod: Object) -> Object:
    meta = pod["metadata"]
    return {"kind": "Pod", "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]}


def _name(port: Object) -> Object:
    return {"name": port["name"]} if port.get("name") else {}
