"""The printed CronJob's run as a pod of the sandbox, whose container is a process of this machine.
Everything is as it was printed, its account with its roles too; its journal is in a bucket.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.bucket import BucketServer, _bucket_server, bucket
from tests.conftest import CommandLine, Sandbox

__all__ = ["_bucket_server", "bucket"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed"),
]
DRILL = """
drill: slowed
owner: sre
target: lab
cadence: daily
window: {hours: "00:00-24:00", timezone: UTC}
steps:
  - name: delay
    uses: chaostoolkit
    with:
      experiment: network-latency
      configuration: {namespace: shop, selector: app=web, latency: 50ms, duration: 10m, mechanism: chaos-mesh}
    limit: 20m
"""  # noqa: E501


class Cluster:
    """The sandbox, by kubectl."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._kubeconfig = str(sandbox.kubeconfig)

    def __call__(self, *words: str, given: str | None = None) -> str:
        command = ["kubectl", "--kubeconfig", self._kubeconfig, *words]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def faults(self) -> list[str]:
        return self("get", "networkchaos", "-A", "-o", "name").split()

    def pods(self) -> list[str]:
        return self("get", "pods", "-n", "drillkit", "-o", "name").split()


def until(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 90
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def test_a_pod_that_is_deleted_relieves_first_and_what_a_killed_one_left_goes_with_the_next_start(
    drillkit: CommandLine, sandbox: Sandbox, bucket: BucketServer
) -> None:
    cluster = Cluster(sandbox)
    project = drillkit.folder
    (project / "drills").mkdir()
    (project / "drillkit.yaml").write_text("")
    (project / "drills" / "slowed.yaml").write_text(DRILL)
    (project / "drills" / "targets.yaml").write_text(
        f"lab: {{kubernetes: {{kubeconfig: '{sandbox.kubeconfig}'}}}}\n"
    )
    words = ("schedule", "slowed", "--kubernetes", "--image", "registry.example.com/drillkit:1")
    printed = drillkit(*words, "--out", bucket.url)
    assert printed.code == 0, printed.err
    cluster("apply", "--dry-run=server", "-f", "-", given=printed.out)
    cluster("apply", "-f", "-", given=printed.out)
    name = "drillkit-slowed-lab"
    literals = [f"--from-literal={key}={value}" for key, value in bucket.environment.items()]
    cluster("create", "secret", "generic", "keys", "-n", "drillkit", *literals)
    # As the printed comment asks for: credentials for the bucket.
    keys = {"name": "drillkit", "envFrom": [{"secretRef": {"name": "keys"}}]}
    pod = {"spec": {"containers": [keys]}}
    more = {"spec": {"suspend": True, "jobTemplate": {"spec": {"template": pod}}}}
    cluster("patch", "cronjob", name, "-n", "drillkit", "-p", json.dumps(more))

    def started(job: str) -> None:
        cluster("create", "job", job, "-n", "drillkit", f"--from=cronjob/{name}")

    def runs() -> list[str]:
        prefix = "drills/.runs/slowed/"
        return [key for key in bucket.everything() if key.startswith(prefix)]

    started("first")
    until(cluster.faults, "the fault has not begun")
    (pod_name,) = cluster.pods()
    cluster("delete", pod_name, "-n", "drillkit", "--wait=false")
    until(lambda: not cluster.faults(), "it was not relieved")
    until(lambda: pod_name not in cluster.pods(), "the pod has not ended")
    (note,) = runs()
    assert json.loads(bucket.read(note))["open"] is False, "everything was undone"

    cluster("delete", "job", "first", "-n", "drillkit")
    until(lambda: not cluster.pods(), "the Job has not ended")
    bucket.remove(note)  # so that the next start of the day is made
    started("second")
    until(cluster.faults, "the fault has not begun again")
    (note,) = runs()
    os.kill(int(json.loads(bucket.read(note))["writer"].split()[-1]), signal.SIGKILL)
    failed = ("get", "job", "second", "-n", "drillkit", "-o", "jsonpath={.status.failed}")
    until(lambda: cluster(*failed) == "1", "the Job has not noticed")
    assert cluster.faults(), "a killed run leaves its fault"
    started("third")
    until(lambda: not cluster.faults(), "the next start has not cleaned it up")
    assert runs() == [note], "it was passed over all the same: nothing was begun anew"
    until(lambda: not json.loads(bucket.read(note))["open"], "the bucket knows it as open")
