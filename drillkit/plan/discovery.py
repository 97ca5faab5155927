"""What a cluster and an account show that a target can name: who they are, Prometheus, Velero, what
answers from outside. Reads only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from drillkit.clients import Clients
from drillkit.clients.kube import NotServed
from drillkit.clients.kube.resources import INGRESSES, NAMESPACES, SERVICES, Object
from drillkit.clients.velero.resources import LOCATIONS
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError

NAME = "app.kubernetes.io/name"
METRICS = ("prometheus", "thanos-query", "mimir", "victoria-metrics", "vmselect")
"""Names, or their beginnings, of what answers PromQL."""
MOST = 20
"""So many hosts are written down."""


@dataclass(frozen=True, slots=True)
class Service:
    """A Service of a cluster."""

    namespace: str
    name: str
    port: int

    @property
    def inside(self) -> str:
        """Its address inside the cluster."""
        return f"http://{self.name}.{self.namespace}.svc:{self.port}"

    @property
    def forward(self) -> str:
        """How to reach it from outside for a while."""
        return f"kubectl --namespace {self.namespace} port-forward service/{self.name} {self.port}"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a cluster shows."""

    cluster_uid: str
    version: str
    who: str
    emulated: bool
    has_namespace: bool
    """Whether the namespace of the lock is there."""
    prometheus: tuple[Service, ...]
    velero: tuple[str, ...]
    """Namespaces with a storage location of it."""
    urls: Mapping[str, str]
    """What answers from outside, by the name of the Ingress."""
    unread: tuple[str, ...]
    """What could not be looked at, and why."""


def look_around(clients: Clients, namespace: str) -> Surroundings:
    """What a cluster shows of itself. `namespace`: of the lock. Raises CallError, TargetError,
    WrongTarget when it cannot be reached at all; what may not be listed is told in `unread`.
    """
    kube = clients.kube
    version, uid = kube.server_version(), clients.verify_cluster()
    unread: list[str] = []

    def listed(read: Callable[[], list[Object]]) -> list[Object]:
        try:
            return read()
        except NotServed:
            return []
        except CallError as error:
            unread.append(str(error))
            return []

    services = listed(lambda: kube.list(SERVICES))
    ingresses = listed(lambda: kube.list(INGRESSES))
    locations = listed(lambda: kube.list(LOCATIONS))
    spaces = {each["metadata"]["name"] for each in listed(lambda: kube.list(NAMESPACES))}
    return Surroundings(
        cluster_uid=uid,
        version=version,
        who=kube.who,
        emulated=bool(kube.emulated()),
        has_namespace=namespace in spaces,
        prometheus=tuple(each for service in services for each in _answers_promql(service)),
        velero=tuple(sorted({each["metadata"]["namespace"] for each in locations})),
        urls=dict(list(_outside(ingresses))[:MOST]),
        unread=tuple(unread),
    )


def _answers_promql(service: Object) -> Iterator[Service]:
    metadata, spec = service["metadata"], service.get("spec") or {}
    name = str((metadata.get("labels") or {}).get(NAME) or metadata["name"])
    ports = [port for port in spec.get("ports") or [] if isinstance(port.get("port"), int)]
    if not name.startswith(METRICS) or not ports or "operator" in name:
        return
    if any(word in metadata["name"] for word in ("alertmanager", "exporter", "operator")):
        return
    wanted = [p for p in ports if p["port"] == 9090 or p.get("name") in ("web", "http", "http-web")]
    port = (wanted or ports)[0]["port"]
    yield Service(str(metadata["namespace"]), str(metadata["name"]), port)


def _outside(ingresses: list[Object]) -> Iterator[tuple[str, str]]:
    taken: set[str] = set()
    for ingress in ingresses:
        spec: Mapping[str, Any] = ingress.get("spec") or {}
        secured = {host for tls in spec.get("tls") or [] for host in tls.get("hosts") or []}
        for rule in spec.get("rules") or []:
            host = rule.get("host")
            if not host or "*" in host:
                continue
            name = str(ingress["metadata"]["name"])
            if name in taken:
                name = str(host).split(".")[0]
            if name not in taken:
                taken.add(name)
                yield name, f"{'https' if host in secured else 'http'}://{host}"
