"""Reading a cluster, and the one `_send` that every change goes through.

It is private to the rooms inside `clients/`: whoever else wants a change plans it (`Kube`).
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote

from drillkit.clients.kube.errors import NotServed, refusal
from drillkit.clients.kube.lifetimes import Issued, lifetimes
from drillkit.clients.kube.resources import NAMESPACES, PODS, SERVICES, Object, Resource
from drillkit.clients.kube.wire import EFFECTS, READ_S, Response, Transport, uncollected
from drillkit.clients.retry import patiently
from drillkit.clock import Clock, Fence, by_their_clock
from drillkit.model.errors import Absent, Conflict, TargetError, Unavailable
from drillkit.model.json_text import load_json
from drillkit.model.lifetime import Lifetime
from drillkit.model.permissions import Permission
from drillkit.secrets import excerpt

A = TypeVar("A")
READ_ATTEMPTS = 4
READ_LIMIT_S = 20.0
"""No further attempt of a read begins after this."""
LANDING_S = 14
"""A change that the API server has not made within this time it drops: we ask it to. Undos settle a
little longer.
"""
PAGES = 2000
"""More pages than this mean that the other side counts wrong."""
EMULATED = "drillkit.dev/emulated"
"""Annotation of the namespace kube-system of a cluster that only plays one."""
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"


def _emulated(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """What a practice cluster writes on its kube-system namespace: a JSON list of texts."""
    written = (metadata.get("annotations") or {}).get(EMULATED)
    if written is None:
        return ()
    try:
        found = load_json(written)
    except ValueError:
        found = None
    texts = (
        found
        if isinstance(found, list) and found
        else [f"the cluster says: {excerpt(written, 200)}"]
    )
    return tuple(str(text) for text in texts)


def _taken(answer: Response, found: A, add: Callable[[A, Object], None]) -> str:
    """Hand the items of a page on, and say where the next page begins; '' after the last."""
    page = answer.json()
    for each in page.get("items") or ():
        add(found, each)
    return str((page.get("metadata") or {}).get("continue") or "")


class KubeClient:
    """One cluster, looked at. Everything that changes it is in `Kube`."""

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        fence: Fence,
        who: str = "",
        kubeconfig: Callable[[], Mapping[str, Any]] = dict,
        issued: Callable[[], Issued | None] = lambda: None,
    ) -> None:
        """`who`: how we are known there, for messages. `kubeconfig`: makes one for other programs,
        whose only context leads where this does. `issued`: what an exec plugin gave last.
        """
        self._transport = transport
        self.clock = clock
        self.fence = fence
        self.who = who or "this client"
        self._served: dict[str, frozenset[str]] = {}
        self._uid = ""
        self._ahead_s: float | None = None
        self._emulated: tuple[str, ...] = ()
        self.kubeconfig = kubeconfig
        self._issued = issued

    def lifetimes(self) -> Iterator[Lifetime]:
        """Until when what proves who we are is good. Asks nobody."""
        return lifetimes(self.kubeconfig(), self._issued())

    # One attempt

    def _send(
        self,
        method: str,
        path: str,
        asked: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        harmless: bool = False,
        timeout_s: float = READ_S,
    ) -> Response:
        """One request, once; a changing one passes the fence right before it leaves.

        `asked` says for people what is asked: `delete pod/shop/web-1`; `harmless` marks a POST that
        changes nothing. Raises Refused when the fence is closed, CallError for whatever is
        no success.
        """
        asks = dict(query or {})
        if method in EFFECTS and not harmless:
            asks["timeout"] = f"{LANDING_S}s"
            if method != "DELETE":
                asks["fieldManager"] = "drillkit"
            self.fence.check()
        answer = self._transport.send(method, path, asks, body, content_type, timeout_s)
        if not 200 <= answer.status < 300:
            raise refusal(answer, asked, self.who)
        return answer

    def _read(
        self,
        path: str,
        asked: str,
        query: Mapping[str, str] | None = None,
        *,
        review: Object | None = None,
    ) -> Response:
        """`review`: a question that Kubernetes takes by POST, and keeps nothing of."""
        method = "GET" if review is None else "POST"
        return patiently(
            lambda: self._send(method, path, asked, query=query, body=review, harmless=True),
            self.clock,
            attempts=READ_ATTEMPTS,
            limit_s=READ_LIMIT_S,
        )

    # Objects

    def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """The object. Raises Absent, CallError."""
        found: Object = self._read(
            resource.path(name, namespace), f"get {resource.said(name, namespace)}"
        ).json()
        return found

    def find(self, resource: Resource, name: str, namespace: str = "") -> Object | None:
        """The object, or None where there is none. Raises CallError."""
        try:
            return self.get(resource, name, namespace)
        except Absent:
            return None

    def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        selector: str = "",
        fields: str = "",
        limit: int = 500,
    ) -> builtins.list[Object]:
        """All objects that match, read in pages of `limit`; namespace '' means every namespace.

        Raises CallError: NotServed where the cluster has no such resource, Absent never for an
        empty list.
        """
        return self.reduce(
            resource,
            namespace,
            into=builtins.list[Object],
            add=builtins.list.append,
            selector=selector,
            fields=fields,
            limit=limit,
        )

    def reduce(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        into: Callable[[], A],
        add: Callable[[A, Object], None],
        selector: str = "",
        fields: str = "",
        limit: int = 500,
    ) -> A:
        """What all objects that match come to: `add` takes each into what `into` makes, page by
        page, so that of a hundred thousand pods no more than a page is ever held.

        Raises CallError as `list` does.
        """
        asked = f"list {resource.plural}" + (f" in {namespace}" if namespace else "")
        path = resource.path(namespace=namespace)
        given = {"labelSelector": selector, "fieldSelector": fields}
        query = {key: value for key, value in given.items() if value}
        try:
            return self._reduced(path, asked, {**query, "limit": str(limit)}, into(), add)
        except Conflict:
            # 410: the list changed for so long that its next page is gone. Begin anew, and take it
            # in one piece.
            return self._reduced(path, asked, query, into(), add)

    def _reduced(
        self,
        path: str,
        asked: str,
        query: dict[str, str],
        found: A,
        add: Callable[[A, Object], None],
    ) -> A:
        for _ in range(PAGES):
            answer = self._read(path, asked, query)
            # All that a page is made of goes with it: no garbage is to be found among it.
            with uncollected():
                token = _taken(answer, found, add)
            if not token:
                return found
            query["continue"] = token
        raise Unavailable(f"cannot {asked}: no end after {PAGES} pages of {query.get('limit')}")

    def log(
        self,
        name: str,
        namespace: str,
        *,
        container: str = "",
        tail: int = 200,
        previous: bool = False,
        limit_bytes: int = 256 * 1024,
    ) -> str:
        """The last lines of a container's log. Raises CallError."""
        query = {"tailLines": str(tail), "limitBytes": str(limit_bytes)}
        if container:
            query["container"] = container
        if previous:
            query["previous"] = "true"
        said = PODS.said(name, namespace)
        return self._read(
            PODS.path(name, namespace, "log"), f"read the log of {said}", query
        ).content.decode(errors="replace")

    def ask_service(
        self, name: str, namespace: str, path: str, *, port: str = "", timeout_s: float = READ_S
    ) -> Response:
        """What a Service answers to a GET through the API server, whatever its status.

        `port` by number or name; '' where the Service has one only. Raises CallError when the API
        server itself says no: no such Service (Absent), no ready pod behind it (Unavailable), not
        allowed (Denied).
        """
        said = SERVICES.said(name, namespace)
        place = SERVICES.path(f"{name}:{port}" if port else name, namespace, "proxy")
        where, _, query = path.lstrip("/").partition("?")
        place = f"{place}/{quote(where)}"
        answer = self._transport.send("GET", place, dict(parse_qsl(query)), timeout_s=timeout_s)
        if not 200 <= answer.status < 300 and b'"kind":"Status"' in answer.content.replace(
            b" ", b""
        ):
            raise refusal(answer, f"ask {said} for /{where}", self.who)
        return answer

    # The cluster

    def cluster_uid(self) -> str:
        """UID of the namespace kube-system, which stands for the cluster's; asked once.
        Raises CallError, WrongTarget.
        """
        if not self._uid:
            metadata = self.get(NAMESPACES, "kube-system")["metadata"]
            self._uid = str(metadata["uid"])
            self._emulated = _emulated(metadata)
        return self._uid

    def emulated(self) -> tuple[str, ...]:
        """What a practice cluster says that it only plays; () of a real one. Raises CallError,
        WrongTarget.
        """
        self.cluster_uid()
        return self._emulated

    def server_version(self) -> str:
        """Such as `v1.32.1`. Raises CallError."""
        return str(
            self._read("/version", "read the server's version").json().get("gitVersion", "unknown")
        )

    def clock_offset_s(self) -> float:
        """Seconds that the API server's clock is ahead of ours. Its Date header tells whole
        seconds: +/- 0.5 s.

        Raises CallError, TargetError when it sends no date.
        """
        before = self.clock.now()
        date = self._read("/version", "read the server's clock").headers.get("date")
        if date is None:
            raise TargetError(
                "expected a Date header from the API server, found none; is it a proxy "
                "that answers?"
            )
        return parsedate_to_datetime(date).timestamp() + 0.5 - (before + self.clock.now()) / 2

    def now(self) -> float:
        """Seconds since the epoch by the API server's clock, which what stands in the cluster is
        dated by. It is compared with ours once. Raises CallError, TargetError.
        """
        if self._ahead_s is None:
            self._ahead_s = self.clock_offset_s()
        return by_their_clock(self.clock.now(), self._ahead_s)

    def serves(self, resource: Resource) -> bool:
        """Whether the cluster knows the resource (is its CRD installed?). Raises CallError."""
        version = resource.api_version
        if resource.plural not in self._served.get(version, ()):
            path = f"/apis/{version}" if resource.group else f"/api/{version}"
            try:
                found = self._read(path, f"discover {version}").json()
            except NotServed:
                return False
            self._served[version] = frozenset(r["name"] for r in found.get("resources") or [])
        return resource.plural in self._served[version]

    def may(self, permission: Permission) -> bool:
        """Whether our credentials have it. Asks only; changes nothing. Raises CallError."""
        asked = ("verb", "group", "resource", "subresource", "namespace", "name")
        attributes = {key: value for key in asked if (value := getattr(permission, key))}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = self._read(path, "ask for our own permissions", review=review).json()
        return bool((answer.get("status") or {}).get("allowed"))

    def own_rules(self, namespace: str) -> tuple[tuple[Mapping[str, Any], ...], bool]:
        """The rules that our credentials have in a namespace, those of the cluster included, and
        whether these are all: some authorizers do not tell. Raises CallError.
        """
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
        asked = "ask for our own rules"
        status = self._read(path, asked, review=review).json().get("status") or {}
        return tuple(status.get("resourceRules") or ()), not status.get("incomplete")
