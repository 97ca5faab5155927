"""What a record says: read once, whatever stands in the line, and written as it was read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drillkit.journal.file import read
from drillkit.model.evidence import Activity, Mark, Sample
from drillkit.model.records import (
    ActivityEnded,
    ActivityStarted,
    EffectConfirmed,
    EffectIrreversible,
    Entry,
    ExperimentEnded,
    GateDecided,
    GuardDecided,
    Identities,
    JournalTorn,
    ListedStep,
    PhaseEnded,
    PhaseStarted,
    Progress,
    RunAborted,
    RunClosed,
    RunOpened,
    RunRecovered,
    SloTerms,
    StepEnded,
    StepStarted,
    StrangeRecord,
    UndoEnded,
    UndoFailed,
    UndoPlanned,
    UnknownRecord,
    Weakness,
    WeaknessesFound,
    decode,
    encode,
)
from drillkit.model.target import Target
from drillkit.model.verdict import Holds
from tests.judge.histories import drill

ROOT = Path(__file__).parents[2]
OPENED = RunOpened(
    run="20270115-080000-x7k2",
    drill=drill(),
    target=Target(name="sandbox"),
    operator="me@here",
    trigger="operator",
    versions={"drillkit": "0.2"},
    digests={"drill": "ab"},
    identities=Identities(launched_pid=7, cluster_uid="u-1"),
    vantage={"host": "here"},
    clock_offsets={"cluster": -0.5},
    boot="b",
    steps=(ListedStep("kill", "chaostoolkit", "users", ""),),
    slos={"api": SloTerms(name="api", target=0.995, window_s=60.0, kind="prometheus")},
)
SAID: tuple[Entry, ...] = (
    OPENED,
    RunClosed(("node/n1",)),
    RunRecovered("me", "b"),
    PhaseStarted("steps"),
    PhaseEnded("cleanup"),
    StepStarted("chaostoolkit", "none", "all"),
    StepEnded("failed", "because"),
    UndoPlanned("kube.uncordon", "relieve", "node/n1", {"node": "n1", "uid": None}),
    EffectIrreversible("kube.delete-pod", "pod/a", {}, "gone", "a replacement"),
    EffectConfirmed(3, {"uid": "u"}),
    UndoEnded(3, "already-undone", "seen", 2, 0.5),
    UndoFailed(3, "403", 4),
    GateDecided("after", "web", Holds.VIOLATED, 3, 200, "2", "3 bad", "p", (4, 9), 1.5),
    GuardDecided("start", "target", Holds.UNKNOWN, "no answer"),
    RunAborted("operator", "SIGINT"),
    JournalTorn(12, '{"n":'),
    WeaknessesFound(
        (Weakness("one-replica", "high", "deployment/shop/web", "one", "it goes", "two", "drill"),),
        3,
        ("nodes: not allowed",),
    ),
    Progress("so far"),
    Progress("begins", ActivityStarted(1, "delete", "method", "action", True)),
    Progress("ends", ActivityEnded(1, "StepUnknown", "out")),
    Progress("over", ExperimentEnded("completed", "")),
    Sample(
        "web",
        2,
        1,
        {"refused": 1},
        {100: 1},
        ((1.0, True), (1.5, False)),
        ((1.0, True), (1.5, False)),
        10,
        0,
    ),
    Activity("delete", "method", "action", "succeeded", 1, None, 0.1),
    Mark("disrupted", 12.5),
    UnknownRecord("step.paused", {"why": "coffee"}),
)


@pytest.mark.parametrize("said", SAID, ids=lambda said: type(said).__name__)
def test_what_is_written_is_read_again(said: Entry) -> None:
    kind, data = encode(said)
    assert decode(kind, json.loads(json.dumps(data))) == said


def test_every_record_of_the_example_and_of_the_stored_journals_is_understood() -> None:
    journals = [
        *ROOT.glob("tests/golden/stored/*/journal.jsonl"),
        ROOT / "reports/example/journal.jsonl",
    ]
    assert len(journals) > 10
    odd = [
        (path.parent.name, r.kind)
        for path in journals
        for r in read(path)
        if isinstance(r.entry, UnknownRecord | StrangeRecord)
    ]
    # The one story that a later version wrote.
    assert odd == [("newer", "evidence"), ("newer", "step.paused"), ("newer", "evidence")]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("step.ended", {}),
        ("step.ended", None),
        ("undo.ended", {"of": "1", "outcome": "undone"}),
        ("undo.ended", {"of": 1, "outcome": "evaporated"}),
        ("undo.planned", {"undo": "kube.uncordon", "phase": "later", "resource": "node/n1"}),
        ("undo.planned", ["kube.uncordon"]),
        ("effect.confirmed", {"uid": "u"}),
        ("gate.decided", {"place": "after", "sli": "web", "holds": "perhaps"}),
        ("gate.decided", {"place": "after", "sli": "web", "holds": "met", "records": ["one"]}),
        ("evidence", {"type": "Smell"}),
        ("evidence", {"type": ["Sample"]}),
        ("evidence", "Sample"),
        ("run.opened", "the whole drill"),
    ],
)
def test_a_shape_that_cannot_be_is_strange_and_says_why(kind: str, data: Any) -> None:
    entry = decode(kind, data)
    assert isinstance(entry, StrangeRecord)
    assert entry.why
    assert encode(entry) == (kind, data)


def test_a_drill_of_another_version_does_not_hide_the_target() -> None:
    kind, data = encode(OPENED)
    entry = decode(kind, {**data, "drill": {"drill": "pod-delete", "colour": "blue"}})
    assert isinstance(entry, RunOpened)
    assert entry.target == Target(name="sandbox")
    assert entry.drill is None
    assert entry.drill_name == "pod-delete"
    assert [(unread.key, "colour" in unread.why) for unread in entry.unread] == [("drill", True)]


def test_clock_offsets_are_found_where_old_journals_have_them() -> None:
    entry = decode("run.opened", {"identities": {"clock_offset_s": {"cluster": -0.4998}}})
    assert isinstance(entry, RunOpened)
    assert entry.clock_offsets == {"cluster": -0.4998}


def test_progress_is_never_strange() -> None:
    for data in (
        None,
        [],
        {"text": None},
        {"text": "x", "activity": {}},
        {"text": "x", "ended": 3},
    ):
        assert isinstance(decode("progress", data), Progress)
