"""Keeps secrets out of what is written down.

Two needs: text that people read (output, errors, log lines) loses the values; a document that will
be run again (the rollbacks in the journal) holds, instead of a literal, where in the experiment's
file it stands.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any
from urllib.parse import quote, quote_plus

SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|api[-_]?key|access[-_]?key|authorization|credential|private[-_]?key|cookie",
    re.IGNORECASE,
)
"""Names whose values are taken for secrets."""
SHORTEST = 4
"""Characters: shorter values are no secrets worth the name, and hiding them would garble
every text.
"""
MARKER = "drillkit.from-file"
HIDDEN = "[secret]"
_USERINFO = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}")


class Redactor:
    """Hides known values, and what looks like a credential in a URL or a header, in text."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: set[str] = set()
        self._known: re.Pattern[str] | None = None
        self.learn(values)

    def learn(self, values: Iterable[str]) -> None:
        """Hide these from now on, in plain, URL-encoded and base64 form, and each line of one
        with many.
        """
        for value in values:
            for part in {value, *value.splitlines()}:
                if len(part.strip()) >= SHORTEST:
                    encoded = base64.b64encode(part.encode()).decode()
                    self._values |= {
                        part.strip(),
                        quote(part),
                        quote(part, safe=""),
                        quote_plus(part),
                        encoded,
                    }
        longest_first = sorted(self._values, key=lambda v: (-len(v), v))
        self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """The text without them."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        return _BEARER.sub(rf"\1 {HIDDEN}", _USERINFO.sub(HIDDEN, text))


def secret_values(
    experiment: Mapping[str, Any], environment: Mapping[str, str] = os.environ
) -> set[str]:
    """Values that an experiment's `secrets` give (literals and environment), and literals under
    names of secrets.
    """
    found = set(_given(experiment.get("secrets") or {}, environment))
    configuration = experiment.get("configuration") or {}
    for key, value in configuration.items():
        if SECRET_NAME.search(key) and isinstance(value, Mapping) and value.get("type") == "env":
            found.add(environment.get(str(value.get("key")), str(value.get("default") or "")))
    for _, value in _literals({k: v for k, v in experiment.items() if k != "secrets"}, ()):
        found.add(value)
    return {value for value in found if value}


def resolved_values(secrets: Any) -> set[str]:
    """Every string in Chaos Toolkit's resolved secrets, whatever store they came from."""
    if isinstance(secrets, Mapping):
        return set().union(*(resolved_values(v) for v in secrets.values())) if secrets else set()
    if isinstance(secrets, list | tuple):
        return set().union(*(resolved_values(v) for v in secrets)) if secrets else set()
    return (
        {str(secrets)}
        if isinstance(secrets, str | int) and not isinstance(secrets, bool)
        else set()
    )


def _given(secrets: Any, environment: Mapping[str, str]) -> Iterator[str]:
    if isinstance(secrets, Mapping):
        if secrets.get("type") == "env":
            yield environment.get(str(secrets.get("key")), "")
        elif secrets.get("type") != "vault":
            for value in secrets.values():
                yield from _given(value, environment)
    elif isinstance(secrets, str | int) and not isinstance(secrets, bool):
        yield str(secrets)


def withhold(experiment: Mapping[str, Any], given: Set[str]) -> dict[str, Any]:
    """A copy in which each literal secret is replaced by its place in the experiment's file.

    `given`: keys of `configuration` that did not come from the file.
    """
    places = {
        path for path, _ in _literals({k: v for k, v in experiment.items() if k != "secrets"}, ())
    }
    places |= {("secrets", *path) for path in _literal_secrets(experiment.get("secrets") or {}, ())}
    places = {p for p in places if not (p[0] == "configuration" and len(p) > 1 and p[1] in given)}
    copy: dict[str, Any] = _copy(experiment, (), places)
    return copy


def withheld(document: Any) -> bool:
    """Whether a document lacks a literal that only its file has."""
    if isinstance(document, Mapping):
        return MARKER in document or any(withheld(v) for v in document.values())
    return isinstance(document, list | tuple) and any(withheld(v) for v in document)


def fill(document: Any, original: Mapping[str, Any]) -> Any:
    """The inverse of `withhold`, given the file's content. Raises KeyError for a place that is
    not there.
    """
    if isinstance(document, Mapping):
        if MARKER in document:
            return _at(original, document[MARKER])
        return {k: fill(v, original) for k, v in document.items()}
    if isinstance(document, list | tuple):
        return [fill(v, original) for v in document]
    return document


def _at(original: Any, path: Iterable[Any]) -> Any:
    found = original
    for part in path:
        try:
            found = found[part]
        except (KeyError, IndexError, TypeError) as error:
            raise KeyError("/".join(map(str, path))) from error
    return found


def _copy(value: Any, path: tuple[Any, ...], places: Set[tuple[Any, ...]]) -> Any:
    if path in places:
        return {MARKER: list(path)}
    if isinstance(value, Mapping):
        return {k: _copy(v, (*path, k), places) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(v, (*path, i), places) for i, v in enumerate(value)]
    return value


def _literals(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Places and values of literal strings under names of secrets."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            named = isinstance(key, str) and SECRET_NAME.search(key) and key != "secrets"
            if (
                named
                and isinstance(inner, str)
                and len(inner) >= SHORTEST
                and not re.fullmatch(r"\$\{[^}]+\}", inner)
            ):
                yield (*path, key), inner
            else:
                yield from _literals(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _literals(inner, (*path, index))


def _literal_secrets(secrets: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if isinstance(secrets, Mapping):
        if secrets.get("type") not in ("env", "vault"):
            for key, value in secrets.items():
                yield from _literal_secrets(value, (*path, key))
    else:
        yield path
