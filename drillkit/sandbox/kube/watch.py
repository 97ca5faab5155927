"""The bounded log of changes and the watches that read it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from drillkit.sandbox.kube.errors import ApiError, expired
from drillkit.sandbox.kube.objects import Event, Gvr, Object, clone

Key = tuple[str, str]


class Log:
    """The last changes, one per resource version, without gaps."""

    def __init__(self, limit: int = 20_000) -> None:
        self._limit = limit
        self._events: list[Event] = []
        self._first = 2
        """The resource version of the oldest event kept; version 1 is the empty store."""

    @property
    def last(self) -> int:
        """The current resource version."""
        return self._first + len(self._events) - 1

    def append(self, event: Event) -> None:
        """Adds the next change; forgets the oldest half when twice the limit is reached."""
        self._events.append(event)
        if len(self._events) >= 2 * self._limit:
            self.forget(self._limit)

    def forget(self, keep: int) -> None:
        """Keeps only the newest ``keep`` changes (compaction)."""
        drop = max(0, len(self._events) - keep)
        del self._events[:drop]
        self._first += drop

    def after(self, version: int) -> list[Event]:
        """The changes after a resource version. Raises 410 when some of them were forgotten."""
        if version < self._first - 1:
            raise expired(f"too old resource version: {version} ({self._first - 1})")
        return self._events[version - self._first + 1 :]

    def rewind(self, gvr: Gvr, current: dict[Key, Object], version: int) -> dict[Key, Object]:
        """What ``current`` was at an earlier resource version. Raises 410 when that has
        been forgotten.
        """
        state = dict(current)
        for event in reversed(self.after(version)):
            if event.gvr == gvr:
                meta = event.object["metadata"]
                key = (meta.get("namespace") or "", meta["name"])
                if event.previous is None:
                    state.pop(key, None)
                else:
                    state[key] = event.previous
        return state


class View(Protocol):
    """What a watch needs of the store."""

    @property
    def log(self) -> Log: ...

    def now(self) -> datetime: ...

    def table(self, gvr: Gvr) -> dict[Key, Object]: ...


class Watch:
    """A client's view of the changes since a resource version, without I/O: poll it whenever the
    store changed.

    Args:
        view: the store.
        gvr: what is watched.
        matches: namespace, name and selectors of the request.
        show: how an object is presented (version, Table).
        bookmark: makes the object of a bookmark at a resource version; None if the client
            wants none.
        since: the version to start after; None starts with everything there is.
        initial_end: whether a bookmark marks the end of the initial objects (WatchList).
        until: when the server ends the stream.
    """

    def __init__(
        self,
        view: View,
        gvr: Gvr,
        *,
        matches: Callable[[Object], bool],
        show: Callable[[Object], Object],
        bookmark: Callable[[int, bool], Object] | None,
        since: int | None,
        initial_end: bool,
        until: datetime | None,
    ) -> None:
        self._view = view
        self._gvr = gvr
        self._matches = matches
        self._show = show
        self._bookmark = bookmark
        self._since = since
        self._initial_end = initial_end
        self.until = until
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether the server ends the stream now: its time is over or its position was lost (410
        was sent).
        """
        return self._closed

    def poll(self) -> list[Object]:
        """The watch events (``{"type", "object"}``) that became visible since the last call."""
        if self._closed:
            return []
        lines = self._initial() if self._since is None else self._changes(self._since)
        if self.until is not None and self._view.now() >= self.until and not self._closed:
            self._closed = True
            if self._bookmark is not None:
                lines.append(
                    {"type": "BOOKMARK", "object": self._bookmark(self._view.log.last, False)}
                )
        return lines

    def bookmark(self) -> list[Object]:
        """A bookmark at the current version, if the client asked for bookmarks. Poll first."""
        if self._bookmark is None or self._since is None or self._closed:
            return []
        return [{"type": "BOOKMARK", "object": self._bookmark(self._since, False)}]

    def _initial(self) -> list[Object]:
        self._since = self._view.log.last
        found = [
            obj
            for _, obj in sorted(self._view.table(self._gvr).items(), key=_by_key)
            if self._matches(obj)
        ]
        lines = [{"type": "ADDED", "object": clone(self._show(obj))} for obj in found]
        if self._initial_end and self._bookmark is not None:
            lines.append({"type": "BOOKMARK", "object": self._bookmark(self._since, True)})
        return lines

    def _changes(self, since: int) -> list[Object]:
        try:
            events = self._view.log.after(since)
        except ApiError as error:
            self._closed = True
            return [{"type": "ERROR", "object": error.status()}]
        self._since = self._view.log.last
        return [line for event in events if event.gvr == self._gvr for line in self._line(event)]

    def _line(self, event: Event) -> list[Object]:
        """An object that begins to match is added, one that ceases to is deleted."""
        before = event.previous is not None and self._matches(event.previous)
        after = event.type != "DELETED" and self._matches(event.object)
        if not before and not after:
            return []
        kind = "MODIFIED"
        if before != after:
            kind = "ADDED" if after else "DELETED"
        return [{"type": kind, "object": clone(self._show(event.object))}]


def _by_key(item: tuple[Key, Object]) -> Key:
    return item[0]
