"""A connection that knows where it must lead: the one place where a cluster's identity is
verified.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from drillkit.clients.identity import Identity
from drillkit.clients.kube.errors import refusal
from drillkit.clients.kube.resources import NAMESPACES
from drillkit.clients.kube.wire import READ_S, Response, Transport
from drillkit.model.errors import Unanswered, Unavailable, Unreachable

KUBE_SYSTEM = NAMESPACES.path("kube-system")
"""Its UID stands for the cluster's."""
UNSENT = "which cluster this is could not be learned, so nothing else was sent"


class VerifiedTransport:
    """Lets nothing through before the cluster has said which one it is, and that it is the
    expected one.
    """

    def __init__(self, inner: Transport, expected: Identity, who: str) -> None:
        """`who`: how we are known there, for messages."""
        self._inner, self._expected, self._who = inner, expected, who
        self._asking = threading.Lock()
        self._verified = not expected.cluster_uid

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Any = None,
        content_type: str = "application/json",
        timeout_s: float = READ_S,
    ) -> Response:
        """See `Transport.send`. Raises WrongTarget when this is another cluster, CallError when it
        cannot be learned: the request itself was then not sent.
        """
        if method == "GET" and path == KUBE_SYSTEM:  # whoever asks for it is told, and verifies
            return self._ask(query, timeout_s)
        with self._asking:
            if not self._verified:
                self._verify()
        return self._inner.send(method, path, query, body, content_type, timeout_s)

    def _verify(self) -> None:
        try:
            answer = self._ask({}, READ_S)
        except Unanswered as error:
            raise Unreachable(f"{error}; {UNSENT}") from error
        if not 200 <= answer.status < 300:
            refused = refusal(answer, "learn which cluster this is", self._who)
            if isinstance(refused, Unavailable):  # as above: the request itself never left
                raise Unreachable(f"{refused}; {UNSENT}") from refused
            raise refused

    def _ask(self, query: Mapping[str, str], timeout_s: float) -> Response:
        answer = self._inner.send("GET", KUBE_SYSTEM, query, timeout_s=timeout_s)
        if 200 <= answer.status < 300:
            found = (answer.json().get("metadata") or {}).get("uid")
            self._expected.check_cluster(str(found), self._who)
            self._verified = True
        return answer
