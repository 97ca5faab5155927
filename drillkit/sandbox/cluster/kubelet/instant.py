"""A kubelet without processes: pods start and stop after set times of the clock given, so that
tests repeat exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from drillkit.sandbox.cluster.kubelet.status import (
    Container,
    Ended,
    Running,
    Waiting,
    host_ip,
    is_unknown,
    pod_status,
    runs_command,
)
from drillkit.sandbox.cluster.values import is_finished
from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.objects import NODES, PODS, Object, is_terminating, key_of

EXIT_CODE = "sandbox.drillkit.dev/exit-code"
RUN_S = "sandbox.drillkit.dev/run-seconds"
NEVER_READY = "sandbox.drillkit.dev/never-ready"


@dataclass
class InstantKubelet:
    """Pods are ready `start` after they were bound and gone `stop` after their deletion (or
    earlier, by their grace).

    A pod of an image that runs commands ends after `run`. Annotations of a pod steer it:
    `sandbox.drillkit.dev/exit-code`, `sandbox.drillkit.dev/run-seconds`,
    `sandbox.drillkit.dev/never-ready`.
    """

    view: View
    start: timedelta = timedelta(seconds=2)
    stop: timedelta = timedelta(seconds=1)
    run: timedelta = timedelta(seconds=5)
    _seen: dict[str, datetime] = field(default_factory=dict)
    _stopping: dict[str, datetime] = field(default_factory=dict)
    _addresses: int = 0

    def __post_init__(self) -> None:
        self.view.follow(frozenset({PODS, NODES}))

    def sync(self) -> datetime | None:
        due: list[datetime] = []
        pods = self.view.all(PODS)
        for pod in pods:
            if pod["spec"].get("nodeName"):
                at = self._stop(pod) if is_terminating(pod) else self._start(pod)
                due += [at] if at is not None else []
        alive = {pod["metadata"]["uid"] for pod in pods}
        for book in (self._seen, self._stopping):
            for uid in book.keys() - alive:
                del book[uid]
        return min(due, default=None)

    def _stop(self, pod: Object) -> datetime | None:
        meta, now = pod["metadata"], self.view.now()
        grace = timedelta(seconds=meta.get("deletionGracePeriodSeconds", 30))
        at = self._stopping.setdefault(meta["uid"], now) + min(self.stop, grace)
        if now < at:
            return at
        self.view.store.finalize_pod(meta["namespace"], meta["name"], meta["uid"])
        return None

    def _start(self, pod: Object) -> datetime | None:
        now = self.view.now()
        bound = self._seen.setdefault(pod["metadata"]["uid"], now)
        images = [container["image"] for container in pod["spec"]["containers"]]
        if is_finished(pod):
            return None
        if any(map(is_unknown, images)):
            self._write(
                pod, Waiting("ImagePullBackOff", f'Back-off pulling image "{images[0]}"'), bound
            )
            return None
        ready_at = bound + self.start
        if now < ready_at:
            if not (pod.get("status") or {}).get("containerStatuses"):
                self._write(pod, Waiting("ContainerCreating"), bound)
            return ready_at
        notes = pod["metadata"].get("annotations") or {}
        if EXIT_CODE not in notes and not runs_command(images[0]):
            self._write(pod, Running(ready_at), bound, ready=NEVER_READY not in notes)
            return None
        ends_at = ready_at + (
            timedelta(seconds=float(notes[RUN_S])) if RUN_S in notes else self.run
        )
        if now < ends_at:
            self._write(pod, Running(ready_at), bound, ready=True)
            return ends_at
        self._write(pod, Ended(int(notes.get(EXIT_CODE, "0")), ready_at, ends_at), bound)
        return None

    def _write(
        self,
        pod: Object,
        state: Waiting | Running | Ended,
        started: datetime,
        *,
        ready: bool = False,
    ) -> None:
        old_ip = (pod.get("status") or {}).get("podIP") or ""
        ip = old_ip
        if not ip and not isinstance(state, Waiting):
            self._addresses += 1
            ip = f"10.244.{self._addresses // 250 % 256}.{self._addresses % 250 + 1}"
        identity = "" if isinstance(state, Waiting) else pod["metadata"]["uid"]
        containers = [
            Container(c["name"], c["image"], state, ready=ready, identity=identity)
            for c in pod["spec"]["containers"]
        ]
        init = [
            Container(c["name"], c["image"], Ended(0, started, started), identity=identity)
            for c in pod["spec"].get("initContainers") or []
        ]
        node = self.view.get(NODES, "", pod["spec"]["nodeName"])
        status = pod_status(
            pod,
            containers,
            init,
            pod_ip=ip,
            host_ip=host_ip(node),
            started=started,
            now=self.view.now(),
        )
        current = self.view.get(PODS, *key_of(pod))
        if current is not None:
            self.view.write_status(PODS, current, status)
