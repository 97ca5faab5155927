"""Checks of restored data: how they compare, how they are named, when they give up."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drillkit.checks import Copy, kinds, problems_of, verify
from drillkit.checks import reader as places
from drillkit.checks.dialect import dialect, micros, moment
from drillkit.checks.expectation import as_number, parse_expectation, scalar
from drillkit.clients import Clients
from drillkit.clients.canary.beat import sign
from drillkit.clients.sql import Database
from drillkit.clock import Deadline, Fence, SystemClock
from drillkit.judge.evidence import passes
from drillkit.model.drill import StepCheck
from drillkit.model.errors import Absent, Denied, StepFailed, StepUnknown, Unreachable, UsageError
from drillkit.model.evidence import Check, Comparison, Evidence, RecoveryPoint
from drillkit.model.target import Target

NOW = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)
HERE = Database("postgres", "127.0.0.1", 1, "shop")


@dataclass
class Answers:
    """Databases that answer from a script: text of a query to rows, or what goes wrong."""

    copy: dict[str, Any] = field(default_factory=dict)
    original: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def rows(self, which: str, query: str) -> list[list[Any]]:
        self.asked.append((which, query))
        if query.startswith("set "):
            return []
        for part, found in getattr(self, which).items():
            if part in query:
                if isinstance(found, list) and found and not isinstance(found[0], list):
                    found = found.pop(0)
                if isinstance(found, Exception):
                    raise found
                return found if isinstance(found, list) else [[found]]
        raise AssertionError(f"nobody expected {query} of the {which}")


@dataclass
class Host:
    """A step's surroundings."""

    answers: Answers
    checks: tuple[StepCheck, ...]
    target: Target = field(default_factory=lambda: Target(name="t", canary_key="env:CANARY_KEY"))
    name: str = "db"
    run: Any = None
    book: Any = None
    clock: Any = field(default_factory=SystemClock)
    fence: Fence = field(default_factory=Fence)
    seen: list[Evidence] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)

    @property
    def clients(self) -> Clients:
        return Clients(self.target, self.clock, self.fence)

    @property
    def deadline(self) -> Deadline:
        return Deadline.after(60, self.clock)

    def observe(self, evidence: Evidence) -> None:
        self.seen.append(evidence)

    def mark(self, moment: Any, *, at: float | None = None, simulated: bool = False) -> None:
        self.marks.append(moment)

    def say(self, text: str) -> None:
        pass

    def of(self, kind: type[Evidence]) -> list[Any]:
        return [e for e in self.seen if isinstance(e, kind)]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    made = Answers()
    monkeypatch.setenv("CANARY_KEY", "k")

    class Scripted:
        def __init__(self, host: Any) -> None:
            pass

        @contextlib.contextmanager
        def open(self, database: Database, login: str) -> Iterator[Any]:
            which = "original" if database.host == "original" else "copy"
            yield type("Session", (), {"rows": staticmethod(lambda query: made.rows(which, query))})

    monkeypatch.setattr(places, "PLACES", {"here": Scripted, "cluster": Scripted})
    return made


def copy(**more: Any) -> Copy:
    original = Database("postgres", "original", 1, "shop")
    return Copy(
        **{
            "name": "it",
            "disrupted": NOW,
            "database": HERE,
            "original": original,
            "login": "env:X",
            **more,
        }
    )


def run(answers: Answers, *checks: StepCheck, **more: Any) -> Host:
    host = Host(answers, checks)
    with contextlib.suppress(StepFailed, StepUnknown):
        verify(host, copy(**more))
    return host


# Expectations


@pytest.mark.parametrize(
    ("text", "found", "passed"),
    [
        ("> 0", 1, True),
        ("> 0", 0, False),
        ("== 42", 42, True),
        ("== 42", "42", True),
        ("!= 42", 41, True),
        ("<= 10m", 600.0, True),
        ("< 10m", 600.0, False),
        ("matches ^ok", "ok, then", True),
        ("== ok", "ok", True),
        ("== 'a b'", "a b", True),
        (">= 1.5", 2, True),
        ("> 0", "many", None),
    ],
)
def test_an_expectation_is_compared_as_the_judge_compares(
    text: str, found: Any, passed: bool | None
) -> None:
    wanted = parse_expectation(text)
    assert passes(Check("c", "restored-data", wanted.value, wanted.op, found)) is passed


@pytest.mark.parametrize("text", ["", "0", "=> 1", "matches", "matches ["])
def test_an_expectation_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_expectation(text)


def test_values_of_databases_become_values_of_evidence() -> None:
    from decimal import Decimal

    assert [scalar(v) for v in (Decimal("3"), Decimal("3.5"), None, b"\x01", NOW)] == [
        3,
        3.5,
        "null",
        "01",
        "2026-11-01 03:00:00+00:00",
    ]
    assert [as_number(v) for v in ("12", "-1.5", "12a", True)] == [12, -1.5, "12a", True]


def test_times_are_whole_microseconds_whatever_their_zone() -> None:
    assert moment(micros(NOW)) == NOW
    assert micros(NOW.replace(tzinfo=None)) == micros(NOW)
    assert micros(NOW + timedelta(microseconds=1)) - micros(NOW) == 1


# Looking


def test_rows_are_counted_and_the_last_passing_check_ends_the_rto(answers: Answers) -> None:
    answers.copy = {'count(*) from "orders"': 7, "select 1+1": 2}
    host = run(
        answers, StepCheck(table="orders", rows=True), StepCheck(sql="select 1+1", expect="== 2")
    )
    assert [(c.name, c.found) for c in host.of(Check)] == [
        ("rows of orders", 7),
        ("sql select 1+1", 2),
    ]
    assert host.marks == ["verified"]


def test_data_that_differs_is_not_asked_for_again_and_nothing_is_verified(answers: Answers) -> None:
    answers.original = {"count(*)": 7}
    answers.copy = {"count(*)": 0}
    host = run(answers, StepCheck(table="orders", rows=True))
    assert [which for which, _ in answers.asked] == ["copy", "original"]
    assert host.marks == []
    with pytest.raises(StepFailed, match="rows of orders: expected > 0, found 0"):
        verify(Host(answers, host.checks), copy())


def test_what_passes_by_itself_is_waited_for_and_what_does_not_is_given_up_at_once(
    answers: Answers,
) -> None:
    answers.copy = {"count(*)": [Unreachable("down"), 7]}
    host = run(answers, StepCheck(table="orders", rows=True))
    assert host.of(Check)[0].found == 7
    answers.copy = {"count(*)": Denied("who are you?")}
    host = Host(answers, (StepCheck(table="orders", rows=True),))
    with pytest.raises(StepUnknown, match="rows of orders could not be read: who are you"):
        verify(host, copy())
    assert host.of(Check)[0].found is None


def test_one_that_never_answers_ends_with_its_time_and_is_unknown(answers: Answers) -> None:
    answers.copy = {"count(*)": Unreachable("down")}
    check = StepCheck(table="orders", rows=True, within=timedelta(milliseconds=700))
    host = Host(answers, (check,))
    with pytest.raises(StepUnknown, match="down"):
        verify(host, copy())
    assert len(answers.asked) >= 2


def test_the_newest_row_is_a_recovery_point_against_the_originals_newest(answers: Answers) -> None:
    answers.copy = {"max": micros(NOW - timedelta(seconds=90))}
    answers.original = {"max": micros(NOW - timedelta(seconds=30))}
    host = run(answers, StepCheck(table="orders", newest="created_at", expect="< 10m"))
    assert host.of(Check)[0].found == 60.0
    (point,) = host.of(RecoveryPoint)
    assert (point.basis, point.at, point.disrupted) == (
        "newest-row",
        NOW - timedelta(seconds=90),
        NOW - timedelta(seconds=30),
    )
    gone = run(answers, StepCheck(table="orders", newest="created_at"), original=None)
    assert gone.of(Check)[0].found == 90.0


def test_a_table_that_only_the_original_has_was_lost_and_one_that_nobody_has_is_a_mistake(
    answers: Answers,
) -> None:
    answers.copy = {"": Absent("no such table")}
    answers.original = {"count(*)": 7, "max": micros(NOW), "heartbeat": [[micros(NOW), "t", "s"]]}
    rows = StepCheck(table="orders", rows=True)
    newest = StepCheck(table="orders", newest="created_at", expect="< 10m")
    host = run(answers, rows, newest, StepCheck(canary="heartbeat"))
    assert [passes(check) for check in host.of(Check)] == [False, False, False]
    answers.original = {"": Absent("no such table")}
    quickly = replace(rows, within=timedelta(milliseconds=100))
    assert run(answers, quickly).of(Check)[0].found is None
    answers.original = {"count(*)": 7}
    assert run(answers, quickly, original=None).of(Check)[0].found is None


EMPTY = {
    "rows": (StepCheck(table="orders", rows=True), "count(*)", 0, 7),
    "sql": (StepCheck(sql="select name from orders where id = 1", expect="== x"), "name", [], "x"),
    "newest": (StepCheck(table="orders", newest="at", expect="< 1m"), "max", None, micros(NOW)),
    "checksum": (StepCheck(table="orders", checksum="id"), "min", [[None, None]], [[1, 9]]),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_what_is_empty_in_the_original_too_is_no_loss_and_no_proof(
    answers: Answers, kind: str
) -> None:
    check, query, nothing, something = EMPTY[kind]
    answers.copy = {query: nothing}
    answers.original = {query: something}
    (lost,) = run(answers, check).of(Check)
    assert passes(lost) is False
    answers.original = {query: nothing}
    (neither,) = run(answers, check).of(Check)
    assert neither.found is None
    assert "in the original, too" in neither.why
    (alone,) = run(answers, check, original=None).of(Check)
    assert passes(alone) is False


def test_checksums_say_which_part_of_a_key_range_differs(answers: Answers) -> None:
    answers.original = {"md5": [[0, 10, 111], [1, 10, 222]]}
    answers.copy = {"md5": [[0, 10, 111], [1, 9, 333]]}
    host = run(answers, StepCheck(table="orders", checksum="id", keys="1..20"))
    (found,) = host.of(Comparison)
    assert found.compared == 2
    assert found.differs == (("part 1", "10 rows, 222", "9 rows, 333"),)
    assert host.of(Check)[0].found == 1


def test_a_heartbeat_must_be_signed_by_the_targets_key_and_be_what_the_original_holds(
    answers: Answers,
) -> None:
    def beat(token: str = "t", signature: str = "") -> list[list[Any]]:
        return [[micros(NOW), token, signature or sign(b"k", NOW, token)]]

    answers.copy = answers.original = {"drillkit_heartbeat": beat()}
    host = run(answers, StepCheck(canary="heartbeat"))
    assert host.of(Check)[0].found == "authentic"
    assert host.of(RecoveryPoint)[0] == RecoveryPoint(NOW, "canary", NOW)
    for there, here, what in (
        (beat(), beat(signature="0" * 64), "not signed with the target's key"),
        (beat("other"), beat(), "differs from the original's"),
        (beat(), [], "no heartbeat"),
    ):
        answers.original, answers.copy = {"drillkit_heartbeat": there}, {"drillkit_heartbeat": here}
        host = run(answers, StepCheck(canary="heartbeat"))
        assert host.of(Check)[0].found == what
        assert host.of(RecoveryPoint) == []


def test_a_heartbeat_that_nothing_can_be_compared_with_proves_nothing(answers: Answers) -> None:
    answers.copy = {"drillkit_heartbeat": [[micros(NOW), "t", "s"]]}
    host = Host(answers, (StepCheck(canary="heartbeat"),), Target(name="t"))
    with pytest.raises(StepUnknown, match="neither a key"):
        verify(host, copy(original=None))


def test_commands_get_where_the_copy_listens_and_their_output_can_be_expected(
    answers: Answers,
) -> None:
    echo = ("sh", "-c", "echo $DRILLKIT_HOST:$DRILLKIT_PORT/$DRILLKIT_DATABASE")
    host = run(
        answers,
        StepCheck(command=echo, expect="== 127.0.0.1:1/shop"),
        StepCheck(command=("sh", "-c", "exit 3"), within=timedelta(milliseconds=200)),
        StepCheck(command=("true",)),
    )
    assert [c.found for c in host.of(Check)] == ["127.0.0.1:1/shop", 3, 0]


def test_a_count_that_an_empty_copy_passes_is_no_read_of_what_was_restored(
    answers: Answers,
) -> None:
    check = StepCheck(table="orders", rows=True, expect="< 100")
    purposes = []
    for count in (0, 7):
        answers.copy = {"count(*)": count}
        (found,) = run(answers, check).of(Check)
        purposes.append((passes(found), found.purpose))
    assert purposes == [(True, "step"), (True, "restored-data")]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("sleep 60 # it", "did not end in its time"),
        ("kill -9 $$", "was killed by signal 9"),
        ("nosuchprogram --now", "could not be run"),
    ],
)
def test_a_program_that_could_not_look_found_nothing(
    answers: Answers, script: str, said: str
) -> None:
    within = timedelta(milliseconds=500 if "sleep" in script else 30_000)
    (found,) = run(answers, StepCheck(command=("sh", "-c", script), within=within)).of(Check)
    assert found.found is None
    assert said in found.why


def test_checks_with_one_name_are_told_apart() -> None:
    from drillkit.checks.verify import named

    twice = StepCheck(table="orders", rows=True)
    assert [name for _, name in named([twice, twice, StepCheck(sql="x", name="mine")])] == [
        "rows of orders",
        "rows of orders (2)",
        "mine",
    ]


def test_problems_are_told_before_the_restore_begins() -> None:
    checks = [
        StepCheck(sql="x", expect="=> 1"),
        StepCheck(sql="x"),
        StepCheck(http="http://x", from_="cluster"),
    ]
    found = problems_of(checks, login="", has_cluster=False)
    assert len(found) == 3
    assert "expected such as" in found[0]
    assert "names no credentials" in found[1]
    assert "`from: cluster` needs `kubernetes:`" in found[2]


# Questions


def test_names_are_quoted_and_what_is_no_name_is_refused() -> None:
    words = dialect("aurora-postgresql")
    assert words.count("public.orders") == 'select count(*) from "public"."orders"'
    assert dialect("mysql").count("orders") == "select count(*) from `orders`"
    for bad in ("orders; drop table x", 'a"b', "a.b.c", ""):
        with pytest.raises(UsageError, match="expected the name of a table or column"):
            words.count(bad)


def test_every_kind_of_check_has_a_default_and_a_name() -> None:
    assert set(kinds.KINDS) == {"sql", "rows", "newest", "checksum", "canary", "http", "command"}


# How much is kept


def test_a_huge_value_is_cut_and_judged_as_if_it_were_whole(answers: Answers) -> None:
    answers.copy = {"select body": "x" * 3_000_000}
    (check,) = run(answers, StepCheck(sql="select body", expect="== done")).of(Check)
    assert check.found == "x" * 2_000 + "... [cut: the first 2,000 of 3,000,000 characters]"
    assert passes(check) is False


def test_a_huge_value_whose_end_decides_is_unread_and_not_missed(answers: Answers) -> None:
    answers.copy = {"select body": "x" * 3_000_000 + "done"}
    (check,) = run(answers, StepCheck(sql="select body", expect="matches done$")).of(Check)
    assert check.found is None
    assert "found 3,000,004 characters" in check.why


def test_a_huge_row_of_digits_is_no_number() -> None:
    assert as_number("9" * 5_000) == "9" * 5_000


def test_an_error_of_any_length_is_cut(answers: Answers) -> None:
    answers.copy = {"select body": Denied("no " * 1_000_000)}
    (check,) = run(answers, StepCheck(sql="select body", expect="== 5")).of(Check)
    assert len(check.why) < 2_100
