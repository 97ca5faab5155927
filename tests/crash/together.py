"""Several acts at once in one process, in an order that the seed decides: exactly one runs at
a time.

They take turns at their doors (never at the disk's: there a lock is held) and where they sleep.
Time passes only when all of them sleep, so schedules are as repeatable as those of a single act.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.crash.world import Dead, Stage

LIMIT_S = 30.0
"""Real seconds that an actor waits for its turn: more means that the baton was lost."""
_DISK = ("before writing", "after writing", "after sync")


@dataclass(eq=False)
class _Actor:
    work: Callable[[], None]
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    wakes: datetime | None = None
    done: bool = False
    raised: BaseException | None = None


class _Baton:
    def __init__(self, stage: Stage, works: Sequence[Callable[[], None]]) -> None:
        self.stage = stage
        self.actors = [_Actor(work) for work in works]
        self.mine = threading.local()
        self.ended = threading.Semaphore(0)

    def play(self, actor: _Actor) -> None:
        self.mine.actor = actor
        _take(actor.turn)
        try:
            actor.work()
        except BaseException as error:  # handed to whoever started all of them
            actor.raised = error
        actor.done = True
        if following := self._following():
            following.turn.release()
        else:
            self.ended.release()

    def give(self) -> None:
        """Let another one go on, or nobody."""
        me: _Actor = self.mine.actor
        following = self._following()
        if following is not None and following is not me:
            following.turn.release()
            _take(me.turn)

    def _following(self) -> _Actor | None:
        left = [actor for actor in self.actors if not actor.done]
        if not left:
            return None
        cluster, fate = self.stage.cluster, self.stage.fate
        awake = [actor for actor in left if actor.wakes is None or actor.wakes <= cluster.at]
        if not awake and not fate.dead:  # the dead do not wait for anything
            at = min(actor.wakes for actor in left if actor.wakes is not None)
            cluster.advance((at - cluster.at).total_seconds())
            awake = [
                actor for actor in left if actor.wakes is not None and actor.wakes <= cluster.at
            ]
        return fate.rng.choice(awake or left)

    def sleep(self, seconds: float, wake: Any = None) -> bool:
        """In place of the clock's."""
        fate = self.stage.fate
        fate.door("sleep")
        me: _Actor = self.mine.actor
        me.wakes = self.stage.cluster.at + timedelta(seconds=max(0.0, seconds))
        self.give()
        me.wakes = None
        if fate.dead:
            raise Dead
        return bool(wake is not None and wake.is_set())


def _take(turn: threading.Semaphore) -> None:
    if not turn.acquire(timeout=LIMIT_S):
        raise RuntimeError(f"no turn within {LIMIT_S:g} s")


def together(stage: Stage, *works: Callable[[], None]) -> None:
    """Run all of them to their ends. Raises Dead when the process ended, else what the first of
    them raised.
    """
    baton = _Baton(stage, works)
    door, sleep = stage.fate.door, stage.clock.sleep

    def shared(name: str) -> None:
        if not name.startswith(_DISK) and name != "sleep":
            baton.give()
        door(name)

    stage.fate.door = shared  # type: ignore[method-assign]
    stage.clock.sleep = baton.sleep  # type: ignore[method-assign]
    threads = [
        threading.Thread(target=baton.play, args=(actor,), daemon=True) for actor in baton.actors
    ]
    for thread in threads:
        thread.start()
    baton.actors[0].turn.release()
    _take(baton.ended)
    for thread in threads:
        thread.join(LIMIT_S)
    stage.fate.door, stage.clock.sleep = door, sleep  # type: ignore[method-assign]
    raised = [actor.raised for actor in baton.actors if actor.raised is not None]
    if raised:
        raise next((error for error in raised if isinstance(error, Dead)), raised[0])
