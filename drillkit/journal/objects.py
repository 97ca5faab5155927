"""What the journal needs of a bucket: whole objects, put only where nothing else was meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from drillkit.clock import Clock, Deadline
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Conflict, Throttled, Unanswered, Unavailable, Unreachable

T = TypeVar("T")
PASSING = (Throttled, Unavailable, Unreachable, Unanswered, Conflict)
"""What a bucket may answer now and not a moment later."""
_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 2.0


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as it was read."""

    content: bytes
    etag: str
    age_s: float
    """Seconds since it was put, by the bucket's own clock."""


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object as a listing shows it."""

    key: str
    """As it is asked for: without the prefix that the store adds."""
    etag: str


class ObjectStore(Protocol):
    """A bucket, below one prefix. Every method is one attempt and raises CallError."""

    @property
    def place(self) -> str:
        """For people: `s3://BUCKET/PREFIX`."""

    def put(self, key: str, content: bytes, *, over: str | None = None) -> str:
        """Put an object where there is none, or over the version `over` and no other; its ETag.
        Raises Conflict when something else is there, or another writer is at it.
        """

    def replace(self, key: str, content: bytes) -> str:
        """Put an object over whatever is there; its ETag."""

    def mark(self, key: str) -> None:
        """Put an empty object that may be taken away again, whatever else is kept for how long."""

    def unmark(self, key: str) -> None:
        """Take it away."""

    def get(self, key: str) -> StoredObject | None:
        """None: there is none."""

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """All objects whose keys begin so, in the order of their keys."""


def persistent(call: Callable[[], T], clock: Clock, patience_s: float) -> T:
    """What a call gives, tried again while what it raises may pass. Raises CallError when it has
    not passed in `patience_s`.
    """
    deadline, pause_s = Deadline.after(patience_s, clock), _PAUSE_S
    while True:
        try:
            return call()
        except PASSING:
            if deadline.over:
                raise
            clock.sleep(min(pause_s, deadline.left()))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def put_new(store: ObjectStore, key: str, content: bytes) -> StoredObject | None:
    """One attempt to put an object where there is none: None when it is there as given, else what
    is there instead. Raises Conflict while two put it at the same time and neither has it yet,
    CallError.
    """
    try:
        store.put(key, content)
    except Conflict:
        there = store.get(key)
        if there is None:
            raise
        # The same: an attempt of ours that was not answered has arrived.
        return there if there.content != content else None
    return None


def append_line(
    store: ObjectStore, key: str, line: bytes, clock: Clock, patience_s: float = 20.0
) -> bytes:
    """Add a line to an object that others add lines to as well, so that none is lost; what it holds
    then. `line` is like no other, and ends with its line feed. Raises CallError.
    """

    def once() -> bytes:
        before = store.get(key)
        content = before.content if before is not None else b""
        if line in content.splitlines(keepends=True):
            return content  # an attempt that was not answered has arrived
        store.put(key, content + line, over=before.etag if before is not None else None)
        return content + line

    return persistent(once, clock, patience_s)
