"""A real process, a real disk, a real connection, a real SIGKILL: then another process recovers."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from drillkit.cleanup import clean, open_undos
from drillkit.clients import Clients
from drillkit.clients.kube import field_patch, objects
from drillkit.clients.removal import Patience
from drillkit.clock import Fence, SystemClock
from drillkit.journal.file import Journal, read
from drillkit.model.target import KubernetesTarget, Target
from drillkit.sandbox.cluster.crds import definitions
from drillkit.sandbox.cluster.nodes import furnish
from drillkit.sandbox.kube.faults import Fault
from drillkit.sandbox.kube.objects import CRDS, NODES
from tests.clients.kube.conftest import Served

VICTIM = """
import sys
from pathlib import Path
from drillkit.clients.kube import DeleteObject, open_kube, uncordon_of
from drillkit.clients.kube.resources import CONFIGMAPS, NODES
from drillkit.clock import SystemClock
from drillkit.journal.file import Journal
from drillkit.model.target import (KubernetesTarget)

clock = SystemClock()
journal = Journal(Path(sys.argv[1]), clock=clock)
kube = open_kube(KubernetesTarget(kubeconfig=sys.argv[2]), clock, journal.fence)
nodes = kube.list(NODES)
print("ready", flush=True)
for number, node in enumerate(nodes):
    kube.cordon(journal.plan(uncordon_of(node, run="run-1")))
    plan = journal.plan(DeleteObject(CONFIGMAPS, f"ours-{number}", "run-1", "default"))
    kube.create(plan, {"data": {"a": "1"}})
    print("did", number, flush=True)
clock.sleep(60)
"""


def wishes(served: Served) -> dict[str, Any]:
    nodes = served.store.list(NODES)
    maps = served.store.list(("", "configmaps"))
    kept = {
        n["metadata"]["name"]: (n["spec"], n["metadata"].get("annotations") or {}) for n in nodes
    }
    return {**kept, "maps": [m["metadata"]["name"] for m in maps]}


@pytest.mark.parametrize(
    ("after", "fault"),
    [
        ("ready", Fault(method="PATCH", times=1, delay_s=0.4)),
        ("did 0", None),
        ("did 0", Fault(method="POST", times=1, delay_s=0.4)),
        ("did 1", Fault(method="PATCH", times=1, hang_s=0.5)),
        ("did 3", None),
    ],
    ids=["in a slow patch", "between two", "in a slow create", "in a patch that hangs", "all done"],
)
def test_a_killed_process_leaves_nothing_behind_after_recovery(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str, fault: Fault | None
) -> None:
    furnish(served.store)
    for definition in definitions():
        served.store.create(CRDS, definition)
    before = wishes(served)
    path = tmp_path / "journal.jsonl"
    command = [sys.executable, "-c", VICTIM, str(path), str(served.kubeconfig)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        try:
            for line in victim.stdout:
                if (
                    fault is not None
                    and fault not in served.faults._faults
                    and line.strip() == after
                ):
                    served.faults.add(fault)
                if line.strip() == after:
                    break
            _until_hit(fault)
        finally:
            victim.send_signal(signal.SIGKILL)
    # The API server drops what it has not done after LANDING_S; here calls are late by less than
    # a second.
    monkeypatch.setattr(objects, "PATIENCE", Patience(settle_s=1.0))
    monkeypatch.setattr(field_patch, "PATIENCE", Patience(settle_s=1.0))
    journal = Journal(path)
    clock = SystemClock()
    target = Target(name="t", kubernetes=KubernetesTarget(kubeconfig=str(served.kubeconfig)))
    opens = open_undos(read(path))
    assert opens
    cleaned = clean(opens, Clients(target, clock, Fence()), journal, clock, 30.0)
    journal.close()
    assert not cleaned.open, cleaned.failed
    assert not open_undos(read(path))
    assert wishes(served) == before


def _until_hit(fault: Fault | None) -> None:
    clock = SystemClock()
    end = clock.mono() + 5
    while fault is not None and not fault.hits and clock.mono() < end:
        clock.sleep(0.005)
