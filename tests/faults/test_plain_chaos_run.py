"""Every shipped experiment under plain `chaos run`, without drillkit's runner, against
a sandbox.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CommandLine, Sandbox
from tests.drills.conftest import Playground

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
CHAOS = [sys.executable, "-m", "chaostoolkit", "--no-version-check"]
SHORT = {
    "network-latency": {"duration": "4s"},
    "cpu-stress": {"duration": "4s"},
    "memory-stress": {"duration": "4s"},
    "dns-failure": {"duration": "4s"},
    "scale-to-zero": {"duration": "1s"},
    "zone-evacuation": {"hold": "0s"},
}


def environment(drillkit: CommandLine, sandbox: Sandbox) -> dict[str, str]:
    return drillkit.environment({"KUBECONFIG": str(sandbox.kubeconfig), "NO_PROXY": "127.0.0.1"})


def chaos(
    drillkit: CommandLine, sandbox: Sandbox, experiment: str, variables: Mapping[str, str]
) -> subprocess.Popen[str]:
    given = [word for key, value in variables.items() for word in ("--var", f"{key}={value}")]
    return subprocess.Popen(
        [*CHAOS, "run", *given, str(EXPERIMENTS / f"{experiment}.yaml")],
        cwd=drillkit.folder,
        env=environment(drillkit, sandbox),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def network_faults(sandbox: Sandbox) -> list[Any]:
    """What the cluster holds, by drillkit's own client."""
    from drillkit.clients.kube import open_kube
    from drillkit.clients.kube.resources import NETWORK_CHAOS
    from drillkit.clock import Fence, SystemClock
    from drillkit.model.target import KubernetesTarget

    kube = open_kube(KubernetesTarget(kubeconfig=str(sandbox.kubeconfig)), SystemClock(), Fence())
    return kube.list(NETWORK_CHAOS, "shop")


@pytest.mark.slow
def test_every_shipped_experiment_is_valid_runs_and_leaves_nothing_behind(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    world = Playground(sandbox.endpoints, sandbox.pid)
    before = world.inventory()
    for path in sorted(EXPERIMENTS.glob("*.yaml")):
        process = chaos(drillkit, sandbox, path.stem, SHORT.get(path.stem, {}))
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0, out
        journal = json.loads((drillkit.folder / "journal.json").read_text())
        assert (journal["status"], journal["deviated"]) == ("completed", False), out
        assert [run["status"] for run in journal["run"]] == ["succeeded"], out
        assert journal["run"][0]["output"]["targets"], out
    world.must_be(before)
    assert list((drillkit.home / "open").iterdir()) == []


@pytest.mark.slow
def test_an_interrupted_plain_run_undoes_when_it_ends_and_a_killed_one_is_recovered(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    for end in (signal.SIGINT, signal.SIGKILL):
        process = chaos(drillkit, sandbox, "network-latency", {"duration": "60s"})
        limit = time.monotonic() + 20
        while not network_faults(sandbox) and time.monotonic() < limit:
            time.sleep(0.1)
        assert network_faults(sandbox)
        process.send_signal(end)
        process.communicate(timeout=30)
        assert bool(network_faults(sandbox)) is (end == signal.SIGKILL)
    (left,) = (drillkit.home / "open").iterdir()
    journal = drillkit.home / "plain" / left.name / "journal.jsonl"
    opened = json.loads(journal.read_text().splitlines()[0])
    uid = sandbox.endpoints["cluster_uid"]
    assert opened["data"]["identities"]["cluster_uid"] == uid, "recover must know the cluster"
    ran = drillkit("recover")
    assert ran.code == 0, ran.said
    assert network_faults(sandbox) == []


@pytest.mark.slow
def test_every_shipped_experiment_passes_chaos_validate(drillkit: CommandLine) -> None:
    for path in sorted(EXPERIMENTS.glob("*.yaml")):
        found = subprocess.run(
            [*CHAOS, "validate", str(path)],
            cwd=drillkit.folder,
            env={**os.environ},
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert found.returncode == 0, found.stdout + found.stderr
