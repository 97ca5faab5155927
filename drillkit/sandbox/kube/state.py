"""The tables, their log and who is told of a change; knows nothing of what objects mean."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from drillkit.sandbox.kube.objects import Event, Gvr, Object, key_of, owners_of
from drillkit.sandbox.kube.watch import Key, Log

Place = tuple[Gvr, Key]


class State:
    """Every object, by table and key, with an index of owners. Objects are replaced,
    never changed.
    """

    def __init__(self) -> None:
        self.log = Log()
        self._tables: dict[Gvr, dict[Key, Object]] = {}
        self._places: dict[str, Place] = {}
        self._dependents: dict[str, dict[Place, None]] = {}
        self._listeners: dict[int, Callable[[Event], None]] = {}
        self._next_listener = 0
        self._untold: deque[Event] = deque()
        self._depth = 0

    def table(self, gvr: Gvr) -> dict[Key, Object]:
        """The objects of one resource; to be read only."""
        return self._tables.get(gvr) or {}

    def tables(self) -> list[Gvr]:
        """The resources that have objects."""
        return [gvr for gvr, table in self._tables.items() if table]

    def lookup(self, uid: str) -> Object | None:
        """The object of that UID."""
        place = self._places.get(uid)
        return None if place is None else self.table(place[0]).get(place[1])

    def dependents(self, uid: str) -> list[tuple[Gvr, Object]]:
        """The objects whose owner references name that UID, oldest reference first."""
        return [(gvr, self._tables[gvr][key]) for gvr, key in self._dependents.get(uid, ())]

    def put(self, gvr: Gvr, obj: Object) -> Object:
        """Stores ``obj`` (which becomes shared) as the next version of its object."""
        key = key_of(obj)
        table = self._tables.setdefault(gvr, {})
        previous = table.get(key)
        version = self.log.last + 1
        obj["metadata"]["resourceVersion"] = str(version)
        table[key] = obj
        self._places[obj["metadata"]["uid"]] = (gvr, key)
        self._reindex((gvr, key), previous, obj)
        self._tell(Event("MODIFIED" if previous else "ADDED", gvr, obj, version, previous))
        return obj

    def drop(self, gvr: Gvr, key: Key) -> Object:
        """Removes an object; answers its last state."""
        previous = self._tables[gvr].pop(key)
        version = self.log.last + 1
        last = {**previous, "metadata": {**previous["metadata"], "resourceVersion": str(version)}}
        self._places.pop(previous["metadata"]["uid"], None)
        self._reindex((gvr, key), previous, None)
        self._tell(Event("DELETED", gvr, last, version, previous))
        return last

    def _reindex(self, place: Place, previous: Object | None, obj: Object | None) -> None:
        before = {owner["uid"]: None for owner in owners_of(previous)} if previous else {}
        after = {owner["uid"]: None for owner in owners_of(obj)} if obj else {}
        for uid in before:
            if uid not in after:
                self._dependents[uid].pop(place, None)
                if not self._dependents[uid]:
                    del self._dependents[uid]
        for uid in after:
            self._dependents.setdefault(uid, {})[place] = None

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Calls back after each change, in order; the answer ends it."""
        token = self._next_listener
        self._next_listener += 1
        self._listeners[token] = callback

        def end() -> None:
            self._listeners.pop(token, None)

        return end

    def _tell(self, event: Event) -> None:
        self.log.append(event)
        if self._listeners:
            self._untold.append(event)

    @contextmanager
    def change(self) -> Iterator[None]:
        """One operation: listeners hear of its changes when the outermost one is complete.

        A listener may change the store again; others then hear of both in order. If one fails, the
        rest are told all the same, and the first error is raised at the end.
        """
        self._depth += 1
        try:
            yield
            if self._depth == 1:
                self._deliver()
        finally:
            self._depth -= 1
            if self._depth == 0 and self._untold:
                self._deliver()

    def _deliver(self) -> None:
        failure: Exception | None = None
        while self._untold:
            event = self._untold.popleft()
            for callback in list(self._listeners.values()):
                try:
                    callback(event)
                except Exception as error:  # a listener must not keep the others from hearing
                    failure = failure or error
        if failure is not None:
            raise failure
