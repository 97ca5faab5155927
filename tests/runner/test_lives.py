"""The lives of a run: cut short, killed, doubled, out of disk. Whatever happens, the cluster is as
it was.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drillkit.clients.kube import open_kube
from drillkit.clients.kube.resources import LEASES, NETWORK_CHAOS, NODES
from drillkit.clock import Fence, SystemClock
from drillkit.journal.file import read
from drillkit.model.target import KubernetesTarget
from tests.conftest import ROOT, CommandLine, Sandbox

pytestmark = pytest.mark.slow

SLOW_NETWORK = ("run", "network-latency", "-t", "sandbox", "--set", "duration=60s")


class World:
    """The cluster as it is."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.kube = open_kube(
            KubernetesTarget(kubeconfig=str(sandbox.kubeconfig)), SystemClock(), Fence()
        )

    def faults(self) -> list[Any]:
        return self.kube.list(NETWORK_CHAOS, "shop")

    def cordoned(self) -> list[str]:
        return [
            n["metadata"]["name"] for n in self.kube.list(NODES) if n["spec"].get("unschedulable")
        ]

    def locks(self) -> list[Any]:
        return self.kube.list(LEASES, "drillkit")


@pytest.fixture
def world(sandbox: Sandbox) -> World:
    return World(sandbox)


def until(what: Callable[[], object], why: str, limit_s: float = 60) -> None:
    end = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < end, f"not within {limit_s} s: {why}"
        time.sleep(0.05)


@contextlib.contextmanager
def running(drillkit: CommandLine, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = drillkit.start(*arguments)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str], limit_s: float = 60) -> tuple[int, str]:
    _, err = process.communicate(timeout=limit_s)
    return process.returncode, err


@pytest.mark.realtime
def test_ctrl_c_undoes_everything_and_reports(drillkit: CommandLine, world: World) -> None:
    with running(drillkit, *SLOW_NETWORK) as process:
        until(world.faults, "the fault is there")
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        code, err = ended(process)
    assert code == 3, err
    assert time.monotonic() - began < 20
    assert not world.faults()
    assert not world.locks()
    verdict = drillkit.verdict("network-latency")
    assert "SIGINT" in verdict["aborted"]
    assert {undo["outcome"] for undo in verdict["undos"] if undo["phase"] == "relieve"} <= {
        "undone",
        "already-undone",
    }
    assert list((drillkit.home / "open").iterdir()) == []


def test_after_kill_9_recover_cleans_up_from_any_folder_and_judges_unknown(
    drillkit: CommandLine, world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running(drillkit, *SLOW_NETWORK) as process:
        until(world.faults, "the fault is there")
        process.kill()
        process.communicate()
    assert world.faults(), "nobody has cleaned up yet"
    elsewhere = CommandLine(tmp_path_factory.mktemp("elsewhere"))
    ran = elsewhere("recover", env={"DRILLKIT_HOME": str(drillkit.home)})
    assert ran.code == 0, ran.said
    assert "clean" in ran.out
    assert not world.faults()
    assert not world.locks()
    verdict = drillkit.verdict("network-latency")
    assert verdict["holds"] == "unknown"
    assert verdict["crashed"] is True
    assert verdict["exit_code"] == 3


def test_what_recover_cannot_reach_is_finished_with_the_lines_that_it_prints(
    drillkit: CommandLine, world: World, sandbox: Sandbox
) -> None:
    with running(drillkit, *SLOW_NETWORK) as process:
        until(world.faults, "the fault is there")
        process.kill()
        process.communicate()
    reachable = sandbox.kubeconfig.read_text()
    away = json.loads(reachable)
    away["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    sandbox.kubeconfig.write_text(json.dumps(away))
    ran = drillkit("recover", "--limit", "1s")
    sandbox.kubeconfig.write_text(reachable)
    assert ran.code == 5, ran.said
    assert "networkchaos/shop/" in ran.out
    lines = [line.strip() for line in ran.out.splitlines() if line.startswith("    kubectl ")]
    said = [
        subprocess.run(["sh", "-c", line], check=True, capture_output=True, text=True).stdout
        for line in lines
    ]
    assert said[0] == sandbox.endpoints["cluster_uid"]
    assert f"# must be {said[0]}" in lines[0]
    assert not world.faults()
    assert not world.locks()
    ran = drillkit("recover")
    assert ran.code == 0, ran.said


def test_a_new_run_does_not_touch_what_an_earlier_one_left_unless_it_is_told_to(
    drillkit: CommandLine, world: World
) -> None:
    with running(drillkit, *SLOW_NETWORK) as process:
        until(world.faults, "the fault is there")
        process.kill()
        process.communicate()
    # Without a probe: how punctual one is, is no matter here.
    experiment = shutil.copy(ROOT / "experiments" / "pod-delete.yaml", drillkit.folder)
    refused = drillkit("run", str(experiment), "-t", "sandbox")
    assert refused.code == 4
    assert "drillkit recover" in refused.err
    assert world.faults()
    done = drillkit("run", str(experiment), "-t", "sandbox", "--recover")
    assert done.code == 0, done.said
    assert not world.faults()


def test_another_terminal_can_abort_it_and_is_named_in_the_report(
    drillkit: CommandLine, world: World
) -> None:
    with running(drillkit, *SLOW_NETWORK) as process:
        until(world.faults, "the fault is there")
        asked = drillkit(
            "abort", "--why", "customers call", env={"DRILLKIT_OPERATOR": "ann@laptop"}
        )
        assert asked.code == 0, asked.said
        code, err = ended(process)
    assert code == 3, err
    assert not world.faults()
    assert (
        "ann@laptop asked for it: customers call" in drillkit.verdict("network-latency")["aborted"]
    )


def test_a_stop_flag_on_the_lease_aborts_within_two_seconds(
    drillkit: CommandLine, world: World, sandbox: Sandbox
) -> None:
    with running(drillkit, *SLOW_NETWORK) as process:
        until(world.faults, "the fault is there")
        subprocess.run(
            [
                "kubectl",
                "--kubeconfig",
                str(sandbox.kubeconfig),
                "-n",
                "drillkit",
                "annotate",
                "lease",
                "drillkit",
                "drillkit.dev/stop=customers call",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        flagged = time.time()
        code, err = ended(process)
    assert code == 3, err
    assert not world.faults()
    history = read(drillkit.run_folder("network-latency") / "journal.jsonl")
    (abort,) = [record for record in history if record.kind == "abort"]
    assert "customers call" in abort.data["why"]
    assert abort.at - flagged < 2.5


def test_a_second_run_on_the_same_cluster_is_refused_and_told_who_holds_it(
    drillkit: CommandLine, world: World
) -> None:
    with running(drillkit, *SLOW_NETWORK) as process:
        until(world.faults, "the fault is there")
        second = drillkit("run", "pod-delete", "-t", "sandbox")
        process.send_signal(signal.SIGTERM)
        ended(process)
    assert second.code == 4
    assert "lease" in second.err.lower() or "hold" in second.err.lower()
    verdict = drillkit.verdict("pod-delete")
    assert verdict["exit_code"] == 4
    assert not world.faults()


def test_a_drain_that_is_cut_leaves_no_cordon(drillkit: CommandLine, world: World) -> None:
    with running(drillkit, "run", "node-drain", "-t", "sandbox") as process:
        until(world.cordoned, "a node is cordoned")
        process.send_signal(signal.SIGINT)
        ended(process)
    assert world.cordoned() == []


def test_no_process_outlives_a_killed_run(drillkit: CommandLine, world: World) -> None:
    with running(drillkit, *SLOW_NETWORK) as process:
        until(world.faults, "the fault is there")
        children = [int(pid) for pid in _children(process.pid)]
        assert len(children) >= 2, "the sampler and the worker"
        process.kill()
        process.communicate()
        until(lambda: not [pid for pid in children if _alive(pid)], "they are gone", 5)


def _children(pid: int) -> list[str]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += (task / "children").read_text().split()
    return found


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_a_run_whose_sampler_dies_stops_hurting_users_and_proves_nothing(
    drillkit: CommandLine, world: World
) -> None:
    with running(drillkit, *SLOW_NETWORK) as process:
        until(world.faults, "the fault is there")
        (sampler,) = [pid for pid in _children(process.pid) if "drillkit.sampler" in _command(pid)]
        os.kill(int(sampler), signal.SIGKILL)
        code, err = ended(process, 30)
    assert code == 3, err
    assert not world.faults()
    assert "the sampler ended by itself" in drillkit.verdict("network-latency")["aborted"]


def _command(pid: str) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_fills_up_ends_the_run_and_what_was_planned_is_undone(
    drillkit: CommandLine, world: World
) -> None:
    small = drillkit.folder / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk to be had: {mounted.stderr.decode().strip()}")
    try:
        with running(drillkit, *SLOW_NETWORK, "--out", str(small)) as process:
            until(world.faults, "the fault is there")
            with contextlib.suppress(OSError), open(small / "filler", "wb", buffering=0) as file:
                while file.write(b"x" * 4096):
                    pass
            code, err = ended(process)
        assert not world.faults()
        assert not world.locks()
        assert "No space left on device" in err
        assert code in (3, 5)
        journal = next(small.glob("network-latency/*/journal.jsonl"))
        assert [r.data["by"] for r in read(journal) if r.kind == "abort"] == ["journal"]
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_the_report_is_made_again_from_the_journal_alone_on_another_machine(
    drillkit: CommandLine, world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert drillkit("run", "pod-delete", "-t", "sandbox").code == 0
    here = drillkit.run_folder("pod-delete")
    there = tmp_path_factory.mktemp("there") / "run"
    there.mkdir()
    (there / "journal.jsonl").write_bytes((here / "journal.jsonl").read_bytes())
    ran = CommandLine(there.parent)("report", str(there))
    assert ran.code == 0, ran.said
    for name in ("verdict.json", "report.md", "report.html"):
        assert (there / name).read_text() == (here / name).read_text(), name
    assert json.loads((there / "verdict.json").read_text())["holds"] == "met"
