"""Pods as real processes."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress

import psutil
import pytest

from drillkit.sandbox.cluster import start_cluster
from drillkit.sandbox.cluster.kubelet.hooks import guarded
from drillkit.sandbox.kube.errors import ApiError
from drillkit.sandbox.kube.objects import EVENTS, JOBS, NAMESPACES, PODS, condition, is_ready
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.kube.wire import Exec

from .live import get, running, until


def pod(name, image="sandbox/app", *, policy="Always", **container):
    spec = {"name": "main", "image": image, "ports": [{"containerPort": 8080}], **container}
    return {"metadata": {"name": name}, "spec": {"containers": [spec], "restartPolicy": policy}}


def env(**values):
    return [{"name": name, "value": str(value)} for name, value in values.items()]


def container(store, name):
    return (store.get(PODS, "lab", name)["status"].get("containerStatuses") or [{}])[0]


def with_lab(tmp_path, scenario):
    """Run a scenario in a cluster without the shop, with the namespace `lab`."""

    async def run():
        store = Store()
        cluster = await start_cluster(store, tmp_path / "state", shop=False)
        try:
            store.create(NAMESPACES, {"metadata": {"name": "lab"}})
            await scenario(cluster, store)
            assert not cluster.controllers.failures
        finally:
            await cluster.stop()

    asyncio.run(run())


class Io:
    """The streams of a command."""

    def __init__(self, given=b""):
        self.given = given
        self.out = {1: b"", 2: b""}

    async def read(self):
        given, self.given = self.given, b""
        return given

    async def write(self, channel, data):
        self.out[channel] += data


async def execute(store, name, *command, given=b""):
    io = Io(given)
    asked = Exec(store.get(PODS, "lab", name), "main", command, bool(given), True, True, False)
    return await store.pod_exec(asked, io), io.out[1], io.out[2]


def test_the_shop_is_ready_within_seconds_and_web_calls_orders(tmp_path):
    async def scenario():
        started = time.monotonic()
        async with running(tmp_path) as cluster:
            assert time.monotonic() - started < 10
            assert set(cluster.urls) == {"web", "orders", "cache"}
            status, body, _ = await get(f"{cluster.urls['web']}/")
            assert (status, body.split("-")[0]) == (200, "shop/web")
            orders = cluster.store.list(PODS, "shop", "app=orders")
            await until(
                lambda: any(
                    "GET / 200" in cluster.store.pod_log(o, "orders", False, None) for o in orders
                )
            )
            addresses = {p["status"]["podIP"] for p in cluster.store.list(PODS, "shop")}
            assert len(addresses) == 10 or not os.path.exists("/proc")

    asyncio.run(scenario())


def test_a_pod_is_ready_only_when_its_process_says_so(tmp_path):
    async def scenario(cluster, store):
        probe = {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1}
        store.create(
            PODS, pod("slow", env=env(SANDBOX_STARTUP_MS=600), readinessProbe=probe), "lab"
        )
        await until(lambda: container(store, "slow").get("started"))
        assert not is_ready(store.get(PODS, "lab", "slow"))
        await until(lambda: is_ready(store.get(PODS, "lab", "slow")))
        assert any(e["reason"] == "Unhealthy" for e in store.list(EVENTS, "lab"))
        assert condition(store.get(PODS, "lab", "slow"), "ContainersReady")["status"] == "True"

    with_lab(tmp_path, scenario)


def test_a_container_that_keeps_ending_is_restarted_and_backs_off(tmp_path):
    async def scenario(cluster, store):
        store.create(
            PODS, pod("crash", env=env(SANDBOX_EXIT_AFTER_MS=50, SANDBOX_EXIT_CODE=7)), "lab"
        )
        reason = lambda: container(store, "crash").get("state", {}).get("waiting", {}).get("reason")  # noqa: E731
        await until(lambda: reason() == "CrashLoopBackOff")
        status = container(store, "crash")
        assert status["restartCount"] == 1
        assert status["lastState"]["terminated"]["exitCode"] == 7
        assert store.get(PODS, "lab", "crash")["status"]["phase"] == "Running"
        assert "ended by itself" in store.pod_log(store.get(PODS, "lab", "crash"), "main", True, 1)

    with_lab(tmp_path, scenario)


def test_a_failing_liveness_probe_restarts_the_container(tmp_path):
    async def scenario(cluster, store):
        probe = {
            "httpGet": {"path": "/status/500", "port": 8080},
            "periodSeconds": 1,
            "failureThreshold": 1,
        }
        store.create(PODS, pod("sick", livenessProbe=probe), "lab")
        await until(lambda: container(store, "sick").get("restartCount"))
        assert any("Liveness probe failed" in e["message"] for e in store.list(EVENTS, "lab"))

    with_lab(tmp_path, scenario)


def test_images_that_cannot_be_pulled_and_missing_settings_are_said_to_be_so(tmp_path):
    async def scenario(cluster, store):
        missing = {"configMapKeyRef": {"name": "settings", "key": "colour"}}
        store.create(PODS, pod("nowhere", image="registry/unknown:1"), "lab")
        store.create(PODS, pod("unset", env=[{"name": "COLOUR", "valueFrom": missing}]), "lab")

        def waiting(name: str) -> object:
            return container(store, name).get("state", {}).get("waiting", {}).get("reason")

        await until(lambda: waiting("nowhere") == "ImagePullBackOff")
        await until(lambda: waiting("unset") == "CreateContainerConfigError")
        store.create(
            ("", "configmaps"), {"metadata": {"name": "settings"}, "data": {"colour": "red"}}, "lab"
        )
        await until(lambda: is_ready(store.get(PODS, "lab", "unset")))
        assert (await execute(store, "unset", "sh", "-c", "echo $COLOUR"))[1] == b"red\n"

    with_lab(tmp_path, scenario)


def test_a_job_runs_its_command_for_real(tmp_path):
    async def scenario(cluster, store):
        proof = tmp_path / "proof"
        command = ["sh", "-c", f"echo working; echo done > {proof}"]
        work = pod("x", image="sandbox/exec", policy="Never", command=command)["spec"]
        job = {"metadata": {"name": "work"}, "spec": {"template": {"spec": work}}}
        store.create(JOBS, job, "lab")
        await until(lambda: (store.get(JOBS, "lab", "work").get("status") or {}).get("succeeded"))
        assert proof.read_text() == "done\n"
        [ran] = store.list(PODS, "lab")
        assert ran["status"]["phase"] == "Succeeded"
        assert store.pod_log(ran, "main", False, None) == "working\n"

    with_lab(tmp_path, scenario)


def test_a_failing_init_container_keeps_a_pod_that_never_restarts_from_starting(tmp_path):
    async def scenario(cluster, store):
        broken = pod("broken", policy="Never")
        broken["spec"]["initContainers"] = [
            {"name": "prepare", "image": "sandbox/exec", "command": ["false"]}
        ]
        store.create(PODS, broken, "lab")
        await until(lambda: store.get(PODS, "lab", "broken")["status"]["phase"] == "Failed")
        assert condition(store.get(PODS, "lab", "broken"), "Initialized")["status"] == "False"

    with_lab(tmp_path, scenario)


def test_commands_run_beside_the_process_and_kill_one_means_the_container(tmp_path):
    async def scenario(cluster, store):
        store.create(PODS, pod("box", env=env(COLOUR="blue")), "lab")
        await until(lambda: is_ready(store.get(PODS, "lab", "box")))
        assert await execute(
            store, "box", "sh", "-c", "echo $COLOUR $SANDBOX_POD; echo no >&2; exit 4"
        ) == (
            4,
            b"blue lab/box\n",
            b"no\n",
        )
        assert await execute(store, "box", "cat", given=b"through") == (0, b"through", b"")
        assert (await execute(store, "box", "no-such-program"))[0] == 127
        assert (await execute(store, "box", "kill", "-9", "1"))[0] == 0
        status = await until(
            lambda: container(store, "box").get("restartCount") and container(store, "box")
        )
        assert status["lastState"]["terminated"]["exitCode"] == 137
        assert status["lastState"]["terminated"]["signal"] == 9

    with_lab(tmp_path, scenario)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["kill", "1"], ["kill", "77"]),
        (["sh", "-c", "kill -9 1"], ["sh", "-c", "kill -9 77"]),
        (["sh", "-c", "kill -s TERM 1 || true"], ["sh", "-c", "kill -s TERM 77 || true"]),
        (["sh", "-c", "kill 12"], ["sh", "-c", "kill 12"]),
        (["sh", "-c", "kill -1 12; echo 1"], ["sh", "-c", "kill -1 12; echo 1"]),
        (["git", "init"], ["git", "init"]),
        (["echo", "1"], ["echo", "1"]),
    ],
)
def test_process_one_of_a_command_is_the_containers(given, expected):
    assert guarded(given, 77) == expected


@pytest.mark.parametrize(
    "hostile",
    [
        ["reboot"],
        ["sh", "-c", "sleep 1; pkill -f python"],
        ["/sbin/shutdown", "now"],
        ["kill", "-9", "-1"],
    ],
)
def test_commands_that_reach_beyond_the_container_are_refused(hostile):
    with pytest.raises(ApiError, match="refuses"):
        guarded(hostile, 77)


def test_a_pod_that_ignores_sigterm_is_killed_when_its_grace_is_over(tmp_path):
    async def scenario(cluster, store):
        stubborn = pod(
            "stubborn",
            image="sandbox/exec",
            command=["sh", "-c", "trap '' TERM; echo armed; while :; do sleep 0.1; done"],
        )
        store.create(PODS, stubborn, "lab")
        await until(lambda: is_ready(store.get(PODS, "lab", "stubborn")))
        await until(
            lambda: (
                store.pod_log(store.get(PODS, "lab", "stubborn"), "main", False, None) == "armed\n"
            )
        )
        process = cluster.kubelet.of(store.get(PODS, "lab", "stubborn")).main[0].process
        store.delete(PODS, "lab", "stubborn", grace_s=1)
        await asyncio.sleep(0.3)
        assert store.get(PODS, "lab", "stubborn") is not None
        await until(lambda: store.get(PODS, "lab", "stubborn") is None, limit_s=5)
        assert await process.wait() == -9

    with_lab(tmp_path, scenario)


def test_usage_is_measured(tmp_path):
    async def scenario(cluster, store):
        burn = pod("burn", image="sandbox/exec", command=["sh", "-c", "while :; do :; done"])
        store.create(PODS, burn, "lab")
        await until(lambda: is_ready(store.get(PODS, "lab", "burn")))
        cluster.store.pod_metrics(store.get(PODS, "lab", "burn"))
        await asyncio.sleep(1.1)
        [(cores, size)] = cluster.store.pod_metrics(store.get(PODS, "lab", "burn")).values()
        assert cores > 0.1
        assert size > 0

    if os.path.exists("/proc/self/stat"):
        with_lab(tmp_path, scenario)


def test_stopping_leaves_no_process(tmp_path):
    pids = []

    async def scenario(cluster, store):
        store.create(
            PODS,
            pod("box", image="sandbox/exec", command=["sh", "-c", "sleep 300 & sleep 300"]),
            "lab",
        )
        await until(lambda: is_ready(store.get(PODS, "lab", "box")))
        pids.extend(process.pid for process in cluster.processes._watchers)

    with_lab(tmp_path, scenario)
    assert len(pids) >= 2
    left = [
        p
        for p in psutil.process_iter()
        if group_of(p.pid) in pids and p.status() != psutil.STATUS_ZOMBIE
    ]
    assert left == []


def group_of(pid):
    with suppress(ProcessLookupError):
        return os.getpgid(pid)
