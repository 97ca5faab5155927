"""The client of the status board: each change beside its undo."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

from drillkit.plugin import (
    Absent,
    CallError,
    Clients,
    Copied,
    Counted,
    Leftover,
    Lookup,
    NotOurs,
    Planned,
    StepFailed,
    Unanswered,
    Unavailable,
    UndoAction,
    UndoContext,
    Undone,
    Unreachable,
    expiry,
)

SETTLE_S = 20.0
"""The board gives up a request that it has not answered after so long."""
FROZEN = "frozen"


@dataclass(frozen=True)
class _Entry(UndoAction):
    """Takes an entry off the board, if this run has put it there."""

    board: str
    """URL."""
    name: str
    run: str
    expires: str = ""
    """Until when it is meant to stand (ISO 8601)."""

    @property
    def resource(self) -> str:
        return f"board/{self.name}"

    @property
    def lives(self) -> Literal["here"]:
        return "here"

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        board = Board(clients, self.board)
        found = board.find(self.name)
        if found is None:
            if not context.gone_for_good(SETTLE_S):
                raise Unavailable(f"{self.resource} is not there, but may still come")
            return Undone("undone" if context.confirmed else "never-happened", "it is not there")
        if found["run"] != self.run:
            return Undone("not-ours", f"it is of run {found['run']}")
        board.remove(self)
        if board.find(self.name) is not None:
            raise Unavailable(f"{self.resource} is still there")
        return Undone("undone", f"{self.resource} is gone")

    @classmethod
    def lookups(cls, clients: Clients) -> Iterable[Lookup]:
        url = clients.target.urls.get("board")
        return [partial(cls._left, clients, url)] if url else []

    @classmethod
    def _left(cls, clients: Clients, url: str) -> Iterable[Leftover]:
        for name, entry in Board(clients, url).entries().items():
            until = expiry(entry.get("expires"))
            if until and entry.get("run") and (name == FROZEN) is (cls is Thaw):
                yield Leftover(cls(url, name, entry["run"]), entry["run"], until)


@dataclass(frozen=True)
class TakeDown(_Entry):
    """Of a notice."""

    kind: ClassVar[str] = "acme.take-down"
    phase: ClassVar[Literal["remove"]] = "remove"
    companions: ClassVar[frozenset[str]] = frozenset({"acme.take-down"})
    """All notices of a step stay together."""

    size: str = ""
    """What the board charges for by the hour, such as `board.large`; '' for what is free."""

    @property
    def counts(self) -> Counted:
        return Counted(copy=Copied(self.resource, self.size)) if self.size else Counted()

    def hand_over(self, clients: Clients, uid: str) -> str:
        board = Board(clients, self.board)
        found = board.find(self.name)
        if found is None:
            raise Absent(f"{self.resource} is not there (any more)")
        if found["run"] != self.run:
            raise NotOurs(f"{self.resource} is of run {found['run']}")
        board.give_away(self)
        return "it is nobody's now"


@dataclass(frozen=True)
class Thaw(_Entry):
    """Of the mark that freezes the board: users suffer from it."""

    kind: ClassVar[str] = "acme.thaw"
    phase: ClassVar[Literal["relieve"]] = "relieve"


class Board:
    """A status board, behind the fence of a run."""

    def __init__(self, clients: Clients, url: str) -> None:
        self._fence, self._url = clients.fence, url.rstrip("/")

    def find(self, name: str) -> dict[str, Any] | None:
        """An entry. Raises CallError."""
        status, body = self._asked("GET", name)
        found: dict[str, Any] | None = json.loads(body) if status == 200 else None
        return found

    def put(self, plan: Planned[_Entry], text: str) -> None:
        """Put an entry up. Raises StepFailed when somebody else has one of that name, CallError."""
        entry = plan.undo
        self._fence.check()
        body = {"run": entry.run, "text": text, "expires": entry.expires}
        status, _ = self._asked("PUT", entry.name, body)
        plan.confirm()  # answered: nothing can land late any more
        if status == 409:
            raise StepFailed(f"{entry.resource} is there already; wait until it is taken down")

    def entries(self) -> dict[str, dict[str, str]]:
        """All entries by name. Raises CallError."""
        _, body = self._asked("GET", "")
        found: dict[str, dict[str, str]] = json.loads(body)
        return found

    def give_away(self, entry: TakeDown) -> None:
        """Leave an entry up that is no run's any more. Raises CallError."""
        self._asked("PATCH", entry.name, {"run": "", "expires": ""})

    def remove(self, entry: _Entry) -> None:
        """Take an entry down. Raises CallError."""
        self._asked("DELETE", entry.name)

    def _asked(
        self, method: str, name: str, body: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        said = f"{method} {self._url}/entries/{name}"
        status, answer = send(method, f"{self._url}/entries/{name}", body)
        if status == 429 or status >= 500:
            raise Unavailable(f"{said}: the board answered {status}")
        if status not in (200, 201, 204, 404, 409):
            raise CallError(f"{said}: expected an answer of the board, found {status}")
        return status, answer


def send(method: str, url: str, body: dict[str, str] | None = None) -> tuple[int, bytes]:
    """One request. Raises Unreachable before it was sent, Unanswered after."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""
    except urllib.error.URLError as error:
        raise Unreachable(f"{method} {url}: {error.reason}") from error
    except OSError as error:
        raise Unanswered(f"{method} {url}: {error}") from error
