"""What people type in a game day, as requests to the run."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Literal, TypeAlias, cast, get_args

from drillkit.model.drill import ROLES
from drillkit.model.errors import UsageError
from drillkit.model.requests import (
    AddAction,
    AddNote,
    AnswerExpectation,
    Debrief,
    Decide,
    Expect,
    Join,
    PeopleMoment,
    Ready,
    Reply,
    Request,
    SetMark,
    Stop,
)
from drillkit.model.units import parse_duration

HELP = """\
at a hold   go · skip WHY · repeat · abort
by hand     done [#N] [WHAT] · fail [#N] WHY
any time    note TEXT · decision TEXT · hypothesis TEXT
            mark detected|acknowledged|mitigated|resolved [5m ago]
            expect TEXT · yes N [WHY] · no N [WHY] · join NAME ROLE
            action TEXT [@OWNER] [2027-01-31] · stop [WHY]
debrief     debrief QUESTION? ANSWER · ready"""
_Make: TypeAlias = Callable[[str, str, int | None], Request]
MOMENTS = get_args(PeopleMoment)
_OWNER = re.compile(r"\s@(\S+)")
_NUMBER = re.compile(r"#(\d{1,15})(?:\s+|$)")
_DUE = re.compile(r"\s(\d{4}-\d{2}-\d{2})\b")


def request_of(line: str, by: str, hold: int | None = None) -> Request:
    """The request that a line means. `hold`: the one that is shown. Raises UsageError."""
    word, _, rest = line.strip().partition(" ")
    make = _PHRASES.get(word.lower())
    if make is None:
        known = ", ".join(_PHRASES)
        raise UsageError(f"no such word `{word[:30]}`; known: {known}")
    return make(rest.strip(), by, hold)


def _decide(decision: str) -> _Make:
    def make(rest: str, by: str, hold: int | None) -> Request:
        return Decide(by=by, decision=decision, why=rest, hold=hold)  # type: ignore[arg-type]

    return make


def _reply(done: bool) -> _Make:
    def make(rest: str, by: str, hold: int | None) -> Request:
        number = _NUMBER.match(rest)
        why = rest[number.end() :] if number else rest
        return Reply(by=by, done=done, why=why, question=int(number[1]) if number else None)

    return make


def _note(about: Literal["observation", "decision", "hypothesis"]) -> _Make:
    return lambda rest, by, hold: AddNote(by=by, text=rest, about=about)


def _mark(rest: str, by: str, hold: int | None) -> Request:
    moment, _, ago = rest.partition(" ")
    if moment not in MOMENTS:
        raise UsageError(f"expected one of {', '.join(MOMENTS)}, found `{moment}`")
    ago = ago.strip().removesuffix("ago").strip()
    try:
        ago_s = parse_duration(ago).total_seconds() if ago else 0.0
    except ValueError as error:
        raise UsageError(str(error)) from error
    return SetMark(by=by, moment=cast(PeopleMoment, moment), ago_s=ago_s)


def _answer(came: bool) -> _Make:
    def make(rest: str, by: str, hold: int | None) -> Request:
        number, _, why = rest.partition(" ")
        if not number.isdecimal():
            raise UsageError("expected the number of an expectation, such as `yes 3`")
        return AnswerExpectation(by=by, of=int(number), came=came, why=why.strip())

    return make


def action_of(text: str, by: str) -> AddAction:
    """`raise the limit @sre 2027-01-31`: text, owner, due date. Raises UsageError."""
    owner, due = _OWNER.search(f" {text}"), _DUE.search(f" {text}")
    try:
        by_when = date.fromisoformat(due[1]) if due else None
    except ValueError as error:
        raise UsageError(f"`{due[1] if due else ''}` is no date") from error
    bare = _DUE.sub("", _OWNER.sub("", f" {text}")).strip()
    return AddAction(by=by, text=bare, owner=owner[1] if owner else "", due=by_when)


def _debrief(rest: str, by: str, hold: int | None) -> Request:
    question, mark, answer = rest.partition("?")
    if not mark or not answer.strip():
        raise UsageError("expected a question and its answer: `debrief What went well? The alert`")
    return Debrief(by=by, question=f"{question.strip()}?", answer=answer.strip())


def _join(rest: str, by: str, hold: int | None) -> Request:
    name, _, role = rest.rpartition(" ")
    if role not in ROLES:
        raise UsageError(f"expected `join NAME ROLE` with one of {', '.join(ROLES)}")
    return Join(by=name.strip() or by, role=role)


_PHRASES: dict[str, _Make] = {
    "go": _decide("go"),
    "skip": _decide("skip"),
    "repeat": _decide("repeat"),
    "abort": _decide("abort"),
    "stop": lambda rest, by, hold: Stop(by=by, why=rest),
    "note": _note("observation"),
    "decision": _note("decision"),
    "hypothesis": _note("hypothesis"),
    "mark": _mark,
    "done": _reply(True),
    "fail": _reply(False),
    "expect": lambda rest, by, hold: Expect(by=by, text=rest),
    "yes": _answer(True),
    "no": _answer(False),
    "action": lambda rest, by, hold: action_of(rest, by),
    "join": _join,
    "debrief": _debrief,
    "ready": lambda rest, by, hold: Ready(by=by),
}
