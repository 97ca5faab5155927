"""Secrets that stand in a drill itself: a drill is committed, printed and kept with every run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from drillkit.model.drill import Drill, Probe, Step
from drillkit.secrets import KNOWN
from drillkit.secrets.redactor import is_literal
from drillkit.spec.arguments import steps_in
from drillkit.spec.binder import Unresolved
from drillkit.spec.document import Trail

_MEND = "secrets do not stand here: write a reference, {how}"


def literal_secrets(drill: Drill, *, made: bool) -> Iterator[tuple[Trail, str]]:
    """Where a secret stands, with the mend. It is never repeated.

    `made`: the drill was made of an experiment, whose own configuration is not ours to refuse.
    """
    for name, probe in drill.probes.items():
        if isinstance(probe, Probe):
            yield from _headers(("probes", name), probe)
    for path, step in steps_in(drill):
        if isinstance(step, Step):
            yield from _arguments((*path, "with"), step.uses, step.with_, made)
    for name, value in () if made else drill.vars.items():
        if isinstance(value, str) and not isinstance(value, Unresolved) and is_literal(name, value):
            yield ("vars", name), _MEND.format(how="`env:NAME` or `file:PATH`, where it is used")


def _headers(path: Trail, probe: Probe) -> Iterator[tuple[Trail, str]]:
    mend = _MEND.format(how="`env:NAME` or `file:PATH`, to the header's whole value")
    for name, value in probe.headers.items():
        if isinstance(value, Unresolved):
            continue
        if is_literal(name, value) or KNOWN.text(value) != value:
            yield (*path, "headers", name), mend
    if isinstance(probe.http, str) and not isinstance(probe.http, Unresolved):
        before = probe.http.partition("://")[2].partition("/")[0].rpartition("@")[0]
        if before:
            yield (
                (*path, "http"),
                "a password must not stand in a URL; put it into `headers`, as "
                "`Authorization: env:NAME`",
            )


def _arguments(
    path: Trail, uses: str, given: Mapping[str, Any], made: bool
) -> Iterator[tuple[Trail, str]]:
    if uses == "chaostoolkit":
        if made:
            return
        mend = _MEND.format(
            how="`{type: env, key: NAME}`, in the experiment's own configuration or secrets"
        )
    elif uses == "command":
        mend = _MEND.format(how="`env:NAME` or `file:PATH`, under `env`, and use that variable")
    else:
        mend = _MEND.format(how="`env:NAME` or `file:PATH`")
    yield from ((where, mend) for where in _places(given, path))


def _places(value: Any, path: Trail) -> Iterator[Trail]:
    """The innermost places whose value the redactor would hide."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _place(key, inner, (*path, key))
    elif isinstance(value, list | tuple):
        hidden = KNOWN.data(value)
        for index, inner in enumerate(value):
            if isinstance(inner, str):
                if hidden[index] != inner:
                    yield (*path, index)
            else:
                yield from _places(inner, (*path, index))


def _place(key: str, value: Any, path: Trail) -> Iterator[Trail]:
    if not isinstance(value, str):
        yield from _places(value, path)
    elif [*KNOWN.data({key: value}).values()] != [value]:
        yield path
