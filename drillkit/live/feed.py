"""The events of a page, made once and read by everybody: each has the number of the record that it
came from, so a browser that reconnects is sent what it has missed and nothing else.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from drillkit.judge.histogram import percentile_s
from drillkit.judge.people import missed_words
from drillkit.lazy_dataclass import dataclass
from drillkit.live.sentences import Sentences, is_loud
from drillkit.live.view import RunView
from drillkit.model.evidence import Sample
from drillkit.model.records import HoldEnded, HoldOpened, Record, RunClosed

Sight: TypeAlias = Literal["everything", "observed"]
SIGHTS: tuple[Sight, ...] = ("everything", "observed")
KEPT = 20_000
"""Events that are kept for whoever comes late: five hours of a probe. What is older stands in the
report."""
LINE_CHARS = 1000


@dataclass(frozen=True, slots=True)
class Event:
    """As it goes out."""

    n: int
    data: bytes


class Feed:
    """All that has happened, in two sights. Used by one thread."""

    def __init__(self) -> None:
        self.view = RunView()
        self._sentences = Sentences()
        self._events: dict[Sight, list[Event]] = {sight: [] for sight in SIGHTS}
        self._dropped: dict[Sight, int] = dict.fromkeys(SIGHTS, 0)
        self._states: dict[Sight, Event] = {}
        self._extra: dict[str, Any] = {}
        self._changed = asyncio.Event()
        self._last = 0

    def take(self, records: Iterable[Record]) -> None:
        """More records; whoever waits is woken."""
        for record in records:
            self._last = record.n
            self._take_one(record)
        self._tell()

    def say(self, **extra: Any) -> None:
        """Something about the run that is in none of its records: what came of it, that its runner
        is gone.
        """
        self._extra |= extra
        self._tell()

    def _take_one(self, record: Record) -> None:
        self.view.take(record)
        if isinstance(record.entry, Sample):
            self._put(SIGHTS, record.n, "sample", _sample(record, record.entry))
            return
        if not (text := self._text(record)):
            return
        told: dict[str, Any] = {
            "n": record.n,
            "at": record.at,
            "text": text[:LINE_CHARS],
            "loud": is_loud(record.entry),
        }
        if not self.view.hides(record.step):
            self._put(SIGHTS, record.n, "line", told)
            return
        self._put(("everything",), record.n, "line", told)
        if isinstance(record.entry, HoldOpened | HoldEnded):
            veiled = "holding" if isinstance(record.entry, HoldOpened) else record.entry.decision
            self._put(("observed",), record.n, "line", told | {"text": veiled, "loud": False})

    def _text(self, record: Record) -> str:
        if isinstance(record.entry, RunClosed):
            return missed_words(self.view.people.missed)
        return self._sentences.of(record)

    def _put(self, sights: tuple[Sight, ...], n: int, kind: str, data: dict[str, Any]) -> None:
        event = Event(n, _event(n, kind, data))
        for sight in sights:
            self._events[sight].append(event)
            if len(self._events[sight]) > KEPT + KEPT // 10:
                drop = len(self._events[sight]) - KEPT
                del self._events[sight][:drop]
                self._dropped[sight] += drop

    def _tell(self) -> None:
        for sight in SIGHTS:
            state = self.view.snapshot(everything=sight == "everything") | self._extra
            event = Event(self._last, _event(self._last, "state", state))
            before = self._states.get(sight)
            if before is None or _without_number(before) != _without_number(event):
                self._states[sight] = event
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def reader(self, sight: Sight, after: int) -> Reader:
        """Whoever has seen everything up to record `after`."""
        return Reader(self, sight, after)

    async def wait(self) -> None:
        """Until there is more."""
        await self._changed.wait()

    def state(self, sight: Sight) -> Event | None:
        """How it stands; None before the first record."""
        return self._states.get(sight)

    def events(self, sight: Sight, start: int) -> tuple[list[Event], int]:
        """(those from place `start` on that are still kept, the place behind the last)."""
        dropped, events = self._dropped[sight], self._events[sight]
        return events[max(0, start - dropped) :], dropped + len(events)


class Reader:
    """One browser's place in the feed."""

    def __init__(self, feed: Feed, sight: Sight, after: int) -> None:
        self._feed, self._sight, self._after = feed, sight, after
        self._place = 0
        self._state: Event | None = None

    def more(self) -> bytes:
        """What it has not seen yet, as it goes out; b'' when there is nothing."""
        events, self._place = self._feed.events(self._sight, self._place)
        found = [event.data for event in events if event.n > self._after]
        state = self._feed.state(self._sight)
        if state is not None and state is not self._state:
            self._state = state
            found.append(state.data)
        return b"".join(found)


def _without_number(event: Event) -> bytes:
    return event.data.partition(b"\n")[2]


def _event(n: int, kind: str, data: dict[str, Any]) -> bytes:
    """An event of text/event-stream; its data is one line, whatever it holds."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return f"id: {n}\nevent: {kind}\ndata: {text}\n\n".encode()


def _sample(record: Record, sample: Sample) -> dict[str, Any]:
    p95 = percentile_s(dict(sample.latency_us), 0.95)
    return {
        "at": record.at,
        "sli": sample.sli,
        "sent": sample.sent,
        "good": sample.good,
        "p95_ms": None if p95 is None else round(p95 * 1000, 1),
        "control": sample.control,
    }
