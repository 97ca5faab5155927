"""What a notifier is, and which there are.

A new one is one module in this folder, named as a drill calls it, that ends in
`NOTIFIER = MyNotifier()`, or a plug-in of entry-point group `drillkit.notifiers`.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import urlsplit

from drillkit.model.notice import EVENTS, Event, Notice
from drillkit.secrets import is_reference, resolve

A = TypeVar("A")
GROUP = "drillkit.notifiers"
PACKAGE = "drillkit.notify"
_ROOM = frozenset({"base", "messenger", "words"})
"""Modules of this folder that are no notifiers."""


class Notifier(Generic[A]):
    """A way to tell people. Its docstring is its reference; the fields of `Arguments` are the keys
    of `with`.
    """

    name: ClassVar[str]
    Arguments: ClassVar[type]
    secrets: ClassVar[frozenset[str]] = frozenset()
    """Fields that must be references (`env:`, `file:`): their values are secrets."""
    events: ClassVar[frozenset[Event]] = frozenset(EVENTS)
    """What it can tell."""
    default: ClassVar[frozenset[Event]] = frozenset(EVENTS)
    """What it tells where `events` says nothing."""

    def send(self, arguments: A, notice: Notice) -> None:
        """Send one message, once. It is given up after a few seconds, whatever it does.

        Raises DrillError or OSError when it did not arrive; their texts hold no secret.
        """
        raise NotImplementedError

    def place(self, arguments: A) -> str:
        """Where messages go, as reports may tell it: a host, people's addresses; no path, no token.
        '' where nothing can be told. Raises UsageError for a reference that leads nowhere.
        """
        return ""


@dataclass(frozen=True, slots=True)
class Receiver:
    """A notifier with its arguments, and what it is told of."""

    label: str
    """For people: `slack (drillkit.yaml)`."""
    notifier: Notifier[Any]
    arguments: Any
    events: frozenset[Event]
    who: str = ""
    """Who hears it, as its `who` says."""

    def told(self) -> str:
        """Who or what is told, without what is secret."""
        try:
            return self.who or self.notifier.place(self.arguments)
        except Exception:  # whatever it is, sending says why, and a plug-in's text may be a secret
            return ""


def host_of(url: str) -> str:
    """The host of a URL, which may be told where its path and its user may not; '' where it has
    none.
    """
    return urlsplit(url).hostname or ""


def secret(value: str, what: str) -> str:
    """The value behind a reference; of what is none, itself. Raises UsageError."""
    return resolve(value, what) if is_reference(value) else value


def notifier_names() -> list[str]:
    """All there are."""
    folder = importlib.import_module(PACKAGE).__path__
    own = [m.name.replace("_", "-") for m in pkgutil.iter_modules(folder)]
    return sorted({*(name for name in own if name not in _ROOM), *_entry_points()})


def notifier_named(name: str) -> Notifier[Any]:
    """The notifier of that name. Raises KeyError when there is none, ImportError, TypeError for a
    plug-in that is none.
    """
    if name in _entry_points():
        found = _entry_points()[name].load()
    elif name in _ROOM or not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise KeyError(name)
    else:
        module = f"{PACKAGE}.{name.replace('-', '_')}"
        try:
            found = importlib.import_module(module).NOTIFIER
        except ModuleNotFoundError as error:
            if error.name == module:
                raise KeyError(name) from None
            raise
    if not isinstance(found, Notifier):
        raise TypeError(f"expected a Notifier, found {type(found).__name__}")
    return found


@functools.cache
def _entry_points() -> Mapping[str, Any]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}
