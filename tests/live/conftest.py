"""A run with people in it and the page that shows it, without a target."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drillkit.clock import SystemClock
from drillkit.journal.file import Journal
from drillkit.journal.request_socket import RequestSocket
from drillkit.live.launch import PageProcess
from drillkit.model.drill import Drill, Gameday, Step
from drillkit.model.prospect import Prospect
from drillkit.model.records import ListedStep, RunClosed, RunOpened
from drillkit.model.requests import Request
from drillkit.runner.abort import Stopper
from drillkit.runner.session import Session

SURPRISE = Step(name="black-friday", uses="chaostoolkit", secret=True)
DRILL = Drill(
    drill="day",
    owner="sre",
    gameday=Gameday(),
    steps=(Step(name="kill", uses="chaostoolkit"), SURPRISE),
)
LIMIT_S = 20.0


@dataclass(frozen=True)
class Answer:
    """What the page's server said."""

    status: int
    headers: dict[str, str]
    body: bytes


class Visitor:
    """Whoever asks a page's server."""

    host: str
    cookies: dict[str, str]

    def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """One request, as it stands."""
        with closing(http.client.HTTPConnection(self.host, timeout=LIMIT_S)) as link:
            data = json.dumps(body).encode() if isinstance(body, dict) else body
            link.request(method, path, data, headers or {})
            found = link.getresponse()
            kept = {name.lower(): value for name, value in found.getheaders()}
            return Answer(found.status, kept, found.read())

    def own(self, **more: str) -> dict[str, str]:
        """Headers of a request that the page itself sends."""
        return {
            "Origin": f"http://{self.host}",
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in more.items()},
        }

    def enter(self, token: str) -> str:
        answer = self.send("POST", "/enter", {"token": token}, self.own())
        return answer.headers.get("set-cookie", "").partition(";")[0]

    def ask(self, right: str, message: dict[str, Any]) -> Answer:
        return self.send("POST", "/ask", message, self.own(Cookie=self.cookies[right]))

    def events(
        self,
        right: str,
        enough: Callable[[list[dict[str, Any]]], bool],
        after: int | None = None,
        path: str = "/events",
        headers: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """Events until there are enough: `{"n": ..., "event": ..., "data": ...}`."""
        headers = {"Cookie": self.cookies[right], **(headers or {})}
        if after is not None:
            headers["Last-Event-ID"] = str(after)
        found: list[dict[str, Any]] = []
        with closing(http.client.HTTPConnection(self.host, timeout=LIMIT_S)) as link:
            link.request("GET", path, headers=headers)
            answer = link.getresponse()
            assert answer.status == 200, answer.status
            event: dict[str, Any] = {}
            while not enough(found):
                name, _, value = answer.readline().decode().rstrip("\n").partition(": ")
                if name in ("id", "event", "data"):
                    event[name] = value
                elif not name and event:
                    found.append(
                        {"n": int(event.get("id", 0)), "event": event["event"]}
                        | {"data": json.loads(event["data"])}
                    )
                    event = {}
        return found


class Show(Visitor):
    """A run, its page, and whoever asks it."""

    def __init__(self, folder: Path, take: Callable[[Request], int] | None = None) -> None:
        """`take`: who answers what people ask; default: the session."""
        self.folder = folder
        self.journal = Journal(folder / "journal.jsonl")
        self.stopper = Stopper(self.journal, self.journal.fence)
        self.session = Session(
            self.journal, self.stopper, self.journal.fence, SystemClock(), DRILL, attended=True
        )
        self.door = RequestSocket(folder, take or self.session.take)
        listed = tuple(ListedStep(s.name, s.uses) for s in DRILL.steps if isinstance(s, Step))
        self.journal.append(RunOpened(run="r1", drill=DRILL, operator="maria", steps=listed))
        self.page = PageProcess("127.0.0.1:0")
        self.page.follow(folder)
        self.links = {right: self.page.link(right) for right in ("facilitator", "observer")}
        self.tokens = {right: link.partition("#")[2] for right, link in self.links.items()}
        self.host = self.links["observer"].split("/")[2]
        self.cookies = {right: self.enter(token) for right, token in self.tokens.items()}

    def close(self) -> None:
        self.stopper.abort("operator", "the test is over")
        self.journal.append(RunClosed())
        self.page.close()
        self.door.close()
        self.journal.close()

    def hold(self, step: Step) -> threading.Thread:
        """The run waits before a step."""
        look = Prospect(effects=(f"does {step.name}",))
        thread = threading.Thread(
            target=self.session.hold, args=(step, "", "", lambda _: look, look), daemon=True
        )
        thread.start()
        return thread

    def text(self) -> str:
        """The journal."""
        return (self.folder / "journal.jsonl").read_text()


def until(true: Callable[[], Any]) -> None:
    """Wait for something that is about to happen."""
    end = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


@pytest.fixture
def show(tmp_path: Path) -> Iterator[Show]:
    with closing(Show(tmp_path)) as found:
        yield found
