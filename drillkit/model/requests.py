"""What people ask of a running drill, from whichever terminal or page. The runner writes down what
comes of it (`drillkit.model.records.PeopleEntry`, notes and marks).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar, Literal, TypeAlias

from drillkit.lazy_dataclass import dataclass
from drillkit.model.codec import from_data, to_data

PeopleMoment: TypeAlias = Literal["detected", "acknowledged", "mitigated", "resolved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide:
    """Decide an open hold."""

    ask: ClassVar[str] = "decide"

    by: str
    decision: Literal["go", "skip", "repeat", "abort"]
    why: str = ""
    """Needed to skip."""
    hold: int | None = None
    """Number of the hold that was read; refused when that is over. None: the open one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Stop the run now, whatever it does. Always answered."""

    ask: ClassVar[str] = "stop"

    by: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Say that what people were asked to do by hand is done, or that it cannot be done."""

    ask: ClassVar[str] = "reply"

    by: str
    done: bool
    why: str = ""
    question: int | None = None
    """Number of the question; None: the only open one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddNote:
    """Note something."""

    ask: ClassVar[str] = "note"

    by: str
    text: str
    about: Literal["hypothesis", "observation", "decision"] = "observation"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMark:
    """Something has been detected, acknowledged, mitigated or resolved."""

    ask: ClassVar[str] = "mark"

    by: str
    moment: PeopleMoment
    ago_s: float = 0.0
    """So many seconds before now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Take part."""

    ask: ClassVar[str] = "join"

    by: str
    role: str = "observer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """State what should happen."""

    ask: ClassVar[str] = "expect"

    by: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerExpectation:
    """Whether it happened."""

    ask: ClassVar[str] = "answer"

    by: str
    of: int
    """Number of the record that states it."""
    came: bool
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAction:
    """Something that somebody has to do afterwards."""

    ask: ClassVar[str] = "action"

    by: str
    text: str
    owner: str = ""
    due: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Debrief:
    """What somebody says afterwards."""

    ask: ClassVar[str] = "debrief"

    by: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The debrief is over: the session may end."""

    ask: ClassVar[str] = "ready"

    by: str


Request: TypeAlias = (
    Decide
    | Stop
    | Reply
    | AddNote
    | SetMark
    | Join
    | Expect
    | AnswerExpectation
    | AddAction
    | Debrief
    | Ready
)
REQUESTS: Mapping[str, type[Any]] = {
    cls.ask: cls
    for cls in (
        Decide,
        Stop,
        Reply,
        AddNote,
        SetMark,
        Join,
        Expect,
        AnswerExpectation,
        AddAction,
        Debrief,
        Ready,
    )
}


@dataclass(frozen=True, slots=True)
class Answer:
    """How people answered a question."""

    done: bool
    by: str
    why: str = ""


def encode_request(request: Request) -> dict[str, Any]:
    """A request as it goes over the wire: its fields and `ask`, which says what it is."""
    data: dict[str, Any] = to_data(request)
    return {"ask": request.ask, **{key: value for key, value in data.items() if value is not None}}


def decode_request(data: Any) -> Request:
    """The request of a message. Raises ValueError saying what is wrong with it."""
    if not isinstance(data, Mapping) or data.get("ask") not in REQUESTS:
        raise ValueError(f"expected `ask` to be one of {', '.join(REQUESTS)}")
    cls = REQUESTS[str(data["ask"])]
    try:
        found: Request = from_data(cls, {key: data[key] for key in data if key != "ask"})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"this is no `{data['ask']}`: {error}") from error
    return found
