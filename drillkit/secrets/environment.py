"""What the processes that we start find in their environment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from drillkit.environment import PUBLIC
from drillkit.secrets.parts import secrets_in
from drillkit.secrets.redactor import KNOWN

_SECRET_VARIABLES: set[str] = set()


def remember(name: str) -> None:
    """A reference led to this variable: what we start does not inherit it."""
    if name not in PUBLIC:
        _SECRET_VARIABLES.add(name)


def secret_variables() -> frozenset[str]:
    """Variables that references led to."""
    return frozenset(_SECRET_VARIABLES)


def forget() -> None:
    """Start anew, for tests."""
    _SECRET_VARIABLES.clear()


def child_environment(
    base: Mapping[str, str] | None = None, needed: Iterable[str] = ()
) -> dict[str, str]:
    """The environment for a process that we start: without the variables that hold secrets, but
    for those that it is said to need. `base`: default this process's.

    What else it inherits may be the operator's own secrets: they are known from then on, since it
    may print them.
    """
    kept = set(needed)
    KNOWN.learn(secrets_in((os.environ if base is None else base).items()))
    return {
        name: value
        for name, value in (os.environ if base is None else base).items()
        if name in kept or name not in _SECRET_VARIABLES
    }
