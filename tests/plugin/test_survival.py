"""The crash campaign with another package's step, undos and fault: its board stands in the world
of the campaign, so that its calls get lost, delayed and refused as all others.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from drillkit.clock import Deadline
from drillkit.entry_points import brought
from drillkit.steps.base import Act, Experiment, RunNames, kind_named
from tests.crash.campaign import LAWFUL, Rules, Trial, by_seed, each_mishap, exhaustive
from tests.crash.controls import EffectFirst
from tests.crash.scenarios import Scenario
from tests.crash.scenarios_faults import TARGET, session_of
from tests.crash.world import Stage

BOARD = "http://board"


@pytest.fixture(autouse=True)
def _plugged_in(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package in this process, its board behind the wire of whatever process is on stage."""
    monkeypatch.syspath_prepend(str(installed))
    brought.cache_clear()
    on_stage: list[Stage] = []
    opens = Stage.open.__func__  # type: ignore[attr-defined]

    def entered(cls: type[Stage], *args: Any, **more: Any) -> Stage:
        on_stage[:] = [opens(cls, *args, **more)]
        return on_stage[0]

    def send(method: str, url: str, body: dict[str, str] | None = None) -> tuple[int, bytes]:
        name = url.rpartition("/")[2]
        objects = "/api/v1/namespaces/shop/configmaps"
        if method == "PUT":
            meta = {"name": name, "namespace": "shop"}
            made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": body}
            answer = on_stage[0].kube._transport.send("POST", objects, {}, made)
        else:
            answer = on_stage[0].kube._transport.send(method, f"{objects}/{name}", {})
        found = json.loads(answer.content or b"{}").get("data")
        return answer.status, json.dumps(found).encode()

    monkeypatch.setattr(Stage, "open", classmethod(entered))
    monkeypatch.setattr(importlib.import_module("acme_drills.board"), "send", send)
    yield
    brought.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_drills"]:
        del sys.modules[name]


def play_step(stage: Stage) -> None:
    kind = kind_named("acme.notice")
    with tempfile.TemporaryDirectory() as folder:
        act = Act(
            name="s",
            run=RunNames(stage.run, "drill", datetime(2026, 1, 1, tzinfo=UTC)),
            target=TARGET,
            book=stage.book,
            clients=stage.clients,
            clock=stage.clock,
            fence=stage.journal.fence,
            deadline=Deadline.after(600, stage.clock),
            folder=Path(folder),
            find_experiment=dict[str, Experiment]().__getitem__,
        )
        kind.run(kind.Arguments(board=BOARD), act)


def play_fault(stage: Stage) -> None:
    with session_of(stage):
        importlib.import_module("acme_drills.faults").freeze(board=BOARD)


def scenario_of(act: Callable[[Stage], None]) -> Scenario:
    return Scenario(f"acme: {act.__name__}", act)


ALL = pytest.mark.parametrize("act", [play_step, play_fault])


def told(trial: Trial) -> str:
    return f"{trial.where}\n  " + "\n  ".join([*trial.differs, *trial.recoveries])


def trials(act: Callable[[Stage], None], rules: Rules = LAWFUL) -> Iterator[Trial]:
    yield from exhaustive(scenario_of(act), rules)
    yield from each_mishap(scenario_of(act), rules)


@ALL
def test_a_crash_or_a_call_that_goes_wrong_leaves_the_world_as_it_was(
    act: Callable[[Stage], None],
) -> None:
    found = list(trials(act))
    assert len(found) > 20
    for trial in found:
        assert not trial.differs, told(trial)
        assert not [r for r in trial.recoveries if ": open" in r], told(trial)


@ALL
def test_trouble_and_crashes_by_chance_leave_the_world_as_it_was(
    act: Callable[[Stage], None],
) -> None:
    for seed in range(20):
        trial = by_seed(scenario_of(act), seed)
        assert not trial.differs, f"seed {seed}: {told(trial)}"


@ALL
def test_control_an_effect_before_its_undo_leaks(act: Callable[[Stage], None]) -> None:
    assert any(trial.differs for trial in trials(act, Rules(book=EffectFirst)))


@ALL
def test_control_without_recovery_something_is_left(act: Callable[[Stage], None]) -> None:
    assert any(trial.differs for trial in trials(act, Rules(recovers=False)))
