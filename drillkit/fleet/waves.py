"""Which targets may begin now, out of nothing but what is known of each: a pure function.

The first wave is the canary. A wave begins when the one before has ended, and only if that one
proved something. Once a target is violated or dirty nothing begins any more, in its wave either;
what runs is left to end.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, TypeAlias

from drillkit.lazy_dataclass import dataclass

Result: TypeAlias = Literal["met", "violated", "unknown", "refused", "not run", "dirty"]
"""What came of a target. *Refused*: a run began, looked, and touched nothing; *not run*: no run
began.
"""
RESULTS: tuple[Result, ...] = ("met", "violated", "unknown", "refused", "not run", "dirty")
STOPPING: frozenset[Result] = frozenset({"violated", "dirty"})
WAVES = "1,10%,100%"


@dataclass(frozen=True, slots=True)
class Member:
    """One target of a fleet."""

    target: str
    wave: int
    """From 0."""
    shares: tuple[str, ...] = ()
    """What no two targets may use at the same time: an AWS account with a region, a lock."""


@dataclass(frozen=True, slots=True)
class FleetDecision:
    """What is to be done now."""

    start: tuple[str, ...] = ()
    """These targets begin."""
    halted: str = ""
    """Why nothing more begins, for people; '' while more may."""
    over: bool = False
    """Nothing runs and nothing more begins."""


def sizes(text: str, count: int) -> list[int]:
    """How many of `count` targets each wave has, of `1,10%,100%`: numbers, or shares of all
    targets, rounded up. The last one takes what is left. Raises ValueError.
    """
    found, left = [], count
    words = [word.strip() for word in text.split(",")]
    for word in words:
        number = word.removesuffix("%")
        if not number.isascii() or not number.isdigit() or int(number) < 1:
            raise ValueError(f"expected waves such as {WAVES}, found {text!r}")
        wanted = -(-count * int(number) // 100) if word.endswith("%") else int(number)
        found.append(min(wanted, left))
        left -= found[-1]
    found[-1] += left
    return [size for size in found if size]


def decide(
    members: Sequence[Member],
    results: Mapping[str, Result],
    running: Collection[str],
    at_once: int,
) -> FleetDecision:
    """What may begin now. `running` are targets that were begun and have no result; `at_once` is
    how many may run.
    """
    halted = _halted(members, results)
    waiting = [m for m in members if m.target not in results and m.target not in running]
    if halted or not waiting:
        return FleetDecision(halted=halted, over=not running)
    wave = min(m.wave for m in members if m.target not in results)
    used = {share for m in members if m.target in running for share in m.shares}
    start: list[str] = []
    for member in waiting:
        if member.wave != wave or len(running) + len(start) >= at_once:
            continue
        if used.isdisjoint(member.shares):
            used.update(member.shares)
            start.append(member.target)
    return FleetDecision(tuple(start))


def _halted(members: Sequence[Member], results: Mapping[str, Result]) -> str:
    for member in members:
        if (result := results.get(member.target)) in STOPPING:
            return f"wave {member.wave + 1}: {member.target} is {result}"
    last = max(m.wave for m in members)
    for wave in range(last):
        ended = [results.get(m.target) for m in members if m.wave == wave]
        if None in ended:
            return ""
        if "met" not in ended:
            found = ", ".join(sorted({str(each) for each in ended}))
            return f"wave {wave + 1} proved nothing ({found}): no target of it met its drill"
    return ""


def exit_code(results: Collection[Result]) -> int:
    """As a run's, over all targets: 5 one is dirty, 1 one is violated, 0 all are met, 4 nothing
    began anywhere, 3 everything else: some of it is not proven.
    """
    found = set(results)
    if "dirty" in found:
        return 5
    if "violated" in found:
        return 1
    if found == {"met"}:
        return 0
    return 4 if found <= {"refused", "not run"} else 3
