"""YAML into a Drill, every mistake with file:line:column, path and a suggestion.

roots = find_roots()
source = open_drill("pod-delete", roots, sets)   # a drill, or an experiment wrapped in one
parsed = parse(source)                           # structure; raises SpecError with every mistake
chosen = choose_target("run pod-delete", roots, option=None, own=parsed.target_name(sets))
drill = parsed.resolve(sets, target, run)        # everything put in and checked
"""

from __future__ import annotations

from drillkit.spec.arguments import bind_arguments
from drillkit.spec.drills import Parsed, output_references, parse
from drillkit.spec.files import FoundFile, find, find_experiment, list_drills, list_experiments
from drillkit.spec.overrides import Sets, parse_sets
from drillkit.spec.roots import Root, Roots, find_roots
from drillkit.spec.source import DrillSource, source_of
from drillkit.spec.targets import ChosenTarget, all_targets, choose_target, read_targets

__all__ = [
    "ChosenTarget",
    "DrillSource",
    "FoundFile",
    "Parsed",
    "Root",
    "Roots",
    "Sets",
    "all_targets",
    "bind_arguments",
    "choose_target",
    "find",
    "find_experiment",
    "find_roots",
    "list_drills",
    "list_experiments",
    "open_drill",
    "output_references",
    "parse",
    "parse_sets",
    "read_targets",
    "source_of",
]


def open_drill(name: str, roots: Roots, sets: Sets | None = None) -> DrillSource:
    """The drill of that name or path, else the experiment wrapped in a one-step drill.

    `source.found` says which file won; callers print it. Raises UsageError, SpecError.
    """
    from drillkit.spec.experiment_drill import wrap

    found = find(name, roots)
    return source_of(found, roots) if found.sort == "drill" else wrap(found, roots, sets)
