"""Whatever is in a history: the judge answers, and damage never makes anything better."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from drillkit.judge import judge
from drillkit.model.evidence import Activity, Alert, Check
from drillkit.model.records import History, Record
from drillkit.model.subjects import WholeRun
from drillkit.model.verdict import Holds
from tests.judge.histories import Tape, drill, pod_delete
from tests.judge.test_objectives import alert, date, detecting, restore
from tests.judge.test_slos import reading, run

JUNK: tuple[Any, ...] = (None, "x", -1, [None], {"x": None})
BETTER = {Holds.VIOLATED: 0, Holds.UNKNOWN: 1, Holds.MET: 2}


def rich() -> Tape:
    tape = (
        pod_delete(until=56.0)
        .undo(21, "node/n1")
        .add(30.0, "undo.ended", of="node/n1", outcome="undone", attempts=1)
    )
    tape.add(20.5, "guard.decided", place="start", guard="x", holds="met", why="").add(
        31, "effect.confirmed", of="node/n1"
    )
    tape.see(
        22,
        Activity("delete", "method", "action", "succeeded", 1, None, 0.1, targets=("pod/a/b",)),
        step="kill",
    )
    return tape.see(23, Check("delay", "in-effect", True, "==", True), step="kill")


def damaged(history: History) -> Iterator[tuple[str, History]]:
    samples = 0
    for i, record in enumerate(history):
        samples += record.data.get("type") == "Sample"
        if record.data.get("type") == "Sample" and samples not in (1, 25, 50):
            continue
        for key in record.data:
            for junk in JUNK:
                yield (
                    f"{record.kind}.{key} = {junk!r}",
                    _with(history, i, {**record.data, key: junk}),
                )
            yield (
                f"{record.kind} without {key}",
                _with(history, i, {k: v for k, v in record.data.items() if k != key}),
            )
        yield f"no {record.kind}", history[:i] + history[i + 1 :]


def _with(history: History, i: int, data: dict[str, Any]) -> History:
    r = history[i]
    return (*history[:i], Record(r.n, r.at, r.mono, r.by, r.kind, r.step, data), *history[i + 1 :])


@pytest.mark.parametrize(
    "history",
    [
        rich().history(),
        restore(rto="30m", rpo="1h").history(),
        detecting(
            (165.0, alert(160.5)), (170.0, Alert("ShopDown", {}, "resolved", date(170)))
        ).history(),
        run(
            {"api": {"bad": 30, "budget": "1%"}, "web": {"p95": "1s"}},
            (325.0, reading(999.0, 1000.0)),
            rate=2,
        ).history(),
    ],
    ids=["pod delete", "restore", "detection", "metrics"],
)
def test_the_judge_answers_whatever_was_damaged(history: History) -> None:
    for what, broken in damaged(history):
        try:
            verdict = judge(broken)
        except Exception as error:
            raise AssertionError(what) from error
        assert verdict.exit_code in (0, 1, 3, 4, 5), what


def test_what_is_missing_never_turns_unknown_into_met() -> None:
    history = tuple(
        r for r in rich().history() if not (r.kind == "gate.decided" and r.data["place"] == "after")
    )
    assert judge(history).holds is Holds.UNKNOWN
    for i, record in enumerate(history):
        if record.kind != "run.opened":
            verdict = judge(history[:i] + history[i + 1 :])
            assert BETTER[verdict.holds] <= BETTER[Holds.UNKNOWN], record


def test_a_history_cut_anywhere_is_never_met() -> None:
    history = rich().history()
    for end in range(len(history)):
        assert judge(history[:end]).holds is not Holds.MET


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("step.started", {"uses": 7}),
        ("step.ended", {}),
        ("undo.planned", {"undo": "kube.uncordon"}),
        ("effect.irreversible", {"resource": "pod/a"}),
        ("step.paused", {}),
    ],
)
def test_nobody_says_that_nothing_was_touched_where_a_record_of_a_step_cannot_be_read(
    kind: str, data: dict[str, Any]
) -> None:
    refused = Tape(drill()).add(
        1.0, "guard.decided", place="start", guard="window", holds="violated", why="it is noon"
    )
    assert judge(refused.closed(9.0).history()).exit_code == 4
    refused.add(2.0, kind, on="kill", **data)
    verdict = judge(refused.history())
    assert (verdict.exit_code, verdict.refused) == (3, "")
    assert "nothing was touched" not in verdict.headline
    assert any(finding.about == WholeRun("journal") for finding in verdict.findings)


def test_an_end_of_an_effect_that_nobody_planned_is_told() -> None:
    verdict = judge(rich().add(40.0, "undo.ended", of=4711, outcome="undone").history())
    assert verdict.holds is Holds.UNKNOWN
    assert "no effect planned in record 4711" in verdict.headline
