"""The secrets of an experiment: which values they are, and a document without its literals.

A document that will be run again (the rollbacks in the journal) holds, instead of a literal, where
in the experiment's file it stands.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from drillkit.secrets import is_secret_name
from drillkit.secrets.parts import parts_of
from drillkit.secrets.redactor import is_literal

MARKER = "drillkit.from-file"
_PLACES = re.compile(
    r"(?i)(?:context|host|region|profile|namespace|kubeconfig|url|endpoint|file|path|verify_ssl|in_pod)$"
)
"""Names in `secrets` whose values say where something is: extensions are configured there, too, and
to hide the name of a context would garble every report.
"""


def secret_values(
    experiment: Mapping[str, Any], environment: Mapping[str, str] = os.environ
) -> set[str]:
    """Values that an experiment's `secrets` give (literals and environment), and literals under
    names of secrets.
    """
    found = set(_given(experiment.get("secrets") or {}, environment))
    configuration = experiment.get("configuration") or {}
    for key, value in configuration.items():
        if is_secret_name(key) and isinstance(value, Mapping) and value.get("type") == "env":
            found.add(environment.get(str(value.get("key")), str(value.get("default") or "")))
    for _, value in _literals({k: v for k, v in experiment.items() if k != "secrets"}, ()):
        found.add(value)
    return {value for value in found if value}


def secret_variables(experiment: Mapping[str, Any]) -> set[str]:
    """Environment variables that an experiment's `secrets`, and its configuration under names of
    secrets, are read from.
    """
    configuration = experiment.get("configuration") or {}
    named = {key: value for key, value in configuration.items() if is_secret_name(str(key))}
    return set(_variables([experiment.get("secrets") or {}, named]))


def needed_variables(
    experiment: Mapping[str, Any], environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The part of the environment that an experiment refers to."""
    parts = [experiment.get("secrets") or {}, experiment.get("configuration") or {}]
    return {name: environment[name] for name in _variables(parts) if name in environment}


def _variables(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if value.get("type") == "env":
            yield str(value.get("key"))
        else:
            for inner in value.values():
                yield from _variables(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _variables(inner)


def resolved_values(secrets: Any, name: str = "") -> set[str]:
    """Every secret in Chaos Toolkit's resolved secrets, whatever store they came from."""
    if isinstance(secrets, Mapping):
        parts = [resolved_values(value, str(key)) for key, value in secrets.items()]
        return set().union(*parts)
    if isinstance(secrets, list | tuple):
        return set().union(*(resolved_values(value, name) for value in secrets))
    return set(_secrets_in(name, secrets))


def _given(secrets: Any, environment: Mapping[str, str], name: str = "") -> Iterator[str]:
    if isinstance(secrets, Mapping):
        if secrets.get("type") == "env":
            default = str(secrets.get("default") or "")
            yield from _secrets_in(name, environment.get(str(secrets.get("key")), default))
        elif secrets.get("type") != "vault":
            for key, value in secrets.items():
                yield from _given(value, environment, str(key))
    else:
        yield from _secrets_in(name, secrets)


def _secrets_in(name: str, value: Any) -> Iterator[str]:
    """The value, or what is secret in one that says where something is: a webhook's token."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return
    if not _PLACES.search(name):
        yield str(value)
    elif "://" in str(value):
        yield from parts_of(str(value))


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
            if (
                isinstance(key, str)
                and key != "secrets"
                and isinstance(inner, str)
                and is_literal(key, inner)
            ):
                yield (*path, key), inner
            else:
                yield from _literals(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _literals(inner, (*path, index))


def _literal_secrets(secrets: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if isinstance(secrets, Mapping):
        if secrets.get("type") == "env":
            if "default" in secrets:
                yield (*path, "default")
        elif secrets.get("type") != "vault":
            for key, value in secrets.items():
                yield from _literal_secrets(value, (*path, key))
    else:
        yield path
