"""The kubelet of a running sandbox: each container of each pod is a real process on
this machine.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import shutil
import sys
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from drillkit.sandbox.cluster.controllers.services import PORT_ANNOTATION, serving_port
from drillkit.sandbox.cluster.kubelet.container import ContainerRunner, Surroundings
from drillkit.sandbox.cluster.kubelet.egress import openings
from drillkit.sandbox.cluster.kubelet.environment import INHERITED, Unresolved, environment
from drillkit.sandbox.cluster.kubelet.mounts import Mounts, filled
from drillkit.sandbox.cluster.kubelet.status import Ended, holds_drillkit, host_ip, pod_status
from drillkit.sandbox.cluster.processes import Processes
from drillkit.sandbox.cluster.values import is_finished
from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.admission import MOUNT, containers_of, mounts_account
from drillkit.sandbox.kube.errors import ApiError
from drillkit.sandbox.kube.objects import NODES, PODS, Object, is_terminating, key_of

log = logging.getLogger("drillkit.sandbox.cluster")


class PodRunner:
    """All containers of one pod."""

    def __init__(self, kubelet: ProcessKubelet, pod: Object, bind: str) -> None:
        self.kubelet = kubelet
        self.pod = pod
        self.started = kubelet.view.now()
        self.logs = kubelet.logs / pod["metadata"]["uid"]
        self.bind = bind
        self.account = ""
        self.mounts: dict[str, Mounts] = {}
        around = Surroundings(
            processes=kubelet.processes,
            logs=self.logs,
            now=kubelet.view.now,
            env=self._env,
            placed=self._placed,
            openings=lambda: openings(kubelet.view.store, self.current() or pod),
            changed=self.write,
            event=self._event,
            bind=bind,
            policy=pod["spec"].get("restartPolicy", "Always"),
        )
        self.init = [
            ContainerRunner(spec, around, init=True)
            for spec in pod["spec"].get("initContainers") or []
        ]
        self.main = [ContainerRunner(spec, around) for spec in pod["spec"]["containers"]]
        self.ending: asyncio.Task[None] | None = None
        self.task = kubelet.start(self._run())

    async def _run(self) -> None:
        for runner in self.init:
            await runner.run()
            if not isinstance(runner.container.state, Ended) or runner.container.state.code:
                for each in self.main:
                    each.container.state = Ended(
                        1, self.started, self.kubelet.view.now(), "InitFailed"
                    )
                self.write()
                return
        await asyncio.gather(*(runner.run() for runner in self.main))

    def terminate(self) -> None:
        """Begin the graceful end, once; a shorter grace later is taken at its word by `kill`."""
        if self.ending is None:
            self.ending = self.kubelet.start(self._end())

    async def _end(self) -> None:
        current = self.current() or self.pod
        grace_s = current["metadata"].get("deletionGracePeriodSeconds", 30)
        for runner in [*self.init, *self.main]:
            if runner.process is not None and runner.process.returncode is None:
                self._event("Killing", f"Stopping container {runner.container.name}", False)
        await asyncio.gather(*(runner.stop(grace_s) for runner in [*self.init, *self.main]))
        self.task.cancel()
        meta = self.pod["metadata"]
        self.kubelet.view.store.finalize_pod(meta["namespace"], meta["name"], meta["uid"])

    def kill(self) -> None:
        """End every process now."""
        for runner in [*self.init, *self.main]:
            runner.kill()
        self.task.cancel()
        if self.ending is not None:
            self.ending.cancel()

    def runner(self, container: str) -> ContainerRunner:
        """A container's runner by name. Raises ApiError 400."""
        for runner in [*self.main, *self.init]:
            if runner.container.name == container:
                return runner
        raise ApiError(
            400,
            "BadRequest",
            f"container {container} is not valid for pod {self.pod['metadata']['name']}",
        )

    def current(self) -> Object | None:
        """The pod as it is in the store, if it is still the same one."""
        found = self.kubelet.view.store.get(PODS, *key_of(self.pod))
        return (
            found
            if found is not None and found["metadata"]["uid"] == self.pod["metadata"]["uid"]
            else None
        )

    def write(self) -> None:
        """Publish the state of the containers as the pod's status."""
        pod = self.current()
        if pod is None:
            return
        address = next((r.address for r in self.main if r.address is not None), None)
        if address is not None and address.port != serving_port(pod):
            pod = self.kubelet.view.patch(
                PODS, pod, {"metadata": {"annotations": {PORT_ANNOTATION: str(address.port)}}}
            )
        view = self.kubelet.view
        status = pod_status(
            pod,
            [runner.container for runner in self.main],
            [runner.container for runner in self.init],
            pod_ip=address.host if address is not None else self.bind,
            host_ip=host_ip(view.get(NODES, "", pod["spec"]["nodeName"])),
            started=self.started,
            now=view.now(),
        )
        view.write_status(PODS, pod, status)

    def _env(self, container: Object) -> dict[str, str]:
        meta = self.pod["metadata"]
        values = environment(self.kubelet.view.store, self.current() or self.pod, container)
        self.account = self._mount()
        self.mounts[container["name"]] = self._mounted(container)
        own = {each["name"] for each in container.get("env") or []}
        values = {
            key: self._placed(container, value) if key in own or key not in INHERITED else value
            for key, value in values.items()
        }
        if holds_drillkit(container["image"]) and self.account:
            # It looks for its account where nothing can be mounted: here it is told the place.
            values.setdefault("KUBECONFIG", self._kubeconfig(values))
        if self.kubelet.tools is not None:
            values["PATH"] = os.pathsep.join(
                [str(self.kubelet.tools), values.get("PATH", os.defpath)]
            )
        return {
            **values,
            "SANDBOX_POD": f"{meta['namespace']}/{meta['name']}",
            "SANDBOX_MESH": self.kubelet.mesh(),
        }

    def _placed(self, container: Object, text: str) -> str:
        """A container's word as this machine understands it. Nothing can be mounted here: who names
        the place of a mount is told where it is.
        """
        mounts = self.mounts.get(container["name"])
        return mounts.moved(text) if mounts is not None else text

    def _mounted(self, container: Object) -> Mounts:
        """Raises Unresolved."""
        own, kept = self.logs / "volumes", self.kubelet.logs.parent / "volumes"
        places = filled(self.kubelet.view.store, self.pod, container, own, kept)
        if self.account and mounts_account(container):
            places[MOUNT] = Path(self.account)
        return Mounts(places)

    def _kubeconfig(self, values: Mapping[str, str]) -> str:
        """A file that leads where the pod's own account does."""
        account = Path(self.account)
        port = values.get("KUBERNETES_SERVICE_PORT", "443")
        server = f"https://{values.get('KUBERNETES_SERVICE_HOST', '127.0.0.1')}:{port}"
        cluster = {"server": server, "certificate-authority": str(account / "ca.crt")}
        file = self.logs / "kubeconfig"
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "pod", "cluster": cluster}],
                "users": [{"name": "pod", "user": {"tokenFile": str(account / "token")}}],
                "contexts": [{"name": "pod", "context": {"cluster": "pod", "user": "pod"}}],
                "current-context": "pod",
            }
        )
        file.write_text(text, encoding="utf-8")
        return str(file)

    def _mount(self) -> str:
        """The folder of the pod's token, ``ca.crt`` and namespace; empty where pods get none.
        Raises Unresolved.
        """
        if self.kubelet.account is None or not any(
            map(mounts_account, containers_of(self.pod["spec"]))
        ):
            return ""
        namespace, name = self.pod["metadata"]["namespace"], self.pod["spec"]["serviceAccountName"]
        folder = self.kubelet.account(namespace, name)
        if folder is None:
            raise Unresolved(f'serviceaccount "{name}" not found')
        return str(folder)

    def _event(self, reason: str, message: str, warning: bool) -> None:
        self.kubelet.view.event(self.pod, reason, message, warning=warning, component="kubelet")


class ProcessKubelet:
    """Runs what the controllers bind, ends what they delete.

    Args:
        view: the controllers' view of the store.
        processes: starts the children.
        logs: folder for the containers' output.
        mesh: `host:port` of the mesh, for calls between services.
    """

    def __init__(
        self, view: View, processes: Processes, logs: Path, mesh: Callable[[], str]
    ) -> None:
        self.view = view
        self.processes = processes
        self.logs = logs
        self.mesh = mesh
        self.account: Callable[[str, str], Path | None] | None = None
        """Gives the folder with `token`, `ca.crt` and `namespace` of a ServiceAccount, by namespace
        and name.
        """
        self.tools: Path | None = None
        """Folder of programs to be found before the machine's own."""
        self.pods: dict[str, PodRunner] = {}
        self._addresses = Addresses()
        view.follow(frozenset({PODS, NODES}))

    def sync(self) -> datetime | None:
        """Start pods newly bound, end those deleted. The rest happens in tasks, which write to
        the store.
        """
        alive: set[str] = set()
        for pod in self.view.all(PODS):
            uid = pod["metadata"]["uid"]
            alive.add(uid)
            runner = self.pods.get(uid)
            if is_terminating(pod):
                self._end(pod, runner)
            elif runner is None and pod["spec"].get("nodeName") and not is_finished(pod):
                self.pods[uid] = PodRunner(self, pod, self._addresses.next())
                self.pods[uid].write()
        for uid in self.pods.keys() - alive:
            runner = self.pods.pop(uid)
            runner.kill()
            shutil.rmtree(runner.logs, ignore_errors=True)
        return None

    def _end(self, pod: Object, runner: PodRunner | None) -> None:
        meta = pod["metadata"]
        if runner is not None:
            runner.terminate()
        elif pod["spec"].get("nodeName"):
            self.view.store.finalize_pod(meta["namespace"], meta["name"], meta["uid"])

    def of(self, pod: Object) -> PodRunner:
        """The runner of a pod. Raises ApiError 404 if it is not running here."""
        found = self.pods.get(pod["metadata"]["uid"])
        if found is None:
            raise ApiError(
                404, "NotFound", f'pod "{pod["metadata"]["name"]}" has no containers on its node'
            )
        return found

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a pod's work in a task; an error in it is logged, and hurts no other pod."""
        task = asyncio.create_task(work)
        task.add_done_callback(_log_error)
        return task

    async def close(self) -> None:
        """End every pod's processes."""
        runners = list(self.pods.values())
        self.pods.clear()
        for runner in runners:
            runner.kill()
        await asyncio.gather(*(runner.task for runner in runners), return_exceptions=True)


def _log_error(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a pod's task failed", exc_info=error)


class Addresses:
    """Pod IPs. Linux answers on all of 127.0.0.0/8, so each pod gets one of its own; elsewhere they
    share 127.0.0.1.
    """

    def __init__(self) -> None:
        self._network = f"127.{random.randrange(16, 250)}"
        self._next = random.randrange(1, 200) * 256

    def next(self) -> str:
        """An address that no other pod of this sandbox has had lately."""
        if sys.platform != "linux":
            return "127.0.0.1"
        self._next += 1 if self._next % 256 < 254 else 3
        return f"{self._network}.{self._next // 256 % 256}.{self._next % 256}"
