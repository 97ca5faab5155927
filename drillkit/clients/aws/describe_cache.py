"""One look for everybody who waits: fifty restores in flight ask AWS as often as one."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from drillkit.clock import Clock

Described: TypeAlias = Mapping[str, Any]
"""A resource as AWS describes it."""
WAIT_S = 90.0
"""Whoever waits for another's look gives up waiting after this and looks for himself."""


class SharedLook:
    """Descriptions of resources of one kind by name, fetched for all who watch with one call."""

    def __init__(
        self, fetch: Callable[[frozenset[str]], Mapping[str, Described]], clock: Clock
    ) -> None:
        """`fetch` describes resources by their names; those that do not exist are missing from what
        it gives.
        """
        self._fetch, self._clock = fetch, clock
        self._ready = threading.Condition()
        self._watched: Counter[str] = Counter()
        self._covered: frozenset[str] = frozenset()
        self._seen: Mapping[str, Described] = {}
        self._began = float("-inf")
        self._busy = False

    @contextlib.contextmanager
    def watching(self, name: str) -> Iterator[None]:
        """While this lasts, every look of anybody covers `name`, too."""
        with self._ready:
            self._watched[name] += 1
        try:
            yield
        finally:
            with self._ready:
                self._watched[name] -= 1

    def look(self, name: str, fresh_s: float = 0.0) -> Described | None:
        """The resource, or None where there is none, as it was at most `fresh_s` seconds before
        this call.

        Raises CallError.
        """
        since = self._clock.mono() - fresh_s
        with self._ready:
            while not (self._began >= since and name in self._covered):
                if not self._busy:
                    self._busy = True
                    names = frozenset(
                        {name, *(n for n, count in self._watched.items() if count > 0)}
                    )
                    break
                if not self._ready.wait(WAIT_S):
                    names = frozenset({name})
                    break
            else:
                return self._seen.get(name)
        return self._look(names).get(name)

    def _look(self, names: frozenset[str]) -> Mapping[str, Described]:
        began = self._clock.mono()
        try:
            seen = self._fetch(names)
            with self._ready:
                self._seen, self._covered, self._began = seen, names, began
        finally:
            with self._ready:
                self._busy = False
                self._ready.notify_all()
        return seen
