"""Every drill and experiment that ships, whatever lies in the folders: checked, foreseen, run, and
nothing is left.
"""

from __future__ import annotations

import pytest

from drillkit.cli.resolve import kinds_of, needs_of
from drillkit.spec import Roots, open_drill, parse
from drillkit.spec.files import Found, list_drills, list_experiments, package_root
from drillkit.spec.openslo import wants_prometheus
from tests.conftest import CommandLine
from tests.drills.conftest import Playground, playing

ROOT = package_root()
assert ROOT is not None
ROOTS = Roots((ROOT,))
DRILLS = list_drills(ROOTS)
EXPERIMENTS = list_experiments(ROOTS)
ALONE = [
    found for found in DRILLS if "manual" not in kinds_of(parse(open_drill(found.name, ROOTS)))
]
"""Drills that need no people: the others are played in `tests/gameday`."""
SHORTER = {"duration": "5s", "hold": "2s"}
"""Variables of shipped drills that say how long something lasts, and what is enough here."""
ENDED = {"undone", "already-undone", "irreversible"}
"""Outcomes of what a drill that was met has planned."""


def named(found: Found) -> str:
    return found.name


def sets_of(found: Found) -> list[str]:
    given = parse(open_drill(found.name, ROOTS)).resolve().vars
    # A unit must stay one: a duration that is a bare number is not ours to shorten.
    short = [f"{key}={value}" for key, value in SHORTER.items() if isinstance(given.get(key), str)]
    return [word for pair in short for word in ("--set", pair)]


def arguments_of(found: Found) -> list[str]:
    """What the sandbox must have for a drill."""
    parsed = parse(open_drill(found.name, ROOTS))
    needs = set(needs_of(parsed) - {"kubernetes"})
    if wants_prometheus(parsed.resolve(), ROOTS):
        needs.add("prometheus")
    return [f"--{need}" for need in sorted(needs)]


def test_every_shipped_drill_and_experiment_is_found_and_valid(drillkit: CommandLine) -> None:
    ran = drillkit("validate")
    assert ran.code == 0, ran.said
    for found in (*DRILLS, *EXPERIMENTS):
        assert f"{found.path.parent.name}/{found.path.name}\n" in ran.out, found.name
    one = drillkit(
        "validate", *(found.name for found in DRILLS), *(str(found.path) for found in EXPERIMENTS)
    )
    assert one.code == 0, one.said


@pytest.mark.realtime
@pytest.mark.slow
@pytest.mark.parametrize("found", ALONE, ids=named)
def test_a_shipped_drill_is_foreseen_met_and_leaves_nothing(
    found: Found, drillkit: CommandLine
) -> None:
    with playing(drillkit, *arguments_of(found)) as world:
        must_be_met(found, drillkit, world)


def must_be_met(found: Found, drillkit: CommandLine, world: Playground) -> None:
    before = world.inventory()
    planned = drillkit("plan", found.name, "-t", "sandbox", *sets_of(found))
    assert planned.code == 0, planned.said
    assert world.inventory() == before, "a plan touches nothing"
    ran = drillkit("run", found.name, "-t", "sandbox", "--yes", *sets_of(found), limit_s=600)
    assert ran.code == 0, ran.err
    verdict = drillkit.verdict(found.name)
    assert verdict["holds"] == "met"
    assert verdict["undos"], "what it did is in the report"
    assert [undo["resource"] for undo in verdict["undos"] if undo["outcome"] not in ENDED] == []
    assert all(step["hit"] for step in verdict["steps"] if step["uses"] == "chaostoolkit")
    world.must_be(before)
    assert list((drillkit.home / "open").iterdir()) == []


@pytest.mark.slow
def test_every_shipped_experiment_can_be_foreseen_as_a_drill_of_its_own(
    drillkit: CommandLine,
) -> None:
    with playing(drillkit) as world:
        before = world.inventory()
        for found in EXPERIMENTS:
            planned = drillkit("plan", str(found.path), "-t", "sandbox")
            assert planned.code == 0, planned.said
            assert "nothing was touched" in planned.out
        assert world.inventory() == before
