"""A bench on which experiments are run for real: worker process, journal on disk, clean-up;
no cluster.
"""

from __future__ import annotations

import hashlib
import json
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from drillkit.cleanup import Cleaned, clean, open_undos
from drillkit.clients import Clients
from drillkit.clock import Deadline, Fence, SystemClock
from drillkit.journal.file import Journal, read
from drillkit.model.codec import decode_evidence
from drillkit.model.errors import DrillError
from drillkit.model.evidence import Activity
from drillkit.model.records import Record
from drillkit.model.target import Target
from drillkit.steps.base import Act, Experiment, RunNames
from drillkit.steps.chaostoolkit import KIND, ChaosToolkitArguments

NAMES = RunNames("20260101-000000-x7k2", "bench", datetime(2026, 1, 1, tzinfo=UTC))


def python(
    name: str, func: str, *, kind: str = "action", module: str = "beside", **more: Any
) -> dict[str, Any]:
    """An activity that calls a function of the module beside the experiment."""
    arguments = more.pop("arguments", {})
    provider = {
        "type": "python",
        "module": module,
        "func": func,
        "arguments": arguments,
        **more.pop("provider", {}),
    }
    return {"type": kind, "name": name, "provider": provider, **more}


def shell(name: str, script: str, *, kind: str = "action", **more: Any) -> dict[str, Any]:
    """An activity that runs a shell script."""
    return {
        "type": kind,
        "name": name,
        "provider": {"type": "process", "path": "sh", "arguments": ["-c", script]},
        **more,
    }


def hypothesis(*probes: Mapping[str, Any]) -> dict[str, Any]:
    """A steady state."""
    return {"title": "all is well", "probes": list(probes)}


@dataclass
class Bench:
    """Runs experiments as the step does."""

    folder: Path
    journal: Journal
    clients: Clients
    fence: Fence
    clock: SystemClock = field(default_factory=SystemClock)
    cuts: list[Callable[[], None]] = field(default_factory=list)
    target: Target = field(default_factory=lambda: Target(name="bench"))

    def module(self, source: str) -> None:
        """Write the module beside the experiment."""
        (self.folder / "beside.py").write_text(textwrap.dedent(source), encoding="utf-8")

    def experiment(self, **parts: Any) -> Experiment:
        data = {"title": "bench", "description": "a test", "method": [], **parts}
        path = self.folder / "bench.json"
        path.write_text(json.dumps(data), encoding="utf-8")
        return Experiment("bench", path, hashlib.sha256(path.read_bytes()).hexdigest(), data)

    def act(self, experiment: Experiment, limit_s: float) -> Act:
        def cut(stop: Callable[[], None]) -> Callable[[], None]:
            self.cuts.append(stop)
            return lambda: self.cuts.remove(stop)

        return Act(
            name="step",
            run=NAMES,
            target=self.target,
            book=self.journal,
            clients=self.clients,
            clock=self.clock,
            fence=self.fence,
            deadline=Deadline.after(limit_s, self.clock),
            folder=self.folder,
            find_experiment=lambda name: experiment,
            cut=cut,
        )

    def run(
        self,
        experiment: Experiment,
        *,
        limit_s: float = 20.0,
        configuration: Mapping[str, Any] | None = None,
        **arguments: Any,
    ) -> DrillError | None:
        """Run it; what the step raises is given back."""
        given = ChaosToolkitArguments(
            experiment="bench", configuration=configuration or {}, **arguments
        )
        try:
            KIND.run(given, self.act(experiment, limit_s))
        except DrillError as error:
            return error
        return None

    def clean(self, limit_s: float = 20.0) -> Cleaned:
        """Apply what is open, in this process, as the runner does."""
        clients = Clients(self.target, self.clock, Fence())
        try:
            return clean(open_undos(self.records()), clients, self.journal, self.clock, limit_s)
        finally:
            clients.close()

    def records(self) -> tuple[Record, ...]:
        return read(self.folder / "journal.jsonl")

    def activities(self, place: str = "") -> list[Activity]:
        found = [decode_evidence(r.data) for r in self.records() if r.kind == "evidence"]
        return [a for a in found if isinstance(a, Activity) and (not place or a.place == place)]

    def text(self) -> str:
        """Everything that the run has written down, wherever."""
        files = [self.folder / "journal.jsonl", *(self.folder / "attachments").glob("*")]
        return "\n".join(
            path.read_text(encoding="utf-8", errors="replace") for path in files if path.is_file()
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench that must leave no process behind."""
    clock, fence = SystemClock(), Fence()
    journal = Journal(tmp_path / "journal.jsonl", clock=clock, fence=fence)
    clients = Clients(Target(name="bench"), clock, fence)
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield Bench(tmp_path, journal, clients, fence, clock)
    clients.close()
    journal.close()
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert not left


def gone(pid: int, within_s: float = 3.0) -> bool:
    """Whether a process has ended (a zombie that nobody reaps has)."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def appears(path: Path, within_s: float = 10.0) -> str:
    """The content of a file, once it is there and not empty."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if path.is_file() and (text := path.read_text(encoding="utf-8")):
            return text
        time.sleep(0.02)
    raise AssertionError(f"{path} did not appear")
