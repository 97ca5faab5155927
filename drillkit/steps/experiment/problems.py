"""What keeps an experiment from being played here, as far as can be told before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from drillkit.clients.chaostoolkit.dangerous import danger
from drillkit.clients.chaostoolkit.protocol import activities_of, process_words, rollbacks_of
from drillkit.clients.chaostoolkit.validity import python_problem, tolerance_problem
from drillkit.clients.misdirection import elsewhere, flags_elsewhere
from drillkit.model.target import Target
from drillkit.steps.base import Act
from drillkit.steps.experiment.document import substituted


def missing_environment(document: Mapping[str, Any]) -> Iterator[str]:
    """Environment variables that the experiment wants and nobody has set."""
    for part in ("configuration", "secrets"):
        for path, reference in _environment_references(document.get(part) or {}, part):
            if reference.get("key") not in os.environ and "default" not in reference:
                yield (
                    f"{path}: expected the environment variable {reference.get('key')}, it is "
                    "not set"
                )


def leads_elsewhere(document: Mapping[str, Any], target: Target) -> Iterator[str]:
    """What would lead an activity to another cluster or account than the target's."""
    for part in ("configuration", "secrets"):
        yield from elsewhere(f"experiment's {part}", document.get(part), target)
    for _, activity in activities_of(document):
        provider = activity.get("provider") or {}
        where = f"activity `{activity.get('name')}`"
        yield from elsewhere(f"{where}: arguments", provider.get("arguments"), target)
        if provider.get("type") == "process":
            yield from flags_elsewhere(where, process_words(provider), target)


def dangerous(document: Mapping[str, Any], act: Act) -> Iterator[str]:
    """Calls that do more than they seem to. `--allow-unsafe` lets them pass, nowhere that is
    protected.
    """
    if act.allow_unsafe and not act.target.protected:
        return
    undone = frozenset(
        str((each.get("provider") or {}).get("func")) for each in rollbacks_of(document)
    )
    configuration = document.get("configuration") or {}
    for _, activity in activities_of(document):
        provider = dict(activity.get("provider") or {})
        if isinstance(given := provider.get("arguments"), Mapping):
            provider["arguments"] = substituted(given, configuration)
        if why := danger(provider, undone):
            way = "" if act.target.protected else " (or --allow-unsafe)"
            yield f"activity `{activity.get('name')}`: {why}{way}"


def _environment_references(value: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        if value.get("type") == "env":
            yield path, value
        elif value.get("type") != "probe":
            for key, inner in value.items():
                yield from _environment_references(inner, f"{path}.{key}")


def unplayable(activity: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """Why an activity cannot run here, as far as can be told without importing it. `folder`: that
    of the experiment.
    """
    provider, name = activity.get("provider") or {}, activity.get("name")
    if provider.get("type") == "python" and (problem := python_problem(provider, folder)):
        yield f"activity `{name}`: {problem}"
    if "tolerance" in activity:
        tolerance = activity["tolerance"]
        if problem := tolerance_problem(tolerance):
            yield f"activity `{name}`: tolerance: {problem}"
        elif isinstance(tolerance, Mapping) and isinstance(tolerance.get("provider"), Mapping):
            yield from unplayable({"name": name, "provider": tolerance["provider"]}, folder)
    if provider.get("type") == "process" and "${" not in (path := str(provider.get("path"))):
        program = os.path.expanduser(path)
        if shutil.which(program) is None:
            yield f"activity `{name}`: `{path}` is not on the PATH"
