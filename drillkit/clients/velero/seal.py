"""The seal of a scratch namespace: nothing in it reaches anything outside, except what the
drill allows.

A cluster's network may ignore NetworkPolicies, so a seal counts only once a pod in the namespace
has failed to reach what a pod outside reaches at the same time.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

from drillkit.clients.kube.ownership import is_ours, labels
from drillkit.clients.kube.resources import NETWORK_POLICIES, Object
from drillkit.clients.retry import patiently
from drillkit.clients.velero.resources import SEAL_POLICY
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Conflict, NotOurs, UsageError

if TYPE_CHECKING:
    from drillkit.clients.kube import Kube
    from drillkit.clients.velero.undo import DeleteScratch
    from drillkit.journal.book import Planned

NODE_LOCAL_DNS = "169.254.20.10/32"
DNS_PORT = 53
API = "api"
"""Stands for the cluster's own API server, as pods see it."""
_PROBE = """
i=0
while [ $i -lt {tries} ]; do
  if nc -w {patience_s} "{host}" "{port}" </dev/null >/dev/null 2>&1; then reached=yes; else reached=no; fi
  [ "$reached" = "{wanted}" ] && {{ echo "reached {host}:{port}: $reached"; exit 0; }}
  i=$((i+1)); sleep 1
done
echo "reached {host}:{port}: $reached"; exit 1
"""  # noqa: E501


@dataclass(frozen=True, slots=True)
class Opening:
    """What a sealed namespace may reach: addresses on one port."""

    blocks: tuple[str, ...]
    """CIDRs; none: the cluster's DNS servers."""
    port: int

    def covers(self, host: str, port: int) -> bool:
        """Whether an address is open."""
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address(host)
            return port == self.port and any(
                address in ipaddress.ip_network(block) for block in self.blocks
            )
        return False


def opening(text: str) -> Opening:
    """`dns`, or `HOST:PORT` with a name, an address or a CIDR; a name is looked up now.
    Raises UsageError.
    """
    if text == "dns":
        return Opening((), DNS_PORT)
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f"allow: expected `dns` or HOST:PORT, found `{text}`")
    try:
        return Opening((str(ipaddress.ip_network(host)),), int(port))
    except ValueError:
        return Opening(_addresses(host), int(port))


def _addresses(host: str) -> tuple[str, ...]:
    try:
        found = {
            str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        }
    except OSError as error:
        raise UsageError(
            f"allow: {host} cannot be looked up: {error}; a NetworkPolicy needs its addresses"
        ) from error
    return tuple(f"{a}/{ipaddress.ip_address(a).max_prefixlen}" for a in sorted(found))


def policy(openings: Iterable[Opening]) -> Object:
    """The NetworkPolicy: the namespace's pods reach each other and the openings, and
    nothing else.
    """
    rules: list[Object] = [{"to": [{"podSelector": {}}]}]
    for each in openings:
        to: list[Object] = [{"ipBlock": {"cidr": block}} for block in each.blocks]
        protocols = ["TCP"]
        if not each.blocks:
            system = {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}
            to, protocols = (
                [{"namespaceSelector": system}, {"ipBlock": {"cidr": NODE_LOCAL_DNS}}],
                ["TCP", "UDP"],
            )
        rules.append({"to": to, "ports": [{"protocol": p, "port": each.port} for p in protocols]})
    return {"spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": rules}}


def open_scratch(kube: Kube, plan: Planned[DeleteScratch], openings: Iterable[Opening]) -> Object:
    """Create the namespace and seal it; the namespace's undo takes the policy with it. The
    namespace as it was made.

    Raises NotOurs when another namespace has that name, CallError.
    """
    scratch = plan.undo
    made = kube.create(plan, {})
    body = {
        "apiVersion": NETWORK_POLICIES.api_version,
        "kind": NETWORK_POLICIES.kind,
        "metadata": {
            "name": SEAL_POLICY,
            "namespace": scratch.name,
            "labels": labels(scratch.run, SEAL_POLICY),
        },
        **policy(openings),
    }
    asked = f"create {NETWORK_POLICIES.said(SEAL_POLICY, scratch.name)}"

    def once() -> None:
        try:
            kube._send("POST", NETWORK_POLICIES.path(namespace=scratch.name), asked, body=body)
        except Conflict:
            if not stands(kube, scratch.name, scratch.run):
                raise NotOurs(f"cannot {asked}: another policy of that name is there") from None

    patiently(once, kube.clock, attempts=3, limit_s=20.0)
    return made


def stands(kube: Kube, namespace: str, run: str) -> bool:
    """Whether the policy is there as this run made it. Raises CallError."""
    found = kube.find(NETWORK_POLICIES, SEAL_POLICY, namespace)
    return found is not None and is_ours(found, run, SEAL_POLICY)


def probe(image: str, where: str, *, reach: bool, tries: int = 10, patience_s: int = 3) -> Object:
    """A pod that succeeds once it has reached `where` (`HOST:PORT`, or `api`), or with `reach`
    False once it has not.

    It tries again every second: a policy takes a moment to arrive in the cluster's network.
    """
    host, _, port = where.rpartition(":")
    if where == API:
        host, port = "$KUBERNETES_SERVICE_HOST", "$KUBERNETES_SERVICE_PORT"
    script = _PROBE.format(
        tries=tries,
        patience_s=patience_s,
        host=host.strip("[]"),
        port=port,
        wanted="yes" if reach else "no",
    )
    container = {
        "name": "probe",
        "image": image,
        "command": ["sh", "-c", script],
        "resources": {
            "requests": {"cpu": "10m", "memory": "16Mi"},
            "limits": {"cpu": "100m", "memory": "32Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    deadline_s = tries * (patience_s + 12) + 60
    return {
        "spec": {
            "containers": [container],
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "activeDeadlineSeconds": deadline_s,
            "terminationGracePeriodSeconds": 1,
        },
    }
