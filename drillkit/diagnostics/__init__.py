"""What a runbook would look at when something failed, taken down at once, before it heals or
goes away.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeAlias

from drillkit.clients.kube import Kube, Object
from drillkit.clients.kube.errors import NotServed
from drillkit.clients.kube.resources import EVENTS, POD_METRICS, PODS
from drillkit.clock import Clock, Deadline
from drillkit.diagnostics import text
from drillkit.model.errors import CallError, Unanswered, Unavailable, Unreachable
from drillkit.secrets import KNOWN
from drillkit.secrets.parts import secrets_in

Attach: TypeAlias = Callable[[str, str, bytes], None]
"""(name, media type, content): `Act.attach`."""

PODS_LIMIT = 20
"""Pods looked at closely, troubled ones first; the overview has all."""
LOG_LINES = 200
LOG_BYTES = 64 * 1024
FILE_BYTES = 1024 * 1024
LIMIT_S = 30.0
EVENTS_LIMIT = 500


def capture(
    kube: Kube,
    clock: Clock,
    namespace: str,
    selector: str,
    attach: Attach,
    *,
    name: str = "diagnostics",
    limit_s: float = LIMIT_S,
) -> None:
    """Attach what is to be seen of the pods that `selector` matches: overview, describe, logs,
    events, usage.

    What cannot be read says so in its place: raises no CallError. No further question is asked
    after `limit_s` seconds. Values of environment variables are left out, and whatever else looks
    like a secret is redacted.
    """
    look = _PodLook(kube, clock, Deadline.after(limit_s, clock), namespace, selector)
    for part, make in (
        ("pods", look.pods_wide),
        ("describe", look.describe),
        ("logs", look.logs),
        ("events", look.events_text),
        ("top", look.top),
    ):
        content = KNOWN.foreign(look.attempt(make)).encode()
        if len(content) > FILE_BYTES:
            content = content[:FILE_BYTES] + b"\n[cut here: too long]\n"
        attach(f"{name}-{part}.txt", "text/plain; charset=utf-8", content + b"\n")


class _PodLook:
    """One look at the pods. Nothing is asked again once the cluster has stopped answering or the
    time is over.
    """

    def __init__(
        self, kube: Kube, clock: Clock, deadline: Deadline, namespace: str, selector: str
    ) -> None:
        self._kube, self._clock, self._deadline = kube, clock, deadline
        self._namespace, self._selector = namespace, selector
        self._gone = ""
        self._pods: list[Object] | None = None
        self._events: list[Object] | None = None

    def attempt(self, make: Callable[[], str]) -> str:
        """The text, or why there is none."""
        if self._gone or self._deadline.over:
            return f"could not read: {self._gone or 'the time for looking was over'}"
        try:
            return make()
        except (Unreachable, Unanswered, Unavailable) as why:
            self._gone = str(why)
            return f"could not read: {why}"
        except CallError as why:
            return f"could not read: {why}"

    def pods_wide(self) -> str:
        found = self._all_pods()
        if not found:
            return f"no pods match {self._selector!r} in namespace {self._namespace}"
        return text.pods_wide(found, self._clock.now())

    def describe(self) -> str:
        chosen = self._chosen()
        unread = self.attempt(self._read_events)
        parts = [text.describe_pod(pod, self._events or [], self._clock.now()) for pod in chosen]
        return "\n\n".join([*parts, *([f"Events: {unread}"] if unread else [])]) or "no pods"

    def _read_events(self) -> str:
        self._all_events()
        return ""

    def logs(self) -> str:
        parts: list[str] = []
        for pod in self._chosen():
            meta = pod["metadata"]
            states = {
                s["name"]: s for s in (pod.get("status") or {}).get("containerStatuses") or []
            }
            for container in (pod.get("spec") or {}).get("containers") or []:
                again = int(states.get(container["name"], {}).get("restartCount") or 0) > 0
                for previous in (True, False) if again else (False,):
                    which = "its previous run, " if previous else ""
                    parts.append(
                        f"==> {meta['name']}/{container['name']} ({which}last {LOG_LINES} "
                        "lines) <=="
                    )
                    parts.append(
                        self.attempt(functools.partial(self._log, meta, container, previous))
                    )
        return "\n".join(parts) or "no pods"

    def _log(self, meta: Object, container: Object, previous: bool) -> str:
        return self._kube.log(
            meta["name"],
            self._namespace,
            container=container["name"],
            tail=LOG_LINES,
            previous=previous,
            limit_bytes=LOG_BYTES,
        )

    def events_text(self) -> str:
        newest = sorted(self._all_events(), key=text.event_time)[-EVENTS_LIMIT:]
        return (
            text.events_table(newest, self._clock.now())
            if newest
            else f"no events in {self._namespace}"
        )

    def top(self) -> str:
        try:
            return text.top_pods(
                self._kube.list(POD_METRICS, self._namespace, selector=self._selector)
            )
        except NotServed:
            return "could not read: the cluster serves no metrics (metrics-server is not installed)"

    def _all_pods(self) -> list[Object]:
        if self._pods is None:
            self._pods = self._kube.list(PODS, self._namespace, selector=self._selector)
            # What is not shown with the variable may stand in the container's log.
            KNOWN.learn(secrets_in(text.variables(self._pods)))
        return self._pods

    def _all_events(self) -> list[Object]:
        if self._events is None:
            self._events = self._kube.list(EVENTS, self._namespace)
        return self._events

    def _chosen(self) -> list[Object]:
        return sorted(self._all_pods(), key=lambda pod: not text.is_troubled(pod))[:PODS_LIMIT]
