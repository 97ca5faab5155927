"""What the judge makes of a history. Every number names the records it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import date, datetime
from enum import StrEnum
from typing import Literal, TypeAlias

from drillkit.lazy_dataclass import dataclass
from drillkit.model.subjects import Subject


class Holds(StrEnum):
    """`met < unknown < violated`: the worst of several decides."""

    MET = "met"
    UNKNOWN = "unknown"
    VIOLATED = "violated"

    @classmethod
    def worst(cls, several: Iterable[Holds]) -> Holds:
        """The worst of several; of none: unknown, since nothing proves nothing."""
        order = list(cls)
        found = list(several)
        return max(found, key=order.index) if found else cls.UNKNOWN

    @classmethod
    def at_most(cls, limit: float, least: float, most: float) -> Holds:
        """Whether what lies somewhere from `least` to `most` is at most `limit`."""
        if least > limit:
            return cls.VIOLATED
        return cls.MET if most <= limit else cls.UNKNOWN


ExitCode: TypeAlias = Literal[0, 1, 2, 3, 4, 5]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something somebody should act on, or that kept something from being proven."""

    holds: Holds
    about: Subject
    expected: str
    observed: str
    records: tuple[int, ...] = ()
    owner: str = ""
    due: date | None = None
    advice: str = ""
    """What to do next."""
    fault: str = ""
    """What had been done just before it, the nearest in time: where to look, no proof."""
    severity: Literal["high", "medium", "low"] = "medium"
    """`high`: a weakness that was shown; `medium`: something not proven; `low`: noted by
    somebody.
    """
    ticket: str = ""
    """Where it is followed up, if the drill or its target says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time in which probes failed, as a bracket: it lasted at least `least_s` and at
    most `most_s`.
    """

    sli: str
    first_bad: float
    last_bad: float
    least_s: float
    most_s: float
    bad: int
    ended: bool
    step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SliSummary:
    """One SLI over one phase."""

    sli: str
    phase: Literal["before", "during", "after", "all"]
    sent: int
    good: int
    bad: Mapping[str, int]
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    max_s: float | None
    outages: tuple[Outage, ...]
    """The longest ones, in order of time."""
    longest_gap_s: float
    dropped: int
    lateness_p99_s: float
    control: bool = False
    more_outages: int = 0
    """Shorter ones beside these."""

    @property
    def outage_count(self) -> int:
        """Of all."""
        return len(self.outages) + self.more_outages


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One thing that was judged: a gate, a bound, an objective, a check, an activity."""

    about: Subject
    holds: Holds
    expected: str
    observed: str
    note: str = ""
    """Beside the decision: the exact test, a rounding, a clock error."""
    doubt: str = ""
    """Why what was observed is not believed, or not enough."""
    records: tuple[int, ...] = ()
    spent: float | None = None
    """Of a bound on an error budget: the share of it that was spent, as far as it was measured."""


def never_begun(why: str) -> str:
    """How a step that never began is told, from why it did not."""
    if why.startswith(("not reached", BY_CHOICE)):
        return why
    return f"not reached: {why}" if why else "not reached"


BY_CHOICE = "skipped by "
"""How the reason begins where people chose to go on without a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepVerdict:
    name: str
    uses: str
    holds: Holds
    outcome: Literal["ok", "failed", "unknown", "skipped", "cut"]
    why: str
    started: float | None
    ended: float | None
    judged: tuple[Judged, ...] = ()
    group: str = ""
    hit: tuple[str, ...] = ()
    recovery_s: float | None = None
    detect_s: float | None = None
    acknowledge_s: float | None = None
    mitigate_s: float | None = None
    rto_s: float | None = None
    rpo_s: float | None = None
    split_s: Mapping[str, float] = field(default_factory=dict)
    """RTO's parts: decide, queue, restore, ready, warm, verify."""

    @property
    def end(self) -> str:
        """How it ended, in words: of one that never began, that it was not reached."""
        if self.outcome != "skipped" or self.why.startswith(BY_CHOICE):
            return self.outcome
        return "not reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoState:
    """One effect and what became of it."""

    record: int
    resource: str
    kind: str
    phase: Literal["relieve", "remove", "irreversible"]
    outcome: Literal[
        "undone",
        "already-undone",
        "never-happened",
        "not-ours",
        "kept",
        "by-hand",
        "open",
        "irreversible",
    ]
    detail: str = ""
    attempts: int = 0
    planned: float = 0.0
    ended: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The whole judgement of a run."""

    run: str
    drill: str
    target: str
    holds: Holds
    exit_code: ExitCode
    headline: str
    owner: str = ""
    """The drill's: who acts on what was found."""
    operator: str = ""
    """Who ran it."""
    began: datetime | None = None
    """Date of record 1, UTC."""
    ended: datetime | None = None
    """Last moment of the run itself, before any recovery."""
    refused: str = ""
    """Why nothing was touched, if so."""
    aborted: str = ""
    """Why it was cut short, if so."""
    crashed: bool = False
    gates: tuple[Judged, ...] = ()
    bounds: tuple[Judged, ...] = ()
    steps: tuple[StepVerdict, ...] = ()
    slis: tuple[SliSummary, ...] = ()
    undos: tuple[UndoState, ...] = ()
    findings: tuple[Finding, ...] = ()
    not_proven: tuple[str, ...] = ()
    """What a reader might think was shown and was not."""
