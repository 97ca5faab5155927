"""A game day as people live it, in a real terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from drillkit.journal.file import read, salvage
from drillkit.judge.people import people_of
from drillkit.model.evidence import Mark
from drillkit.model.records import RunAborted, StepRepeated
from tests.cli.terminal import Terminal
from tests.conftest import CommandLine, Sandbox
from tests.drills.accounts import Account, planned
from tests.drills.conftest import playing
from tests.drills.shipped import DRILLS, arguments_of
from tests.drills.wire import Wire

WIDTH, HEIGHT = 80, 24
QUIET = """
drill: quiet
owner: sre@example.com
steps: [{name: one, uses: wait, with: {for: 10ms}}]
"""
ROOM = "room: {aws: {account: '123456789012', region: eu-central-1}}"


def led(drillkit: CommandLine) -> Terminal:
    """The shipped game day, led by maria."""
    command = [sys.executable, "-m", "drillkit", "gameday", "shop-gameday", "-t", "sandbox"]
    roles = ["--yes", "--as", "maria", "--role", "operator=jan", "--set", "duration=2s"]
    return Terminal(
        [*command, *roles],
        drillkit.folder,
        {**drillkit.environment(), "NO_COLOR": "1"},
        width=WIDTH,
        height=HEIGHT,
    )


@pytest.fixture
def console(drillkit: CommandLine, sandbox: Sandbox) -> Iterator[Terminal]:
    with closing(led(drillkit)) as terminal:
        yield terminal


@pytest.fixture
def permitted(drillkit: CommandLine) -> Iterator[Terminal]:
    """The same with what its plan needs and no more; in the end it has asked for just that."""
    (found,) = (each for each in DRILLS if each.name == "shop-gameday")
    with playing(drillkit, "--audit", *arguments_of(found)) as world:
        account = Account(world)
        needed, _, actions = planned(drillkit, found)
        account.grant(needed)
        account.enter()
        wire = Wire(drillkit, world)
        with closing(led(drillkit)) as terminal:
            yield terminal
        wire.must_be(needed, actions)


def must_be_gone(drillkit: CommandLine) -> None:
    """Wait until the shop is: what people say before that is about something else."""
    journal, end = drillkit.run_folder("shop-gameday") / "journal.jsonl", time.monotonic() + 60
    while True:
        found = [r for r in salvage(journal).history if r.step == "gone"]
        if any(isinstance(r.entry, Mark) and r.entry.moment == "disrupted" for r in found):
            return
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_game_day_is_led_from_its_first_hold_to_its_debrief(
    permitted: Terminal, drillkit: CommandLine
) -> None:
    console = permitted
    console.shows("pager        ", 60)
    console.shows("next comes warm-up", 60)
    console.press("skip\n")
    console.shows("say why")
    console.press("go\n")
    console.shows("next comes incident", 60)
    console.press("repeat\n")
    console.shows("is another try of warm-up")
    console.until(lambda lines: sum("next comes incident" in line for line in lines) == 2, 60)
    console.press("note the pager is silent\n")
    console.shows("maria: the pager is silent")
    said = drillkit("say", "--as", "jan", "note", "I look at the dashboards")
    assert said.code == 0, said.said
    console.shows("jan: I look at the dashboards")
    console.press("go\n")
    console.shows("BY HAND: runbook", 60)
    must_be_gone(drillkit)
    for moment in ("detected", "acknowledged", "mitigated"):
        console.press(f"mark {moment}\n")
        console.shows(f"gone: {moment}, maria said")
    console.press("done scaled it up\n")
    console.shows("next comes the end of the steps", 120)
    console.press("go\n")
    console.shows("DEBRIEF", 60)
    for answer in ("yes", "no three calls", "yes", "the runbook", "", "", ""):
        console.press(f"{answer}\n")
    console.press("an alert that fires sooner @sre 2027-01-31\n")
    console.shows("an alert that fires sooner")
    console.press("\n")
    assert console.end() == 0, "\n".join(console.cells.lines)
    folder = drillkit.run_folder("shop-gameday")
    history = read(folder / "journal.jsonl")
    view = people_of(history)
    assert view.participants == {"maria": "facilitator", "jan": "operator"}
    assert [each.came for each in view.expectations.values()] == [True, False, True]
    assert [e.decision for _, e, _ in view.decisions] == ["go", "repeat", "go", "go"]
    assert [r.entry.of for r in history if isinstance(r.entry, StepRepeated)] == ["warm-up"]
    verdict = drillkit.verdict("shop-gameday")
    gone = next(step for step in verdict["steps"] if step["name"] == "gone")
    assert {"detect_s", "acknowledge_s", "mitigate_s"} <= set(gone)
    assert "warm-up-2" in [step["name"] for step in verdict["steps"]]
    report = (folder / "report.md").read_text()
    for told in ("maria", "three calls", "an alert that fires sooner", "the pager is silent"):
        assert told in report


@pytest.mark.slow
def test_stop_is_confirmed_once_and_ends_the_game_day_at_a_hold(
    console: Terminal, drillkit: CommandLine
) -> None:
    console.shows("next comes warm-up", 60)
    console.press("stop\n")
    console.shows("Once more")
    console.press("stop\n")
    console.shows("STOPPING (operator)")
    console.shows("DEBRIEF")
    console.press("stop\n")
    assert console.end() == 3
    history = read(drillkit.run_folder("shop-gameday") / "journal.jsonl")
    assert [r.entry.by for r in history if isinstance(r.entry, RunAborted)] == ["operator"]


def test_who_is_there_is_asked_where_neither_drill_nor_command_line_says_so(
    drillkit: CommandLine,
) -> None:
    (drillkit.folder / "drillkit.yaml").write_text("")
    (drillkit.folder / "drills").mkdir()
    (drillkit.folder / "drills" / "quiet.yaml").write_text(QUIET)
    (drillkit.folder / "drills" / "targets.yaml").write_text(ROOM)
    command = [sys.executable, "-m", "drillkit", "gameday", "quiet", "-t", "room"]
    terminal = Terminal(
        [*command, "--as", "maria"],
        drillkit.folder,
        {**drillkit.environment(), "NO_COLOR": "1"},
        width=WIDTH,
        height=HEIGHT,
    )
    try:
        terminal.shows("facilitator  (says go, leads the debrief) [maria]:")
        terminal.press("\n")
        terminal.shows("operator")
        terminal.press(f"jan, {'x' * 101}\n")
        terminal.shows("expected a name of at most 100 characters")
        terminal.press("jan, lee\n")
        for role, names in (("scribe", "maria"), ("safety", ""), ("observer", "ann")):
            terminal.shows(f"  {role}")
            terminal.press(f"{names}\n")
        terminal.shows("Run quiet against `room`?")
        terminal.press("y\n")
        terminal.shows("next comes one")
        terminal.press("stop\nstop\n")
        terminal.shows("DEBRIEF")
        terminal.press("stop\n")
        assert terminal.end() == 3
    finally:
        terminal.close()
    view = people_of(read(drillkit.run_folder("quiet") / "journal.jsonl"))
    assert view.participants == {
        "maria": "facilitator, scribe",
        "jan": "operator",
        "lee": "operator",
        "ann": "observer",
    }
