"""What a step was judged by, as rows of a table: each judged thing once, with what its
evidence adds.
"""

from __future__ import annotations

from drillkit.judge.wording import title
from drillkit.lazy_dataclass import dataclass
from drillkit.model.evidence import Activity
from drillkit.model.subjects import (
    ActivityOf,
    BoundOf,
    CheckOf,
    ComparisonOf,
    FaultInEffect,
    ObjectiveOf,
    StepEnd,
    StepLack,
    Subject,
)
from drillkit.model.units import format_duration
from drillkit.model.verdict import Holds, Judged, StepVerdict
from drillkit.report.report_model import Story

_WORST_FIRST = (Holds.VIOLATED, Holds.UNKNOWN, Holds.MET)
_ORDER: tuple[type[Subject], ...] = (
    StepEnd,
    ObjectiveOf,
    BoundOf,
    CheckOf,
    StepLack,
    ComparisonOf,
    FaultInEffect,
    ActivityOf,
)


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """One judged thing."""

    what: str
    holds: Holds
    expected: str
    observed: str
    beside: str
    records: tuple[int, ...]
    targets: tuple[str, ...] = ()
    """What an activity touched."""


@dataclass(frozen=True, slots=True)
class StepPage:
    """A step and its rows, the worst first."""

    step: StepVerdict
    rows: tuple[JudgedRow, ...]

    @property
    def took(self) -> str:
        """How long it ran, or '-'."""
        if self.step.started is None or self.step.ended is None:
            return "-"
        return format_duration(round(self.step.ended - self.step.started, 2))

    @property
    def rto(self) -> str:
        """RTO and its parts, or ''."""
        if not self.step.split_s:
            return ""
        parts = ", ".join(
            f"{part} {format_duration(round(s, 2))}" for part, s in self.step.split_s.items()
        )
        whole = (
            "not reached" if self.step.rto_s is None else format_duration(round(self.step.rto_s, 2))
        )
        return f"RTO {whole}: {parts}"


def step_pages(story: Story, steps: tuple[StepVerdict, ...]) -> tuple[StepPage, ...]:
    """Every step of a verdict."""
    activities = {
        seen.n: seen.what for _, seen in story.evidence if isinstance(seen.what, Activity)
    }
    return tuple(
        StepPage(
            step, tuple(row_of(j, step.name, activities) for j in sorted(step.judged, key=_place))
        )
        for step in steps
    )


def is_bound_of_step(about: Subject) -> bool:
    """Whether it stands among the rows of its step."""
    return isinstance(about, BoundOf) and bool(about.step)


def row_of(
    judged: Judged, step: str = "", activities: dict[int, Activity] | None = None
) -> JudgedRow:
    """One judged thing as a row. `step`: the step around it, which need not be named again."""
    activity = (activities or {}).get(judged.records[0]) if len(judged.records) == 1 else None
    beside, observed = [judged.note, judged.doubt], judged.observed
    targets: tuple[str, ...] = ()
    if activity is not None:
        observed = f"{observed}, took {format_duration(round(activity.took_s, 2))}"
        targets = activity.targets
        if observed.startswith("hit ") and activity.kind == "action":
            observed = f"succeeded, {observed}"
    what = "how it ended" if judged.about == StepEnd(step) else title(judged.about, step=step)
    text = "; ".join(part for part in beside if part)
    return JudgedRow(what, judged.holds, judged.expected, observed, text, judged.records, targets)


def _place(judged: Judged) -> tuple[int, int, tuple[int, ...]]:
    order = next((i for i, kind in enumerate(_ORDER) if isinstance(judged.about, kind)), -1)
    return _WORST_FIRST.index(judged.holds), order, judged.records[-1:]
