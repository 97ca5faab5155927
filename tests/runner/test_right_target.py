"""A connection leads to the cluster it was opened for, or nowhere: whichever the kubeconfig names
by now.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drillkit.cleanup import open_undos
from drillkit.clients.kube import DeleteObject, Kube, open_kube
from drillkit.clients.kube.resources import NAMESPACES, NODES
from drillkit.clock import Fence, SystemClock
from drillkit.journal.file import Journal, read
from drillkit.model.drill import KubernetesTarget
from tests.conftest import CommandLine, Sandbox


@dataclass
class Two:
    """Two clusters, and a target's kubeconfig that leads to the first until it is turned."""

    first: Sandbox
    second: Sandbox
    kubeconfig: Path

    def turn(self, to: Sandbox) -> None:
        shutil.copy(to.kubeconfig, self.kubeconfig)

    @property
    def uid(self) -> str:
        return str(self.first.endpoints["cluster_uid"])


def kube(sandbox: Sandbox) -> Kube:
    return open_kube(KubernetesTarget(kubeconfig=str(sandbox.kubeconfig)), SystemClock(), Fence())


@pytest.fixture
def two(drillkit: CommandLine, sandbox: Sandbox) -> Iterator[Two]:
    state = drillkit.folder / "another"
    process = subprocess.Popen(
        [sys.executable, "-m", "drillkit.sandbox", "--state", str(state), "--die-with-parent"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        second = Sandbox(json.loads(process.stdout.readline()), process.pid)
        made = Two(sandbox, second, drillkit.folder / "kubeconfig.yaml")
        made.turn(sandbox)
        (drillkit.folder / "drillkit.yaml").touch()
        (drillkit.folder / "drills").mkdir()
        yield made
    finally:
        process.terminate()
        process.wait(20)
        process.stdin.close()
        process.stdout.close()


def target(drillkit: CommandLine, two: Two, uid: str | None = None, **more: Any) -> None:
    kubernetes: dict[str, Any] = {"kubeconfig": str(two.kubeconfig)}
    if uid:
        kubernetes["cluster_uid"] = uid
    found = {"dev": {"kubernetes": kubernetes, "urls": dict(two.first.endpoints["urls"]), **more}}
    (drillkit.folder / "drills" / "targets.yaml").write_text(json.dumps(found))


def until(look: Callable[[], Any], what: str, limit_s: float = 30.0) -> None:
    end = time.monotonic() + limit_s
    while not look():
        assert time.monotonic() < end, f"expected {what}"
        time.sleep(0.1)


def cordoned(sandbox: Sandbox) -> list[str]:
    found = kube(sandbox).list(NODES)
    return [node["metadata"]["name"] for node in found if node["spec"].get("unschedulable")]


def killed_drain(drillkit: CommandLine, two: Two) -> Path:
    """A drain whose runner was killed while a node was cordoned; its journal."""
    process = drillkit.start("run", "node-drain", "-t", "dev", "--yes")
    try:
        until(lambda: cordoned(two.first), "a node is cordoned")
    finally:
        process.kill()
        process.communicate()
    return drillkit.run_folder("node-drain") / "journal.jsonl"


@pytest.mark.slow
@pytest.mark.parametrize("pinned", [True, False])
def test_recover_with_a_kubeconfig_that_leads_elsewhere_is_refused_and_the_undo_stays_open(
    drillkit: CommandLine, two: Two, pinned: bool
) -> None:
    target(drillkit, two, two.uid if pinned else None)
    journal = killed_drain(drillkit, two)
    (node,) = cordoned(two.first)
    two.turn(two.second)
    ran = drillkit("recover")
    assert ran.code == 5, ran.said
    assert f"the run was on cluster {two.uid}" in ran.said
    assert f"leads to cluster {two.second.endpoints['cluster_uid']}" in ran.said
    assert f"kubeconfig {two.kubeconfig}" in ran.said
    assert f"node/{node}" in {undo.resource for undo in open_undos(read(journal))}
    assert cordoned(two.first) == [node]
    assert (drillkit.home / "open" / journal.parent.name).exists()
    again = drillkit("run", "node-drain", "-t", "dev", "--yes", "--recover")
    assert again.code == 4, again.said
    two.turn(two.first)
    ran = drillkit("recover")
    assert ran.code == 0, ran.said
    assert cordoned(two.first) == []


@pytest.mark.slow
def test_keep_with_a_kubeconfig_that_leads_elsewhere_takes_no_mark_off(
    drillkit: CommandLine, two: Two
) -> None:
    target(drillkit, two)
    folder = drillkit.folder / "reports" / "copy" / "20260101-000000-bbbb"
    folder.mkdir(parents=True)
    journal = Journal(folder / "journal.jsonl")
    journal.append(
        "run.opened",
        {
            "run": folder.name,
            "drill": {"drill": "copy", "steps": []},
            "target": {"name": "dev", "kubernetes": {"kubeconfig": str(two.kubeconfig)}},
            "identities": {"cluster_uid": two.uid},
        },
    )
    undo = DeleteObject(NAMESPACES, "dr-copy", folder.name)
    plan = journal.plan(undo)
    made = kube(two.first).create(plan, {"metadata": {}})
    journal.close()
    two.turn(two.second)
    ran = drillkit("keep", str(folder), "dr-copy")
    assert ran.code == 4, ran.said
    assert f"the run was on cluster {two.uid}" in ran.err
    assert [u.resource for u in open_undos(read(folder / "journal.jsonl"))] == [undo.resource]
    assert kube(two.first).get(NAMESPACES, "dr-copy")["metadata"] == made["metadata"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("sweep", "-t", "dev", "--yes"),
        ("canary", "install", "-t", "dev", "-n", "shop", "--yes"),
        ("canary", "remove", "-t", "dev", "-n", "shop", "--yes"),
        ("canary", "status", "-t", "dev", "-n", "shop"),
        ("plan", "pod-delete", "-t", "dev"),
        ("run", "pod-delete", "-t", "dev", "--yes"),
    ],
)
def test_every_command_is_refused_where_the_target_pins_another_cluster(
    drillkit: CommandLine, two: Two, command: tuple[str, ...]
) -> None:
    target(drillkit, two, two.uid)
    two.turn(two.second)
    ran = drillkit(*command)
    assert ran.code == 4, ran.said
    assert f"pinned to cluster {two.uid}" in ran.said
    assert f"leads to cluster {two.second.endpoints['cluster_uid']}" in ran.said
