"""The printed CronJob's run as a pod of the sandbox, whose container is a process of this machine:
the image and its mounts are put in its place, the rest is as it was printed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from drillkit.journal.runs import holder
from tests.conftest import CommandLine, Sandbox

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


def here(job: dict[str, object], project: Path, volume: Path) -> dict[str, object]:
    """A CronJob whose container is a process here, with this folder for its volume."""
    text = json.dumps(job).replace("/var/lib/drillkit", str(volume))
    moved: dict[str, object] = json.loads(text)
    pod = moved["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"] == ["drillkit"]
    start = f'cd {project} && exec {sys.executable} -m drillkit "$@"'
    container |= {"image": "python", "command": ["/bin/sh", "-c", start, "sh"]}
    del container["volumeMounts"], container["workingDir"], pod["volumes"]
    return moved


def test_a_pod_that_is_deleted_relieves_first_and_what_a_killed_one_left_goes_with_the_next_start(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    cluster = Cluster(sandbox)
    project, volume = drillkit.folder / "project", drillkit.folder / "volume"
    for folder in (project / "drills", volume):
        folder.mkdir(parents=True)
    (project / "drillkit.yaml").write_text("")
    (project / "drills" / "slowed.yaml").write_text(DRILL)
    (project / "drills" / "targets.yaml").write_text(
        f"lab: {{kubernetes: {{kubeconfig: '{sandbox.kubeconfig}'}}}}\n"
    )
    words = ("schedule", str(project / "drills" / "slowed.yaml"), "--kubernetes", "--image", "i")
    printed = drillkit(*words).out
    objects = [each for each in yaml.safe_load_all(printed) if each]
    (cron_job,) = (each for each in objects if each["kind"] == "CronJob")
    cron_job["spec"]["suspend"] = True
    moved = here(cron_job, project, volume)
    accounts = [each for each in objects if each["kind"] == "ServiceAccount"]
    cluster("apply", "-f", "-", given=yaml.safe_dump_all([*accounts, moved]))
    name = cron_job["metadata"]["name"]

    def started(job: str) -> None:
        cluster("create", "job", job, "-n", "drillkit", f"--from=cronjob/{name}")

    def journals() -> list[Path]:
        found = (volume / "reports").glob("slowed/2*/journal.jsonl")
        return [each for each in found if not each.parent.is_symlink()]

    started("first")
    until(cluster.faults, "the fault has not begun")
    (pod,) = cluster.pods()
    cluster("delete", pod, "-n", "drillkit", "--wait=false")
    until(lambda: not cluster.faults(), "it was not relieved")
    until(lambda: pod not in cluster.pods(), "the pod has not ended")
    (journal,) = journals()
    last = json.loads(journal.read_text().splitlines()[-1])
    assert (last["kind"], last["data"]["left"]) == ("run.closed", [])

    cluster("delete", "job", "first", "-n", "drillkit")
    until(lambda: not cluster.pods(), "the Job has not ended")
    shutil.rmtree(volume / "reports")  # so that the next start of the day is made
    started("second")
    until(cluster.faults, "the fault has not begun again")
    (journal,) = journals()
    runner = holder(journal.parent)
    assert runner is not None
    os.kill(runner, signal.SIGKILL)
    failed = ("get", "job", "second", "-n", "drillkit", "-o", "jsonpath={.status.failed}")
    until(lambda: cluster(*failed) == "1", "the Job has not noticed")
    assert cluster.faults(), "a killed run leaves its fault"
    started("third")
    until(lambda: not cluster.faults(), "the next start has not cleaned it up")
    assert journals() == [journal], "it was passed over all the same: nothing was begun anew"
