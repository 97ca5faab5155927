"""One container: a real process, started again as the pod's policy says, probed, logged."""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from drillkit.sandbox.cluster.kubelet.egress import confined
from drillkit.sandbox.cluster.kubelet.environment import Unresolved, expand
from drillkit.sandbox.cluster.kubelet.probe import Address, Verdict, attempt
from drillkit.sandbox.cluster.kubelet.status import (
    Container,
    Ended,
    Running,
    Waiting,
    is_unknown,
    restarts,
    runs_command,
)
from drillkit.sandbox.cluster.processes import Processes, kill_group
from drillkit.sandbox.kube.objects import Object

BACKOFF_S = 1.0
BACKOFF_LIMIT_S = 30.0
STABLE_S = 60.0
"""A container that ran so long starts its back-off anew."""
LISTEN_LIMIT_S = 10.0
RETRY_S = 1.0
LAST_WORDS_BYTES, LAST_WORDS_LINES = 2048, 80
"""Of a log, as a kubelet keeps them in the status."""


@dataclass(frozen=True)
class Surroundings:
    """What a container needs from its pod."""

    processes: Processes
    logs: Path
    now: Callable[[], datetime]
    env: Callable[[Object], dict[str, str]]
    """A container's environment. Raises Unresolved."""
    placed: Callable[[Object, str], str]
    """A container's word with the places of its mounts as they are here."""
    openings: Callable[[], list[tuple[str, int]] | None]
    """What its commands may reach; None: everything."""
    changed: Callable[[], None]
    """Called after each change of state."""
    event: Callable[[str, str, bool], None]
    """(reason, message, warning)."""
    bind: str
    """The address to listen on."""
    policy: str


class ContainerRunner:
    """Runs one container until it is stopped or has ended for good."""

    def __init__(self, spec: Object, around: Surroundings, *, init: bool = False) -> None:
        self.spec = spec
        self.around = around
        self.container = Container(
            spec["name"], spec["image"], Waiting("PodInitializing" if init else "ContainerCreating")
        )
        self.address: Address | None = None
        self.process: Process | None = None
        self.stopping = False
        self._policy = "OnFailure" if init and around.policy == "Always" else around.policy
        self.env: dict[str, str] = {}
        self._unhealthy = asyncio.Event()

    async def run(self) -> None:
        """Start, restart, until the policy or `stop` ends it."""
        failures = 0
        while not self.stopping:
            began = time.monotonic()
            if not await self._start():
                await asyncio.sleep(RETRY_S)
                continue
            ended = await self._follow()
            if time.monotonic() - began > STABLE_S:
                failures = 0
            self._set(ended, ready=False)
            unhealthy = self._unhealthy.is_set() and self._policy != "Never"
            if self.stopping or not (unhealthy or restarts(self._policy, ended)):
                return
            self.container.last = ended
            if failures:
                wait_s = min(BACKOFF_S * 2 ** (failures - 1), BACKOFF_LIMIT_S)
                told = f"back-off {wait_s:g}s restarting failed container={self.container.name}"
                self._set(Waiting("CrashLoopBackOff", told), ready=False)
                self.around.event(
                    "BackOff", f"Back-off restarting failed container {self.container.name}", True
                )
                await asyncio.sleep(wait_s)
            failures += 1
            self.container.restarts += 1

    async def stop(self, grace_s: float) -> None:
        """preStop, SIGTERM, then SIGKILL when the grace is over."""
        self.stopping = True
        process = self.process
        if process is None or process.returncode is not None:
            return
        deadline = time.monotonic() + grace_s
        try:
            async with asyncio.timeout(grace_s):
                await self._pre_stop()
        except TimeoutError:
            self.around.event(
                "FailedPreStopHook", "PreStopHook did not end within the grace period", True
            )
        kill_group(process, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), max(0.05, deadline - time.monotonic()))
        except TimeoutError:
            self.kill()
            await process.wait()

    def kill(self) -> None:
        """End the process now."""
        self.stopping = True
        if self.process is not None and self.process.returncode is None:
            kill_group(self.process, signal.SIGKILL)

    def placed(self, command: list[str]) -> list[str]:
        """A command's words with the places of the container's mounts as they are here."""
        return [self.around.placed(self.spec, word) for word in command]

    def _command(self) -> list[str]:
        words = [*(self.spec.get("command") or []), *(self.spec.get("args") or [])]
        return self.placed([expand(word, self.env) for word in words])

    def _folder(self) -> Path | None:
        """Where its command runs, where that is in a mount."""
        asked = self.spec.get("workingDir") or ""
        placed = self.around.placed(self.spec, asked)
        return Path(placed) if placed != asked else None

    async def execute(self, command: list[str]) -> int:
        """Run a command beside the container, in its environment; its exit code. Cancelling
        kills it.
        """
        process = await self.around.processes.run(self.placed(command), env=self.env)
        try:
            return await process.wait()
        finally:
            kill_group(process, signal.SIGKILL)

    def log_file(self, *, previous: bool = False) -> Path:
        """Where the output of the current run, or of the one before it, is."""
        number = self.container.restarts - (1 if previous else 0)
        return self.around.logs / f"{self.container.name}.{number}.log"

    async def _start(self) -> bool:
        """Create the process; False if it cannot be created now."""
        if is_unknown(self.spec["image"]):
            self._wait_for(
                "ImagePullBackOff", f'Back-off pulling image "{self.spec["image"]}"', "Failed"
            )
            return False
        try:
            self.env = self.around.env(self.spec)
            command = self._command()
        except Unresolved as error:
            self._wait_for("CreateContainerConfigError", str(error), "Failed")
            return False
        self._unhealthy.clear()
        log = self.log_file()
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            if runs_command(self.spec["image"]):
                argv = confined(command or ["sleep", "infinity"], self.env, self.around.openings())
                self.process = await self.around.processes.run(
                    argv, env=self.env, stdout=output, stderr=output, cwd=self._folder()
                )
            else:
                self.process = await self.around.processes.spawn(
                    "child.podsrv", env=self._server_env(), stdout=PIPE, stderr=output
                )
                self.address = await self._listening(self.process)
        self.container.identity = secrets.token_hex(32)
        old = self.around.logs / f"{self.container.name}.{self.container.restarts - 2}.log"
        old.unlink(missing_ok=True)
        self.around.event("Started", f"Started container {self.container.name}", False)
        self._set(Running(self.around.now()), ready=False)
        return True

    def _wait_for(self, reason: str, message: str, event: str) -> None:
        if self.container.state != Waiting(reason, message):
            self.around.event(event, message, True)
            self._set(Waiting(reason, message), ready=False)

    def _server_env(self) -> dict[str, str]:
        ports = self.spec.get("ports") or [{"containerPort": 0}]
        return {
            **self.env,
            "SANDBOX_BIND": self.around.bind,
            "SANDBOX_PORT": str(ports[0]["containerPort"]),
        }

    async def _listening(self, process: Process) -> Address | None:
        """The address that the server tells; None if it ends before."""
        assert process.stdout is not None
        try:
            words = (await asyncio.wait_for(process.stdout.readline(), LISTEN_LIMIT_S)).split()
        except TimeoutError:
            words = []
        return Address(words[1].decode(), int(words[2])) if len(words) == 3 else None

    async def _follow(self) -> Ended:
        """Probe the running process until it ends."""
        process, state = self.process, self.container.state
        assert process is not None
        assert isinstance(state, Running)
        probes = asyncio.create_task(self._probe())
        try:
            code = await process.wait()
        finally:
            probes.cancel()
        return Ended(code, state.since, self.around.now(), message=self._last_words(code))

    def _last_words(self, code: int) -> str:
        """The end of the log, of a container that failed and asked for that to be told."""
        if not code or self.spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return ""
        text = self.log_file().read_bytes()[-LAST_WORDS_BYTES:].decode(errors="replace")
        return "\n".join(text.splitlines()[-LAST_WORDS_LINES:])

    async def _probe(self) -> None:
        if (startup := self.spec.get("startupProbe")) is not None:
            await self._loop(startup, "Startup", until_passing=True)
        async with asyncio.TaskGroup() as group:
            readiness, liveness = self.spec.get("readinessProbe"), self.spec.get("livenessProbe")
            if readiness is None:
                self._set(self.container.state, ready=True)
            else:
                group.create_task(self._loop(readiness, "Readiness"))
            if liveness is not None:
                group.create_task(self._loop(liveness, "Liveness"))

    async def _loop(self, probe: Object, kind: str, *, until_passing: bool = False) -> None:
        await asyncio.sleep(probe.get("initialDelaySeconds") or 0)
        verdict = Verdict.of(probe, passing=kind == "Liveness")
        while True:
            why = await attempt(probe, self.address, self.execute)
            if why:
                self.around.event("Unhealthy", f"{kind} probe failed: {why}", True)
            changed = verdict.count(not why)
            if kind == "Readiness" and changed:
                self._set(self.container.state, ready=verdict.passing)
            if until_passing and verdict.passing:
                return
            if kind != "Readiness" and verdict.failures >= verdict.failure_threshold:
                await self._fail(kind)
                return
            await asyncio.sleep(max(0.1, probe.get("periodSeconds") or 10))

    async def _fail(self, kind: str) -> None:
        """A container that failed its liveness or startup probe is stopped, to be started again."""
        self.around.event(
            "Killing",
            f"Container {self.container.name} failed {kind.lower()} probe, will be restarted",
            False,
        )
        self._unhealthy.set()
        process = self.process
        if process is not None:
            kill_group(process, signal.SIGTERM)
            await asyncio.sleep(1.0)
            kill_group(process, signal.SIGKILL)

    async def _pre_stop(self) -> None:
        hook = (self.spec.get("lifecycle") or {}).get("preStop") or {}
        if "sleep" in hook:
            await asyncio.sleep(hook["sleep"].get("seconds", 0))
        elif "exec" in hook:
            await self.execute(list(hook["exec"].get("command") or []))
        elif "httpGet" in hook:
            await attempt(
                {"httpGet": hook["httpGet"], "timeoutSeconds": 3600}, self.address, self.execute
            )

    def _set(self, state: Waiting | Running | Ended, *, ready: bool) -> None:
        self.container.state = state
        self.container.ready = ready and not isinstance(state, Waiting)
        self.around.changed()
