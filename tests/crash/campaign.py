"""Ends the process at a door, recovers, and compares the world with what it was."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from drillkit.journal.book import Book
from drillkit.journal.file import Journal
from drillkit.model.errors import DrillError
from drillkit.runner.sweep import Swept, expired, sweep
from tests.crash.scenarios import Scenario
from tests.crash.world import (
    CALM_AFTER_S,
    LATEST_LANDING_S,
    MISHAPS,
    Blow,
    Cluster,
    Dead,
    Fate,
    Stage,
    recover,
)


@dataclass(frozen=True)
class Rules:
    """How the world and the code under test behave. The defaults are the real ones; controls break
    one of them.
    """

    syncs: bool = True
    book: Callable[[Journal], Book] = lambda journal: journal
    recovers: bool = True
    journal_is_gone: bool = False
    """Nobody recovers: what is left is swept by its marks when its time is over."""


LAWFUL = Rules()
OUTLIVED_S = 7200.0
"""What a fault makes or changes says that it ends before that."""


@dataclass
class Trial:
    """One schedule and what came of it."""

    where: str
    differs: list[str]
    """What is not as it was; empty: the world equals the start."""
    recoveries: list[str] = field(default_factory=list)
    unsynced: bool = False
    """Whether there was anything that a power loss could take."""


@functools.cache
def _begun(scenario: Scenario) -> tuple[Cluster, dict[str, object]]:
    """The world before the scenario, and its inventory. To be forked, never used."""
    cluster = Cluster()
    scenario.prepare(cluster)
    cluster.advance(30)
    before = cluster.inventory()
    scenario.forgive(before)
    return cluster, before


@functools.cache
def rehearsed(scenario: Scenario) -> Fate:
    """What the scenario passes when nothing goes wrong: doors, and changing calls."""
    fate = Fate(random.Random(0))
    cluster = _begun(scenario)[0].fork()
    _act(scenario, Stage.open(cluster, fate))
    return fate


def exhaustive(
    scenario: Scenario, rules: Rules = LAWFUL, doors: Iterable[int] = ()
) -> Iterator[Trial]:
    """The process ends at every door in turn (or at `doors`); what was not synced is lost or
    kept altogether.
    """
    for end_at in doors or range(1, rehearsed(scenario).n + 1):
        for keep in (False, True):
            trial = _trial(scenario, rules, Fate(random.Random(end_at), end_at), keep=keep)
            yield trial
            if not trial.unsynced:
                break


def telling_doors(scenario: Scenario) -> list[int]:
    """Numbers of the doors without those of a wait that looks again and again while nothing is
    written or changed.
    """
    found: list[int] = []
    seen: set[str] = set()
    for number, name in enumerate(rehearsed(scenario).doors, 1):
        if not ("GET" in name or name == "sleep"):
            seen.clear()
        elif name in seen:
            continue
        else:
            seen.add(name)
        found.append(number)
    return found


def each_mishap(scenario: Scenario, rules: Rules = LAWFUL) -> Iterator[Trial]:
    """Every changing call goes wrong in every way, and the process lives on or ends with it."""
    for change in range(1, rehearsed(scenario).changes + 1):
        for mishap in MISHAPS:
            for deadly in (False, True):
                for late_s in (0.5, LATEST_LANDING_S - 1) if mishap == "delay" else (0.0,):
                    blow = Blow(change, mishap, deadly, late_s)
                    yield _trial(scenario, rules, Fate(random.Random(change), blow=blow), soon=True)


def lacking(scenario: Scenario) -> Iterator[Trial]:
    """RBAC lacks any one verb, or all on one resource, that the scenario or its clean-up asks for,
    until somebody grants it and recovers once more. What was never done must not wait for that.
    """
    cluster, before = _begun(scenario)
    rehearsal = Stage.open(cluster.fork(), Fate(random.Random(0)))
    _act(scenario, rehearsal)
    recover(rehearsal)
    everything = {f"* {wish.partition(' ')[2]}" for wish in rehearsal.fate.asked}
    for wish in sorted(rehearsal.fate.asked | everything):
        cluster = _begun(scenario)[0].fork()
        stage = Stage.open(cluster, Fate(random.Random(0), forbidden=wish))
        _act(scenario, stage)
        acted = cluster.inventory()
        scenario.forgive(acted)
        trial = Trial(f"without `{wish}`", [])
        cleaned = recover(stage)
        if acted == before and not list(_differences(before, acted)):
            trial.recoveries = [
                f"{each.undo.resource}: open: {each.why}" for each in cleaned.failed
            ]
        _recover(cluster, Fate(random.Random(0)), 0, stage.disk.content(), trial)
        cluster.advance(120)
        after = cluster.inventory()
        scenario.forgive(after)
        trial.differs = list(_differences(before, after))
        yield trial


def by_seed(scenario: Scenario, seed: int, rules: Rules = LAWFUL) -> Trial:
    """Calls go wrong by chance, the process ends anywhere or not at all, and so does up to twice
    the recovery.
    """
    rng = random.Random(seed)
    end_at = rng.randint(1, int(rehearsed(scenario).n * 1.3))
    fate = Fate(rng, rng.choice((0, end_at, end_at)), trouble=rng.choice((0.0, 0.1, 0.3)))
    deaths = [rng.randint(1, 40) for _ in range(rng.randint(0, 2))]
    return _trial(scenario, rules, fate, deaths=deaths)


def _trial(
    scenario: Scenario,
    rules: Rules,
    fate: Fate,
    *,
    keep: bool | None = None,
    deaths: list[int] | None = None,
    soon: bool = False,
) -> Trial:
    random.seed(0)  # pauses between attempts are drawn from here
    start, before = _begun(scenario)
    cluster = start.fork()
    stage = Stage.open(cluster, fate, syncs=rules.syncs, book=rules.book)
    _act(scenario, stage)
    content = _found(stage, keep)
    trial = Trial(fate.where, [], unsynced=stage.disk.unsynced)
    if rules.journal_is_gone:
        _sweep(cluster, trial)
    recovering = rules.recovers and not rules.journal_is_gone
    for end_at in [*(deaths or []), 0] if recovering else []:
        # Whoever recovers comes at some time, often at once: calls of the dead process may still be
        # on their way.
        cluster.advance(0.0 if soon else fate.rng.choice((0.0, 0.0, 3.0, 100.0)))
        content = _recover(cluster, fate, end_at, content, trial)
    cluster.advance(120)
    after = cluster.inventory()
    scenario.forgive(after)
    trial.differs = list(_differences(before, after))
    return trial


def _sweep(cluster: Cluster, trial: Trial) -> None:
    """What `drillkit sweep --yes` does, on another machine."""
    cluster.advance(OUTLIVED_S)
    stage = Stage.open(cluster, Fate(random.Random(0)))
    left, unread = expired(stage.clients, stage.clock)
    trial.recoveries += [f"{why}: open" for why in unread]

    def tell(swept: Swept) -> None:
        outcome = f"open: {swept.why}" if swept.undone is None else swept.undone.outcome
        trial.recoveries.append(f"{swept.leftover.resource}: {outcome}")

    sweep(left, stage.clients, stage.clock, 900.0, tell)


def _act(scenario: Scenario, stage: Stage) -> None:
    try:
        scenario.act(stage)
    except Dead:
        pass
    except (
        DrillError
    ) as error:  # a step that fails is an end like any other: what it planned is undone
        stage.fate.where = f"failed: {error}"


def _found(stage: Stage, keep: bool | None) -> bytes:
    """The journal as the next process finds it; a process that ended by itself lost nothing."""
    if not stage.fate.dead:
        return stage.disk.content()
    return stage.disk.after_power_loss({None: None, False: 0, True: 1 << 30}[keep])


def _recover(cluster: Cluster, fate: Fate, end_at: int, content: bytes, trial: Trial) -> bytes:
    again = Fate(fate.rng, end_at, trouble=fate.trouble)
    calm_at = cluster.at + timedelta(seconds=CALM_AFTER_S)
    try:
        stage = Stage.open(cluster, again, content, calm_at=calm_at)
    except Dead:  # while it was cutting a torn line: nothing is changed that the next one needs
        return content
    try:
        cleaned = recover(stage)
    except Dead:
        return stage.disk.after_power_loss()
    trial.recoveries += [f"{each.undo.resource}: {each.undone.outcome}" for each in cleaned.ended]
    trial.recoveries += [f"{each.undo.resource}: open: {each.why}" for each in cleaned.failed]
    return stage.disk.content()


def _differences(before: dict[str, object], after: dict[str, object]) -> Iterator[str]:
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            yield f"{key}: {before.get(key)} -> {after.get(key)}"
