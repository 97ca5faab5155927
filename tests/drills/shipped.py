"""What ships: each drill and experiment, what it needs and how it is kept short."""

from __future__ import annotations

from drillkit.cli.resolve import kinds_of, needs_of
from drillkit.spec import Roots, open_drill, parse
from drillkit.spec.files import FoundFile, list_drills, list_experiments
from drillkit.spec.openslo import wants_prometheus
from drillkit.spec.roots import package_root

ROOT = package_root()
assert ROOT is not None
ROOTS = Roots((ROOT,))
DRILLS = list_drills(ROOTS)
EXPERIMENTS = list_experiments(ROOTS)
ALONE = [
    found for found in DRILLS if "manual" not in kinds_of(parse(open_drill(found.name, ROOTS)))
]
"""Drills that need no people: the others are played in `tests/gameday`."""


def probed(found: FoundFile) -> bool:
    """Whether it counts the requests of a probe, which has to be punctual."""
    return bool(parse(open_drill(found.name, ROOTS)).resolve().probes)


SHORTER = {"duration": ("3s", 5), "hold": ("1s", 1)}
"""Variables of shipped drills that say how long something lasts, and what is enough here: as a
duration, and as a bare number of seconds.
"""


def named(found: FoundFile) -> str:
    return found.name


def sets_of(found: FoundFile) -> list[str]:
    given = parse(open_drill(found.name, ROOTS)).resolve().vars
    short = [
        f"{key}={text if isinstance(given[key], str) else number}"
        for key, (text, number) in SHORTER.items()
        if key in given
    ]
    return [word for pair in short for word in ("--set", pair)]


def arguments_of(found: FoundFile) -> list[str]:
    """What the sandbox must have for a drill."""
    parsed = parse(open_drill(found.name, ROOTS))
    needs = set(needs_of(parsed) - {"kubernetes"})
    if wants_prometheus(parsed.resolve(), ROOTS):
        needs.add("prometheus")
    return [f"--{need}" for need in sorted(needs)]
