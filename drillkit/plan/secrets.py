"""Secrets that a drill will ask for: whether they are there, before anything begins."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from drillkit.model.drill import Drill, Step
from drillkit.model.errors import UsageError
from drillkit.model.target import Target
from drillkit.secrets import is_reference, resolve
from drillkit.secrets.forms import SHORTEST


def missing_secrets(drill: Drill, target: Target) -> Iterator[str]:
    """Why a secret of the drill's cannot be had.

    Those in an account's Secrets Manager are asked for when they are needed: looking for one is a
    call of its own.
    """
    for what, reference in _readable(drill, target):
        try:
            resolve(reference, what)
        except UsageError as error:
            yield str(error)


def shown_secrets(drill: Drill, target: Target) -> Iterator[str]:
    """Which values behind the drill's references are so short that nothing hides them."""
    for what, reference in _readable(drill, target):
        with contextlib.suppress(UsageError):
            if len(resolve(reference, what).strip()) < SHORTEST:
                yield (
                    f"{what}: its value has fewer than {SHORTEST} characters, so it is not hidden "
                    "where it shows; a secret is longer"
                )


def _readable(drill: Drill, target: Target) -> Iterator[tuple[str, str]]:
    """What refers to which secret, of those that can be read here."""
    for what, reference in dict(_references(drill, target)).items():
        if is_reference(reference) and not reference.startswith("aws-secret:"):
            yield what, reference


def _references(drill: Drill, target: Target) -> Iterator[tuple[str, str]]:
    for name, probe in drill.probes.items():
        for header, value in probe.headers.items():
            yield f"probe `{name}`, header `{header}`", value
    if drill.announce.grafana and target.grafana is not None:
        given = {"bearer": target.grafana.bearer, "basic": target.grafana.basic}
        for key, reference in given.items():
            if reference is not None:
                yield f"grafana.{key}", reference
    for step in drill.every_step:
        env = step.with_.get("env")
        for name, value in env.items() if isinstance(env, Mapping) else ():
            if isinstance(value, str):
                yield f"step `{step.name}`: env.{name}", value
        for name in _databases(step):
            if name in target.databases:
                yield f"databases.{name}", target.databases[name]
        if target.canary_key and any(check.canary is not None for check in step.checks):
            yield "canary_key", target.canary_key


def _databases(step: Step) -> Iterator[str]:
    source = step.with_.get("source")
    if step.checks and isinstance(source, str):
        yield source
    yield from (check.instance for check in step.checks if check.instance is not None)
