"""What an experiment says, with the step's values in its configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from drillkit.clients.chaostoolkit.protocol import OWN_UNDO, activities_of, process_words
from drillkit.model.evidence import Scalar
from drillkit.model.spelling import near
from drillkit.steps.base import Experiment

_REFERENCE = re.compile(r"\$\{([^}]+)\}")


def merged(experiment: Experiment, configuration: Mapping[str, Scalar]) -> dict[str, Any]:
    """The experiment's document with the step's values in its configuration."""
    document = dict(experiment.data)
    if configuration:
        document["configuration"] = {**(document.get("configuration") or {}), **configuration}
    return document


def given_keys(experiment: Experiment, configuration: Mapping[str, Scalar]) -> Iterator[str]:
    """Keys whose values are not those of the experiment's own file."""
    own = experiment.data.get("configuration") or {}
    return (key for key, value in configuration.items() if own.get(key) != value)


def unknown_keys(experiment: Experiment, configuration: Mapping[str, Scalar]) -> Iterator[str]:
    """What is wrong with keys that the experiment's own configuration does not have."""
    known = list(experiment.data.get("configuration") or {})
    for key in configuration:
        if key not in known:
            meant = near(key, known)
            hint = f"did you mean `{meant}`?" if meant else f"it has {', '.join(known) or 'none'}"
            yield f"experiment {experiment.name} has no configuration `{key}`; {hint}"


def substituted(value: Any, configuration: Mapping[str, Any]) -> Any:
    """Chaos Toolkit's own substitution, for plain values: a lone reference keeps its type."""
    if isinstance(value, Mapping):
        return {k: substituted(v, configuration) for k, v in value.items()}
    if isinstance(value, list):
        return [substituted(v, configuration) for v in value]
    if not isinstance(value, str):
        return value
    if (lone := _REFERENCE.fullmatch(value)) and lone[1] in configuration:
        return _plain(configuration[lone[1]])
    return _REFERENCE.sub(
        lambda found: (
            str(_plain(configuration[found[1]])) if found[1] in configuration else found[0]
        ),
        value,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping) and value.get("type") == "env":
        return os.environ.get(str(value.get("key")), value.get("default"))
    return value


def acts(document: Mapping[str, Any]) -> bool:
    """Whether any action of the method may do something: a program such as `sleep` does not."""
    return any(
        place == "method" and activity.get("type") == "action" and not _is_idle(activity, document)
        for place, activity in activities_of(document)
    )


_SAFE = ("GET", "HEAD", "OPTIONS")
"""Requests that ask for an answer and nothing else (RFC 9110 section 9.2.1)."""
_WAITS = (("time", "sleep"), ("asyncio", "sleep"), ("builtins", "print"))


def _is_idle(activity: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    provider = substituted(activity.get("provider") or {}, document.get("configuration") or {})
    match provider.get("type"):
        case "process":
            from drillkit.clients.programs import does_nothing

            return does_nothing(process_words(provider))
        case "http":
            return str(provider.get("method") or "GET").upper() in _SAFE
        case "python":
            module, func = str(provider.get("module") or ""), provider.get("func")
            # Extensions keep what only looks in modules of that name.
            looks = "probes" in module.split(".")
            return looks or module == OWN_UNDO or (module, func) in _WAITS
    return False
