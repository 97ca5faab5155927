"""A Chaos Toolkit experiment run by its name: wrapped in a drill of one step."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from drillkit.spec.document import Text, Where, core, of_data
from drillkit.spec.experiments import configuration, read_experiment
from drillkit.spec.files import FoundFile
from drillkit.spec.interpolation import NAME, ROOTS, escaped, plain_text
from drillkit.spec.overrides import Sets, as_text
from drillkit.spec.project import shown
from drillkit.spec.roots import Roots
from drillkit.spec.source import DrillSource


def wrap(found: FoundFile, roots: Roots, sets: Sets | None = None) -> DrillSource:
    """A one-step drill of an experiment, whose configuration `--set` can replace.

    Configuration that Chaos Toolkit itself looks up (`type: env`, a vault) stays its own, unless
    `sets` gives it. Raises SpecError when the experiment cannot be read.
    """
    experiment = read_experiment(found)
    defaults = _variables(experiment.data, sets or {})
    name = re.sub(r"[^a-z0-9]+", "-", found.name.lower()).strip("-")[:63].strip("-") or "experiment"
    title = experiment.data.get("title")
    drill = {
        "drill": name,
        "description": escaped(title) if isinstance(title, str) else "",
        "vars": defaults,
        "steps": [
            {
                "name": name,
                "uses": "chaostoolkit",
                "with": {
                    "experiment": escaped(
                        str(found.path) if found.origin == "path" else found.name
                    ),
                    "configuration": {key: f"${{vars.{key}}}" for key in defaults},
                },
            }
        ],
    }
    label = f"{shown(found.path)} (as a drill)"
    text = json.dumps(drill, indent=1)
    tree = of_data(drill, Where(label))
    return DrillSource(label, text, roots.first(found.root), found, found.path.parent, tree)


def _given(text: Text) -> Any:
    try:
        given = core(text.text, text.plain)
    except ValueError:  # no number that JSON can hold, so it is text
        given = text.text
    return escaped(plain_text(given)) if isinstance(given, str) else given


def _variables(data: Mapping[str, Any], sets: Sets) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in configuration(data).items():
        if not NAME.fullmatch(key) or key in ROOTS:
            continue
        if isinstance(value, str):
            found[key] = escaped(value)
        elif isinstance(value, bool | int | float):
            found[key] = value
        elif key in sets:
            found[key] = _given(as_text(key, sets[key]))
    return found
