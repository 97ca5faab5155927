"""The moments that a step marked, and times between them."""

from __future__ import annotations

from drillkit.judge.run_history import EvidenceAt, StepRun
from drillkit.lazy_dataclass import dataclass
from drillkit.model.evidence import Mark

_PARTS = (
    ("decided", "decide"),
    ("started", "queue"),
    ("restored", "restore"),
    ("ready", "ready"),
    ("warm", "warm"),
    ("verified", "verify"),
)


@dataclass(frozen=True, slots=True)
class MeasuredTime:
    """One measured time, or why there is none."""

    value_s: float | None
    why: str = ""
    beyond_s: float | None = None
    """It has not ended; it lasts longer than this already."""
    note: str = ""
    records: tuple[int, ...] = ()


class StepMarks:
    """The moments of one step."""

    def __init__(self, step: StepRun) -> None:
        self.seen: dict[str, list[tuple[Mark, EvidenceAt]]] = {}
        for seen in step.evidence:
            if isinstance(seen.what, Mark):
                self.seen.setdefault(seen.what.moment, []).append((seen.what, seen))

    def first(self, moment: str) -> float | None:
        return min((mark.at for mark, _ in self.seen.get(moment, ())), default=None)

    def last(self, moment: str) -> float | None:
        return max((mark.at for mark, _ in self.seen.get(moment, ())), default=None)

    def date_of_disruption(self) -> float | None:
        """The first `disrupted` as a date, by the runner's clock."""
        found = self.seen.get("disrupted")
        if not found:
            return None
        mark, seen = min(found, key=lambda pair: pair[0].at)
        return seen.at - seen.mono + mark.at

    def date_of(self, moment: str) -> float | None:
        """The last of that moment as a date, by the runner's clock."""
        found = self.seen.get(moment)
        if not found:
            return None
        mark, seen = max(found, key=lambda pair: pair[0].at)
        return seen.at - seen.mono + mark.at

    def spans(self) -> list[tuple[float, float | None]]:
        """From each disruption, or from when its fault was let go, to when all was whole again;
        None: it was not seen so.
        """
        moments = [
            (mark.at, order, moment)
            for order, moment in enumerate(("disrupted", "released", "recovered"))
            for mark, _ in self.seen.get(moment, ())
        ]
        found: list[tuple[float, float | None]] = []
        begun: float | None = None
        for at, _, moment in sorted(moments):
            if moment == "released" or (moment == "disrupted" and begun is None):
                begun = at
            elif moment == "recovered" and begun is not None:
                found.append((begun, at))
                begun = None
            elif moment == "recovered" and found:
                found[-1] = (found[-1][0], at)
        return found if begun is None else [*found, (begun, None)]

    def records(self, *moments: str) -> tuple[int, ...]:
        return tuple(sorted(seen.n for moment in moments for _, seen in self.seen.get(moment, ())))

    @property
    def simulated(self) -> bool:
        """Whether the disruption was only declared."""
        return any(mark.simulated for mark, _ in self.seen.get("disrupted", ()))

    def split(self) -> dict[str, float]:
        """RTO's parts, each from the end of the part before it; their sum is the RTO."""
        before, parts = self.first("disrupted"), dict[str, float]()
        for moment, part in _PARTS:
            at = self.last(moment)
            if before is not None and at is not None:
                parts[part] = max(0.0, at - before)
                before = max(before, at)
        return (
            parts if self.last("verified") is not None or self.last("restored") is not None else {}
        )
