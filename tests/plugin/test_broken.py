"""A package that is broken keeps only those from going on that need it, and is named to them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drillkit.checks.kinds import PLUGGED_IN as CHECKS
from drillkit.entry_points import BrokenPlugin, brought
from drillkit.journal.undo_registry import PLUGGED_IN as UNDOS
from drillkit.notify.base import PLUGGED_IN as NOTIFIERS
from drillkit.spec.reference import broken_plugins
from drillkit.steps.base import PLUGGED_IN as STEPS
from tests.conftest import CommandLine

Install = Callable[..., None]
ONE_OF_EACH = """
[drillkit.steps]
sad.step = sad_drills:KIND
[drillkit.checks]
sad.check = sad_drills:CHECK
[drillkit.notifiers]
sad = sad_drills:NOTIFIER
[drillkit.undos]
sad.undo = sad_drills:Undo
[drillkit.faults]
sad = sad_drills
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Packages as pip leaves them: a module, and metadata with entry points."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    before = set(sys.modules)

    def installed(name: str, points: str, text: str) -> None:
        (site / f"{name}_drills.py").write_text(text)
        metadata = site / f"{name}_drills-1.2.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Name: {name}-drills\nVersion: 1.2.0\n")
        (metadata / "entry_points.txt").write_text(points)
        brought.cache_clear()

    yield installed
    brought.cache_clear()
    for module in set(sys.modules) - before:
        if module.endswith("_drills"):
            del sys.modules[module]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import left_pad", "ModuleNotFoundError: No module named 'left_pad'"),
        ("def", "SyntaxError"),
        ("raise SystemExit('no licence')", "SystemExit: no licence"),
        ("x = 1 / 0", "ZeroDivisionError: division by zero"),
        ("", "AttributeError: module 'sad_drills' has no attribute"),
        ("KIND = CHECK = NOTIFIER = Undo = 7", "found "),
    ],
)
def test_what_does_not_load_is_told_with_its_package_and_why(
    install: Install, text: str, why: str
) -> None:
    install("sad", ONE_OF_EACH, text)
    for registry, name in ((STEPS, "sad.step"), (CHECKS, "sad.check"), (NOTIFIERS, "sad")):
        with pytest.raises(BrokenPlugin, match="of sad-drills") as refused:
            registry.load(name)
        assert why in str(refused.value)
        assert str(refused.value) in registry.broken()
    with pytest.raises(BrokenPlugin, match="sad_drills:Undo of sad-drills"):
        UNDOS.load("sad.undo")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("class K(Kind): pass", "does not say its `name` and `disturbs` and `Arguments`"),
        ("class K(Kind): name, disturbs, Arguments = 'a.b', 'none', int", "calls itself `a.b`"),
        ("class K(Kind): name, disturbs, Arguments = 'sad.step', 'none', int", "no dataclass"),
    ],
)
def test_a_kind_that_lacks_something_is_told_what(install: Install, text: str, why: str) -> None:
    install("sad", ONE_OF_EACH, f"from drillkit.plugin import Kind\n{text}\nKIND = K()")
    with pytest.raises(BrokenPlugin, match=why):
        STEPS.load("sad.step")


def test_a_name_that_two_packages_bring_is_neithers(install: Install) -> None:
    install("sad", "[drillkit.steps]\nsad.step = sad_drills:KIND\n", "")
    install("mad", "[drillkit.steps]\nsad.step = mad_drills:KIND\n", "")
    with pytest.raises(BrokenPlugin) as refused:
        STEPS.load("sad.step")
    for place in ("sad_drills:KIND of sad-drills 1.2.0", "mad_drills:KIND of mad-drills 1.2.0"):
        assert place in str(refused.value)


def test_a_name_of_ours_stays_ours(install: Install, drillkit: CommandLine) -> None:
    points = (
        "[drillkit.steps]\nwait = sad_drills:KIND\n[drillkit.notifiers]\nslack = sad_drills:S\n"
    )
    install("sad", points, "raise AssertionError('nobody asks for it')")
    assert "wait" not in STEPS.names()
    ran = drillkit("kinds")
    assert ran.code == 0
    assert ran.out.count("is never used: drillkit has one of that name") == 2


def test_metadata_that_cannot_be_read_hide_nobody_elses(install: Install) -> None:
    install("sad", "[drillkit.steps]\nthis is no entry point\n", "")
    install("mad", "[drillkit.steps]\nmad.step = mad_drills:KIND\n", "")
    assert "mad.step" in STEPS.names()
    told = [each for each in broken_plugins() if "what sad-drills brings cannot be read" in each]
    assert len(told) == 1


def test_commands_that_need_nothing_of_it_go_on(install: Install, drillkit: CommandLine) -> None:
    install("sad", ONE_OF_EACH, "import left_pad")
    sound = "drill: sound\nowner: a@b.c\nsteps: [{uses: wait, with: {for: 1s}}]\n"
    drills = drillkit.folder / "drills"
    drills.mkdir()
    (drills / "sound.yaml").write_text(sound)
    (drillkit.folder / "drillkit.yaml").write_text("{}")
    assert drillkit("validate", "sound").code == 0
    listed = drillkit("kinds")
    assert listed.code == 0
    assert listed.out.count("sad-drills 1.2.0") == 4
    assert "faults: module sad_drills cannot be imported" in listed.out
    assert drillkit("schema").code == 0

    (drills / "sad.yaml").write_text(sound.replace("sound", "sad").replace("wait", "sad.step"))
    refused = drillkit("validate", "sad")
    assert refused.code == 2
    assert "sad.yaml:3" in refused.said
    assert (
        "the step `sad.step` (sad_drills:KIND of sad-drills 1.2.0) cannot be used" in refused.said
    )
    assert "Traceback" not in refused.said
    assert drillkit("kinds", "sad.step").code == 2
