"""What people ask of a running drill, through the door that every terminal and page uses."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drillkit.clock import Deadline, SystemClock
from drillkit.journal.file import Journal, read
from drillkit.journal.request_socket import RequestSocket, ask
from drillkit.judge.people import people_of
from drillkit.model.drill import Drill, Gameday, Hold, Step
from drillkit.model.errors import Refused, UsageError
from drillkit.model.evidence import Mark, Note
from drillkit.model.prospect import Prospect
from drillkit.model.records import (
    HoldEnded,
    HoldOpened,
    PhaseEnded,
    QuestionAsked,
    RunAborted,
    StepEnded,
    StepStarted,
)
from drillkit.model.requests import (
    AddAction,
    AddNote,
    AnswerExpectation,
    Decide,
    Join,
    Reply,
    Request,
    SetMark,
    Stop,
)
from drillkit.runner.abort import Stopper
from drillkit.runner.session import Ruling, Session

STEP = Step(name="kill", uses="chaostoolkit")
DRILL = Drill(drill="day", gameday=Gameday(expectations=("nobody notices",)), steps=(STEP,))


class Room:
    """A session with its door, and a journal that can be read while it goes on."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "journal.jsonl"
        self.journal = Journal(self.path)
        self.stopper = Stopper(self.journal, self.journal.fence)
        clock = SystemClock()
        self.session = Session(
            self.journal, self.stopper, self.journal.fence, clock, DRILL, attended=True
        )
        self.session.begin((("maria", "facilitator"),))
        self.door = RequestSocket(folder, self.session.take)
        self.rulings: list[Ruling] = []

    def ask(self, request: Request) -> int:
        return ask(self.folder, request)

    def entries(self, kind: type[Any]) -> list[Any]:
        return [r.entry for r in read(self.path) if isinstance(r.entry, kind)]

    def wait(self, kind: type[Any], count: int = 1) -> None:
        end = time.monotonic() + 10
        while len(self.entries(kind)) < count:
            assert time.monotonic() < end, f"no {kind.__name__} came"
            time.sleep(0.01)

    def holding(self, *args: Any, step: Step = STEP) -> threading.Thread:
        def hold() -> None:
            self.rulings.append(self.session.hold(step, *args))

        thread = threading.Thread(target=hold, daemon=True)
        thread.start()
        self.wait(HoldOpened)
        return thread


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    # As long as paths of runs may be: addresses of sockets hold a hundred bytes.
    folder = tmp_path / ("a" * 100)
    folder.mkdir()
    room = Room(folder)
    yield room
    room.door.close()
    room.journal.close()


def same(step: object) -> Prospect:
    return Prospect(targets=("pod/shop/a",))


def test_whoever_decides_is_written_down_and_a_decision_on_what_is_over_is_refused(
    room: Room,
) -> None:
    thread = room.holding("", "", same, same(STEP))
    view = people_of(read(room.path))
    assert view.hold is not None
    with pytest.raises(Refused, match="say why"):
        room.ask(Decide(by="maria", decision="skip"))
    with pytest.raises(Refused, match="no step yet"):
        room.ask(Decide(by="maria", decision="repeat"))
    room.ask(Decide(by="maria", decision="go", hold=view.hold.n))
    thread.join(10)
    assert [r.decision for r in room.rulings] == ["go"]
    with pytest.raises(Refused, match="nothing waits"):
        room.ask(Decide(by="jan", decision="abort", hold=view.hold.n))
    assert [(e.decision, e.by) for e in room.entries(HoldEnded)] == [("go", "maria")]
    assert room.stopper.aborted is None


def test_a_go_to_what_has_changed_is_asked_for_again_with_what_changed(room: Room) -> None:
    there = ["pod/shop/b"]
    thread = room.holding("", "", lambda step: Prospect(targets=tuple(there)), same(STEP))
    assert room.entries(HoldOpened)[0].changed == ("pod/shop/a is gone", "pod/shop/b is new")
    there[:] = ["pod/shop/c"]
    room.ask(Decide(by="maria", decision="go"))
    room.wait(HoldOpened, 2)
    assert room.entries(HoldOpened)[1].changed == ("pod/shop/b is gone", "pod/shop/c is new")
    room.ask(Decide(by="maria", decision="go"))
    thread.join(10)
    assert [r.decision for r in room.rulings] == ["go"]


@pytest.mark.parametrize(
    ("otherwise", "changed", "decision"),
    [
        ("skip", False, "skip"),
        ("go", False, "go"),
        ("go", True, "abort"),
        ("abort", False, "abort"),
    ],
)
def test_a_hold_that_nobody_decides_ends_as_declared_but_never_goes_to_what_nobody_saw(
    room: Room, otherwise: Any, changed: bool, decision: str
) -> None:
    from datetime import timedelta

    step = Step(name="kill", uses="x", hold=Hold(for_=timedelta(milliseconds=1), else_=otherwise))
    planned = Prospect(targets=("pod/shop/z",)) if changed else same(step)
    ruling = room.session.hold(step, "", "", same, planned)
    assert ruling.decision == decision
    assert room.journal.fence.closed.is_set() == (decision == "abort")


def test_stop_is_answered_at_a_hold_and_ends_it(room: Room) -> None:
    thread = room.holding("", "", same, same(STEP))
    room.ask(Stop(by="jan", why="customers call"))
    thread.join(10)
    assert [r.decision for r in room.rulings] == ["abort"]
    assert [e.why for e in room.entries(RunAborted)] == ["jan asked for it: customers call"]


def test_a_terminal_that_is_gone_stops_the_run_and_leaves_no_debrief_waiting(room: Room) -> None:
    room.stopper.on_signal("SIGHUP")
    room.session.debrief(Deadline.after(3600, SystemClock()))
    assert [e.why for e in room.entries(RunAborted)] == ["SIGHUP received"]


def test_what_people_say_becomes_records_of_the_step_it_is_about(room: Room) -> None:
    room.journal.append(StepStarted("chaostoolkit", "users"), step="kill")
    room.ask(Join(by="ann", role="scribe"))
    room.ask(AddNote(by="ann", text="<b>slow</b>"))
    room.ask(SetMark(by="jan", moment="detected", ago_s=2.0))
    room.ask(AddAction(by="ann", text="raise the alarm sooner", owner="sre"))
    of = next(iter(people_of(read(room.path)).expectations))
    room.ask(AnswerExpectation(by="maria", of=of, came=False, why="three calls"))
    for wrong in (
        AddNote(by="", text="who"),
        AddNote(by="ann", text=" "),
        AddNote(by="ann", text="x" * 5000),
        Join(by="eve", role="king"),
        AnswerExpectation(by="ann", of=1, came=True),
    ):
        with pytest.raises(Refused):
            room.ask(wrong)
    view = people_of(read(room.path))
    assert view.participants == {"maria": "facilitator", "ann": "scribe"}
    assert [(e.came, e.why) for e in view.expectations.values()] == [(False, "three calls")]
    assert [(n.about, n.by) for n, _ in view.notes] == [
        ("observation", "ann"),
        ("action-item", "ann"),
    ]
    mark, record = view.marks[0]
    assert (mark.by, record.step, record.kind) == ("jan", "kill", "evidence")
    assert mark.at < record.mono
    assert len(room.entries(Note)) == 2
    assert len(room.entries(Mark)) == 1


def test_what_is_done_by_hand_is_said_by_somebody(room: Room) -> None:
    answers: list[Any] = []
    deadline = Deadline.after(20, SystemClock())

    def manual() -> None:
        answers.append(room.session.ask("manual", "fix", "do it", deadline))

    thread = threading.Thread(target=manual, daemon=True)
    thread.start()
    answer_when_asked(room, Reply(by="jan", done=True, why="scaled"))
    thread.join(10)
    assert [(a.done, a.by, a.why) for a in answers] == [(True, "jan", "scaled")]
    with pytest.raises(Refused):
        room.ask(Reply(by="jan", done=True))


def answer_when_asked(room: Room, reply: Reply) -> None:
    end = time.monotonic() + 10
    while not people_of(read(room.path)).questions:
        assert time.monotonic() < end
        time.sleep(0.01)
    room.ask(reply)


def test_the_door_answers_nonsense_and_is_gone_with_the_run(room: Room) -> None:
    import socket

    from drillkit.journal.request_socket import _address

    with socket.socket(socket.AF_UNIX) as sock, _address(room.folder) as address:
        sock.connect(address)
        lines = sock.makefile("rb")
        for nonsense in (b"{}", b"[]", b"nonsense", b'{"ask": "decide", "by": 3}'):
            sock.sendall(nonsense + b"\n")
            assert b"refused" in lines.readline()
    room.door.close()
    with pytest.raises(UsageError, match="no run listens"):
        room.ask(Stop(by="jan"))


def test_what_a_step_asked_for_is_asked_no_more_when_it_has_ended(room: Room) -> None:
    append = room.journal.append
    append(QuestionAsked("manual", "do it"), step="by-hand")
    kept = append(QuestionAsked("manual", "do it"), step="another")
    append(StepEnded("cut", "stopped"), step="by-hand")
    assert list(people_of(read(room.path)).questions) == [kept]
    append(PhaseEnded("cleanup"))
    assert people_of(read(room.path)).questions == {}
