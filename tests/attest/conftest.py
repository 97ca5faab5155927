"""A folder of reports with sealed, signed runs, made without a target."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drillkit.attest.chain import Head
from drillkit.attest.heads import read_heads, write_heads
from drillkit.attest.keys import generate, public_key, signer_of
from drillkit.attest.publication import place_of
from drillkit.attest.seal import enter, seal
from drillkit.attest.verify import Checked, verify_all
from drillkit.journal.file import Journal
from drillkit.model.codec import from_data
from drillkit.model.drill import Drill
from drillkit.model.records import RunClosed, RunOpened, StepEnded, StepStarted
from drillkit.model.target import Target
from drillkit.report import write_reports

DRILL = {
    "drill": "pod-delete",
    "owner": "sre@example.com",
    "steps": [{"name": "kill", "uses": "wait"}],
}


class Ticks:
    """A clock that a test sets."""

    def __init__(self, at: float) -> None:
        self.at = at

    def now(self) -> float:
        self.at += 1
        return self.at

    def mono(self) -> float:
        return self.at

    def sleep(self, seconds: float, wake: Any = None) -> bool:
        self.at += seconds
        return False


@dataclass(frozen=True)
class Archive:
    """A folder of reports, the key that signs there, and the heads that were published."""

    reports: Path
    key: Path
    heads: Path

    def run(self, number: int, *, at: float, signed: bool = True) -> Path:
        """One run of the drill, from its start to its seal."""
        name = f"20270115-08{number:02}00-x7k2"
        folder = self.reports / "pod-delete" / name
        folder.mkdir(parents=True)
        clock = Ticks(at)
        journal = Journal(folder / "journal.jsonl", clock=clock)
        journal.append(
            RunOpened(
                run=name,
                drill=from_data(Drill, DRILL),
                target=Target(name="dev"),
                operator="me@here",
            )
        )
        enter(folder, clock.now())
        journal.append(StepStarted("wait", "none"), step="kill")
        journal.append(StepEnded("ok"), step="kill")
        journal.append(RunClosed())
        journal.close()
        write_reports(folder)
        self.seal(folder, clock.now(), signed=signed)
        return folder

    def seal(self, folder: Path, at: float, *, signed: bool = True) -> None:
        signer = signer_of(f"file:{self.key}", lambda ref: Path(ref[5:]).read_text())
        seal(folder, at, signer if signed else None)

    def publish(self) -> None:
        write_heads(place_of(str(self.heads)), self.verify(keys=False).heads, "heads")

    def verify(self, *, keys: bool = True) -> Checked:
        pinned = [public_key(self.key.with_suffix(".pub"))] if keys else []
        published: tuple[Head, ...] = read_heads(place_of(str(self.heads)), "heads")
        return verify_all(self.reports, pinned, published)

    def copy(self, folder: Path) -> Archive:
        """The same elsewhere, to be tampered with."""
        shutil.copytree(self.reports, folder / "reports", symlinks=True)
        return dataclasses.replace(self, reports=folder / "reports")


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Three signed runs whose chain was published; not to be changed."""
    folder = tmp_path_factory.mktemp("sealed")
    generate(folder / "key", folder / "key.pub")
    archive = Archive(folder / "reports", folder / "key", folder / "heads.json")
    for number in range(3):
        archive.run(number, at=1_800_000_000.0 + 86_400 * number)
    archive.publish()
    return archive


@pytest.fixture
def archive(sealed: Archive, tmp_path: Path) -> Archive:
    """A copy of it."""
    return sealed.copy(tmp_path)


Tamper = Callable[[Archive], None]
