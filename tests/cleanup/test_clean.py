"""Clean-up against a world that resists."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from drillkit.cleanup import Haste, application, clean, open_undos
from drillkit.cleanup import run as cleaning
from drillkit.clients import Clients, kube
from drillkit.clients.undo import UndoAction, UndoContext
from drillkit.clock import DeadlineOver, Fence, SystemClock
from drillkit.model.effects import Phase, Undone
from drillkit.model.errors import Denied, JournalLost, Rejected, Unavailable, Unreachable
from drillkit.model.records import Entry, History, Record, encode
from drillkit.model.target import Target

Behaviour = Callable[[str, UndoContext], Undone]


@dataclass(frozen=True)
class Relief(UndoAction):
    kind: ClassVar[str] = "kube.test-relief"
    phase: ClassVar[Phase] = "relieve"
    behave: ClassVar[Behaviour]
    name: str

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        return type(self).behave(self.name, context)


@dataclass(frozen=True)
class Removal(Relief):
    kind: ClassVar[str] = "kube.test-removal"
    phase: ClassVar[Phase] = "remove"
    rank: ClassVar[int] = 10


@dataclass(frozen=True)
class EarlyRemoval(Relief):
    kind: ClassVar[str] = "kube.test-early-removal"
    phase: ClassVar[Phase] = "remove"
    rank: ClassVar[int] = 1


@pytest.fixture
def behave(monkeypatch: pytest.MonkeyPatch) -> Callable[[Behaviour], None]:
    table = {
        **kube.UNDOS,
        **{cls.kind: cls for cls in (Relief, Removal, EarlyRemoval, Feeder, Fed, Program)},
    }
    monkeypatch.setattr(kube, "UNDOS", table)

    def choose(behaviour: Behaviour) -> None:
        monkeypatch.setattr(Relief, "behave", staticmethod(behaviour), raising=False)

    return choose


class Pages:
    """A journal in memory."""

    def __init__(self) -> None:
        self.records: list[tuple[str, dict[str, Any]]] = []
        self.lost = False

    def append(self, entry: Entry, *, durable: bool = True, step: str | None = None) -> int:
        if self.lost:
            raise JournalLost("the disk is gone")
        kind, data = encode(entry)
        self.records.append((kind, dict(data)))
        return len(self.records)

    def ended(self) -> dict[int, str]:
        return {d["of"]: d["outcome"] for k, d in self.records if k == "undo.ended"}


def record(n: int, kind: str, step: str = "", **data: Any) -> Record:
    return Record(n, 1000.0 + n, float(n), "runner", kind, step, data)


def plans(*kinds_and_names: tuple[type[Relief], str]) -> History:
    return tuple(
        record(
            n, "undo.planned", undo=cls.kind, args={"name": name}, phase=cls.phase, resource=name
        )
        for n, (cls, name) in enumerate(kinds_and_names, 1)
    )


def cleaned(history: History, pages: Pages, limit_s: float = 5.0, **more: Any) -> Any:
    clients = Clients(Target(name="none"), SystemClock(), Fence())
    return clean(open_undos(history), clients, pages, SystemClock(), limit_s, **more)


def hasty(skip: threading.Event) -> Haste:
    haste = Haste()
    haste.skip_remove = skip
    return haste


# Which undos are open


def test_an_undo_is_open_until_it_has_ended_however_often_it_failed() -> None:
    history = (
        record(1, "run.opened", versions={"drillkit": "0.9"}),
        record(
            2,
            "undo.planned",
            "a",
            undo="kube.uncordon",
            args={},
            phase="relieve",
            resource="node/a",
        ),
        record(
            3,
            "undo.planned",
            "b",
            undo="kube.uncordon",
            args={},
            phase="relieve",
            resource="node/b",
        ),
        record(
            4,
            "undo.planned",
            "b",
            undo="kube.uncordon",
            args={},
            phase="relieve",
            resource="node/c",
        ),
        record(5, "effect.confirmed", of=3, uid="u3"),
        record(6, "undo.failed", of=3, why="x"),
        record(7, "undo.ended", of=2, outcome="undone"),
        record(8, "undo.ended", of=4, outcome="kept"),
        record(9, "effect.confirmed", of=99),
    )
    (only,) = open_undos(history)
    assert (only.record, only.resource, only.confirmed, only.identity) == (
        3,
        "node/b",
        True,
        {"uid": "u3"},
    )
    assert only.version == "0.9"
    assert open_undos(history, "a") == ()
    assert open_undos(history, "b") == (only,)


def test_an_undo_of_another_version_stays_open_and_says_whose_it_is(behave) -> None:
    behave(lambda name, context: Undone("undone"))
    history = (
        record(1, "run.opened", versions={"drillkit": "9.1"}),
        record(
            2,
            "undo.planned",
            undo="kube.from-the-future",
            args={"a": 1},
            phase="relieve",
            resource="x/1",
        ),
        record(3, "undo.planned", undo="tape.rewind", args={}, phase="remove", resource="x/2"),
        record(
            4,
            "undo.planned",
            undo="kube.test-relief",
            args={"colour": 1},
            phase="relieve",
            resource="x/3",
        ),
        record(
            5,
            "undo.planned",
            undo="kube.test-relief",
            args={"name": "fine"},
            phase="relieve",
            resource="x/4",
        ),
    )
    pages = Pages()
    result = cleaned(history, pages)
    assert {u.resource for u in result.open} == {"x/1", "x/2", "x/3"}
    assert pages.ended() == {5: "undone"}
    assert all("drillkit 9.1 wrote" in d["why"] for k, d in pages.records if k == "undo.failed")


# How they are applied


def test_all_of_relieve_is_done_at_the_same_time_and_before_any_of_remove(behave) -> None:
    together = threading.Barrier(3)
    order: list[str] = []

    def apply(name: str, context: UndoContext) -> Undone:
        if name.startswith("fault"):
            together.wait(3)
            time.sleep(0.05)
        order.append(name)
        return Undone("undone", "gone")

    behave(apply)
    pages = Pages()
    history = plans(
        (Removal, "object"), (Relief, "fault-1"), (Relief, "fault-2"), (Relief, "fault-3")
    )
    result = cleaned(history, pages)
    assert order[-1] == "object"
    assert result.open == ()
    assert pages.ended() == {1: "undone", 2: "undone", 3: "undone", 4: "undone"}
    assert result.ended[0].undone.detail == "gone"


def test_removing_goes_by_rank_and_then_backwards(behave) -> None:
    order: list[str] = []
    behave(lambda name, context: order.append(name) or Undone("undone"))
    cleaned(
        plans((Removal, "r1"), (EarlyRemoval, "e1"), (Removal, "r2"), (EarlyRemoval, "e2")), Pages()
    )
    assert order == ["e2", "e1", "r2", "r1"]


def test_one_that_fails_holds_up_nobody(behave) -> None:
    def apply(name: str, context: UndoContext) -> Undone:
        if name == "broken":
            raise Unavailable("the API is down")
        return Undone("undone")

    behave(apply)
    pages = Pages()
    told: list[str] = []
    history = plans((Removal, "last"), (EarlyRemoval, "broken"), (Relief, "fault"))
    result = cleaned(history, pages, limit_s=1.0, on_progress=told.append)
    assert pages.ended() == {1: "undone", 3: "undone"}
    assert [(f.undo.resource, f.why, f.attempts > 1) for f in result.failed] == [
        ("broken", "the API is down", True)
    ]
    assert (
        "undo.failed",
        {"of": 2, "why": "the API is down", "attempts": result.failed[0].attempts},
    ) in pages.records
    assert any("broken: trying again" in text for text in told)
    assert "fault: undone" in told


def test_one_that_hangs_lets_the_next_begin(behave, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning, "TOGETHER_AFTER_S", 0.05)
    moments: dict[str, float] = {}

    def apply(name: str, context: UndoContext) -> Undone:
        if name == "slow":
            time.sleep(0.5)
        moments[name] = time.monotonic()
        return Undone("undone")

    behave(apply)
    result = cleaned(plans((Removal, "quick"), (Removal, "slow")), Pages())
    assert moments["quick"] < moments["slow"]
    assert len(result.ended) == 2


def test_a_bug_in_an_undo_is_told_and_holds_up_nobody(behave) -> None:
    def apply(name: str, context: UndoContext) -> Undone:
        if name == "buggy":
            raise ZeroDivisionError("oops")
        return Undone("undone")

    behave(apply)
    result = cleaned(plans((Relief, "fine"), (Relief, "buggy")), Pages())
    assert [
        (f.undo.resource, "a bug in the undo `kube.test-relief`: ZeroDivisionError: oops" in f.why)
        for f in result.failed
    ] == [("buggy", True)]
    assert [s.undo.resource for s in result.ended] == ["fine"]


@pytest.mark.realtime
def test_missing_permissions_are_not_asked_for_until_the_limit(behave) -> None:
    calls: list[str] = []

    def apply(name: str, context: UndoContext) -> Undone:
        calls.append(name)
        raise Denied("may not")

    behave(apply)
    started = time.monotonic()
    result = cleaned(plans((Relief, "forbidden")), Pages(), limit_s=60)
    assert len(calls) == application.LASTING_ATTEMPTS
    assert time.monotonic() - started < 5
    assert result.failed[0].why == "may not"


def test_each_undo_gets_one_attempt_even_when_the_time_is_over(behave) -> None:
    behave(lambda name, context: Undone("undone"))
    assert cleaned(plans((Relief, "a"), (Removal, "b")), Pages(), limit_s=0.0).open == ()


def test_clean_up_goes_on_from_memory_when_the_journal_is_lost(behave) -> None:
    behave(lambda name, context: Undone("undone"))
    pages = Pages()
    pages.lost = True
    result = cleaned(plans((Relief, "a"), (Removal, "b")), pages)
    assert len(result.ended) == 2
    assert result.unwritten == "the disk is gone"


@pytest.mark.realtime
def test_a_second_ctrl_c_ends_removing_but_not_relieving(behave) -> None:
    skip = threading.Event()

    def apply(name: str, context: UndoContext) -> Undone:
        if name == "fault":
            skip.set()
            context.pause(0.01)
        elif name == "waiting":
            skip.set()
            context.pause(30)
        return Undone("undone")

    behave(apply)
    pages = Pages()
    history = plans((Removal, "never begun"), (Removal, "waiting"), (Relief, "fault"))
    started = time.monotonic()
    result = cleaned(history, pages, limit_s=60, haste=hasty(skip))
    assert time.monotonic() - started < 5
    assert pages.ended() == {3: "undone"}
    assert {u.resource for u in result.skipped} == {"never begun", "waiting"}
    assert result.open == result.skipped


@pytest.mark.realtime
def test_a_wait_in_the_middle_of_removing_is_cut(behave) -> None:
    skip = threading.Event()

    def apply(name: str, context: UndoContext) -> Undone:
        threading.Timer(0.05, skip.set).start()
        context.pause(30)
        return Undone("undone")

    behave(apply)
    started = time.monotonic()
    result = cleaned(
        plans((Removal, "never begun"), (Removal, "waiting")),
        Pages(),
        limit_s=60,
        haste=hasty(skip),
    )
    assert time.monotonic() - started < 6
    assert {u.resource for u in result.skipped} == {"never begun", "waiting"}


def test_only_the_phases_asked_for_are_done(behave) -> None:
    behave(lambda name, context: Undone("undone"))
    pages = Pages()
    cleaned(plans((Relief, "a"), (Removal, "b")), pages, phases=("relieve",))
    assert pages.ended() == {1: "undone"}


def test_a_target_that_is_not_configured_any_more_leaves_its_undos_open() -> None:
    history = (
        record(
            1,
            "undo.planned",
            undo="kube.uncordon",
            args={"node": "n", "run": "r", "uid": "u"},
            phase="relieve",
            resource="node/n",
        ),
    )
    result = cleaned(history, Pages())
    assert "has no `kubernetes:`" in result.failed[0].why


# What must go before what


@dataclass(frozen=True)
class Feeder(Removal):
    """What it undoes may still create in what `Fed` undoes."""

    kind: ClassVar[str] = "kube.test-feeder"

    def holds_back(self, other: UndoAction) -> bool:
        return isinstance(other, Fed)


@dataclass(frozen=True)
class Fed(Relief):
    kind: ClassVar[str] = "kube.test-fed"
    phase: ClassVar[Phase] = "remove"
    rank: ClassVar[int] = 5


@dataclass(frozen=True)
class Program(Relief):
    kind: ClassVar[str] = "kube.test-program"
    phase: ClassVar[Phase] = "remove"
    backwards: ClassVar[bool] = True


def test_nothing_goes_while_what_feeds_it_may_still_create_in_it(behave) -> None:
    order: list[str] = []

    def apply(name: str, context: UndoContext) -> Undone:
        if name == "restore":
            context.pause(1.5)
        order.append(name)
        return Undone("undone")

    behave(apply)
    cleaned(plans((Fed, "namespace"), (Removal, "other"), (Feeder, "restore")), Pages(), 20)
    assert order == ["other", "restore", "namespace"], "and nothing else waits for it"


@pytest.mark.parametrize("at_once", [1, 16])
def test_what_is_fed_by_something_that_does_not_end_stays_and_says_why(
    behave, at_once: int
) -> None:
    def apply(name: str, context: UndoContext) -> Undone:
        if name == "restore":
            raise DeadlineOver("it is InProgress")
        return Undone("undone")

    behave(apply)
    pages = Pages()
    history = plans((Fed, "namespace"), (Feeder, "restore"), (Removal, "other"))
    result = cleaned(history, pages, at_once=at_once)
    assert pages.ended() == {3: "undone"}
    why = {f.undo.resource: f.why for f in result.failed}
    assert "restore has not ended and may still create in it" in why["namespace"]


def test_things_of_another_step_are_not_held_back(behave) -> None:
    def apply(name: str, context: UndoContext) -> Undone:
        if name == "restore":
            raise DeadlineOver("it is InProgress")
        return Undone("undone")

    behave(apply)
    pages = Pages()
    held, feeder = plans((Fed, "namespace"), (Feeder, "restore"))
    cleaned((dataclasses.replace(held, step="another"), feeder), pages)
    assert pages.ended() == {1: "undone"}


@pytest.mark.slow
def test_programs_are_undone_one_by_one_backwards_while_a_later_one_is_tried_again(behave) -> None:
    order: list[str] = []

    def apply(name: str, context: UndoContext) -> Undone:
        order.append(name)
        if name == "last" and len(order) < 3:
            raise Unavailable("not yet")
        if name == "middle":
            context.pause(1.5)
        return Undone("undone")

    behave(apply)
    history = plans((Program, "first"), (Program, "middle"), (Program, "last"))
    steps = [dataclasses.replace(each, step=f"s{each.n}") for each in history]
    assert cleaned(tuple(steps), Pages(), 20).open == ()
    assert order == ["last", "last", "last", "middle", "first"]


def test_a_program_that_says_no_is_tried_a_few_times_and_holds_up_nobody(behave) -> None:
    calls: list[str] = []

    def apply(name: str, context: UndoContext) -> Undone:
        calls.append(name)
        if name == "kubectl":
            raise Rejected("`kubectl` ended with 1: error: no matches")
        return Undone("undone")

    behave(apply)
    pages = Pages()
    began = time.monotonic()
    result = cleaned(plans((Program, "terraform"), (Program, "kubectl")), pages, 3600)
    assert time.monotonic() - began < 10
    assert calls == ["kubectl"] * application.LASTING_ATTEMPTS + ["terraform"]
    assert [f.undo.resource for f in result.failed] == ["kubectl"]
    assert pages.ended() == {1: "undone"}


def test_those_of_one_rank_that_hang_begin_together(behave) -> None:
    began: list[str] = []
    others = threading.Barrier(5)

    def apply(name: str, context: UndoContext) -> Undone:
        began.append(name)
        if name == "db-5":
            context.pause(1.6)
        else:
            others.wait(4.0)  # broken where the next one begins only when this one has hung
        return Undone("undone")

    behave(apply)
    result = cleaned(plans(*((Removal, f"db-{n}") for n in range(6))), Pages(), 20)
    assert began[0] == "db-5"
    assert not others.broken, "not one after the other"
    assert len(result.ended) == 6


def test_a_reason_to_try_again_is_told_once_and_then_with_a_count(
    behave, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def apply(name: str, context: UndoContext) -> Undone:
        calls.append(name)
        if len(calls) > 7:
            return Undone("undone")
        raise Unavailable(f"503 (request {len(calls)}f00-ba4)" if len(calls) != 4 else "no route")

    behave(apply)
    pages = Pages()
    told: list[str] = []
    monkeypatch.setattr(application, "PAUSE_CAP_S", 0.01)
    cleaned(plans((Removal, "db")), pages, 60, on_progress=told.append)
    again = [text for text in told if "trying again" in text]
    assert again == [
        "db: trying again: 503 (request 1f00-ba4)",
        "db: trying again: no route",
        "db: trying again (5 times so far): 503 (request 6f00-ba4)",
    ]
    shown = [d["text"] for kind, d in pages.records if kind == "progress"]
    assert shown == again, "whoever watches the run reads the same"


def test_two_ctrl_c_end_the_waiting_for_a_target_that_is_dead(behave) -> None:
    haste = Haste()

    def apply(name: str, context: UndoContext) -> Undone:
        if name == "alive":
            context.pause(0.5)
            return Undone("undone")
        haste.more(1)
        haste.more(2)
        raise Unreachable("connection refused")

    behave(apply)
    pages = Pages()
    began = time.monotonic()
    result = cleaned(plans((Relief, "alive"), (Relief, "dead")), pages, 600, haste=haste)
    assert time.monotonic() - began < 5
    assert pages.ended() == {1: "undone"}, "users are still relieved where it can be"
    assert [f.undo.resource for f in result.failed] == ["dead"]


@pytest.mark.slow
def test_removing_elsewhere_does_not_wait_until_the_limit_for_a_target_that_is_dead(behave) -> None:
    def apply(name: str, context: UndoContext) -> Undone:
        if name == "fault":
            raise Unreachable("connection refused")
        return Undone("undone", str(context.deadline.left() > 1))

    behave(apply)
    result = cleaned(plans((Removal, "database"), (Relief, "fault")), Pages(), 4)
    (ended,) = result.ended
    assert ended.undone.detail == "True"


@pytest.mark.parametrize("at_once", [1, 16])
def test_what_an_earlier_effect_feeds_does_not_wait_for_a_later_one_and_it_for_that(
    behave, at_once: int
) -> None:
    # A second try of a restore: its modifiers are planned after the first try, which holds them
    # back, and between them stands what is undone in sequence.
    order: list[str] = []

    def apply(name: str, context: UndoContext) -> Undone:
        order.append(name)
        return Undone("undone")

    behave(apply)
    history = plans(
        (Feeder, "restore"), (Removal, "between"), (Fed, "modifiers"), (Feeder, "restore-2")
    )
    began = time.monotonic()
    result = cleaned(history, Pages(), 8, at_once=at_once)
    assert not result.failed
    assert sorted(order) == ["between", "modifiers", "restore", "restore-2"]
    assert order[-1] == "modifiers"
    assert time.monotonic() - began < 4, "nobody waits for the limit"
