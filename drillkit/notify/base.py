"""What a notifier is, and which there are.

A new one is one module in this folder, named as a drill calls it, that ends in
`NOTIFIER = MyNotifier()`, or a plug-in of entry-point group `drillkit.notifiers`.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import is_dataclass
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import urlsplit

from drillkit.entry_points import Registry
from drillkit.lazy_dataclass import dataclass
from drillkit.model.notice import EVENTS, Event, Notice
from drillkit.secrets import is_reference, resolve

A = TypeVar("A")
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
    """All there are, sorted; one of another package may turn out to be broken."""
    return sorted({*_own_names(), *PLUGGED_IN.names()})


def notifier_named(name: str) -> Notifier[Any]:
    """The notifier of that name. Raises KeyError where there is none, BrokenPlugin."""
    if name not in _own_names():
        return PLUGGED_IN.load(name)
    found: Notifier[Any] = importlib.import_module(f"{PACKAGE}.{name.replace('-', '_')}").NOTIFIER
    return found


def _own_names() -> frozenset[str]:
    folder = importlib.import_module(PACKAGE).__path__
    return frozenset(m.name.replace("_", "-") for m in pkgutil.iter_modules(folder)) - _ROOM


def _misfit(name: str, found: Any) -> str:
    if not isinstance(found, Notifier):
        return f"expected a Notifier, found {type(found).__name__}"
    if not is_dataclass(getattr(found, "Arguments", None)):
        return "it has no `Arguments` that are a dataclass"
    return ""


PLUGGED_IN: Registry[Notifier[Any]] = Registry(
    "drillkit.notifiers", "notifier", _misfit, _own_names
)
"""Notifiers of other packages."""
