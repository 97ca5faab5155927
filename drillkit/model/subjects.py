"""What a judgement or a finding is about: a small closed set, matched exhaustively. Words for
people are made at the edge (`judge.wording`).

`str` of one is its path in verdict.json, such as `step/kill/objective/recovery`, made to be read
and compared, never taken apart. A `step` of '' is the run as a whole.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from drillkit.lazy_dataclass import dataclass

GatePlace: TypeAlias = Literal["before", "between", "after"]
GuardPlace: TypeAlias = Literal["start", "abort"]
BoundName: TypeAlias = Literal["bad", "longest_gap", "budget", "recovery", "p95", "p99"]
ObjectiveName: TypeAlias = Literal["rto", "rpo", "recovery", "detect", "acknowledge", "mitigate"]


def _at(step: str, *parts: str, whole: str = "") -> str:
    """A path; a slash in a name is written %2F, so that no two things share one."""
    first = [whole] if whole else []
    if step:
        first = ["step", step]
    before = [part.replace("/", "%2F") for part in (*first, *parts[:-1])]
    return "/".join([*before, *parts[-1:]])


@dataclass(frozen=True, slots=True)
class GateOf:
    """The steady state of one probe or SLO, before, between or after."""

    place: GatePlace
    sli: str
    step: str = ""

    def __str__(self) -> str:
        return _at(self.step, self.place, self.sli)


@dataclass(frozen=True, slots=True)
class GuardOf:
    """A guard: one that the drill declares, or what the runner looks at beside these."""

    place: GuardPlace
    guard: str

    def __str__(self) -> str:
        return _at("", "guard", self.place, self.guard)


@dataclass(frozen=True, slots=True)
class BoundOf:
    """What is tolerated of one probe or SLO while steps (or one step) run."""

    sli: str
    bound: BoundName
    step: str = ""

    def __str__(self) -> str:
        return _at(self.step, "during", self.sli, self.bound)


@dataclass(frozen=True, slots=True)
class ObjectiveOf:
    """An objective of a step."""

    step: str
    objective: ObjectiveName

    def __str__(self) -> str:
        return _at(self.step, "objective", self.objective)


@dataclass(frozen=True, slots=True)
class ActivityOf:
    """An activity of an experiment."""

    step: str
    place: Literal["before", "method", "during", "after", "rollback"]
    name: str

    def __str__(self) -> str:
        return _at(self.step, "activity", self.place, self.name, whole="run")


@dataclass(frozen=True, slots=True)
class CheckOf:
    """A check on what a step left."""

    step: str
    name: str

    def __str__(self) -> str:
        return _at(self.step, "check", self.name, whole="run")


@dataclass(frozen=True, slots=True)
class FaultInEffect:
    """Whether a fault was there while it should have been."""

    step: str
    name: str

    def __str__(self) -> str:
        return _at(self.step, "in-effect", self.name, whole="run")


@dataclass(frozen=True, slots=True)
class ComparisonOf:
    """What was compared between an original and its copy."""

    step: str
    of: Literal["settings", "objects", "checksums"]
    subject: str

    def __str__(self) -> str:
        return _at(self.step, "comparison", self.of, self.subject, whole="run")


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How a step ended."""

    step: str

    def __str__(self) -> str:
        return f"step/{self.step}"


@dataclass(frozen=True, slots=True)
class StepLack:
    """What a step should have had: its declared checks run, its restored data read, its fault felt
    by requests.
    """

    step: str
    what: Literal["checks", "restored-data", "felt"]

    def __str__(self) -> str:
        return _at(self.step, self.what)


@dataclass(frozen=True, slots=True)
class UndoOf:
    """What became of an effect."""

    resource: str
    by_hand: bool = False
    """A person says that it is undone."""

    def __str__(self) -> str:
        return f"cleanup/{self.resource}"


@dataclass(frozen=True, slots=True)
class WholeRun:
    """The run or the drill as a whole: its abort, its end, its record 1, its journal; what is
    declared, what its steps did; something that a person noted to be done.
    """

    part: Literal["abort", "end", "opening", "journal", "declared", "steps", "action-item"]

    def __str__(self) -> str:
        return _WHOLE_PATHS[self.part]


_WHOLE_PATHS = {
    "abort": "abort",
    "end": "run",
    "opening": "run/opened",
    "journal": "journal",
    "declared": "drill",
    "steps": "drill/steps",
    "action-item": "action-item",
}

OfStep: TypeAlias = (
    ObjectiveOf | ActivityOf | CheckOf | FaultInEffect | ComparisonOf | StepEnd | StepLack
)
Subject: TypeAlias = GateOf | GuardOf | BoundOf | OfStep | UndoOf | WholeRun


def step_of(subject: Subject) -> str:
    """Name of the step that something is about, or ''."""
    return subject.step if isinstance(subject, OfStep | GateOf | BoundOf) else ""
