"""Which systems have a proven restore: when, where, how fast, how much was lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from drillkit.archive.summary import RunSummary, StepSummary
from drillkit.lazy_dataclass import dataclass
from drillkit.model.verdict import Holds


@dataclass(frozen=True, slots=True)
class Covered:
    """One system on one target."""

    system: str
    target: str
    tried: int
    """Restores that were rehearsed."""
    proven: RunSummary | None
    """The last run whose restore of it held; None: no restore of it was ever proven."""
    step: StepSummary | None
    """That restore."""
    last: RunSummary
    """The last run that tried."""
    regions: tuple[str, ...] = ()
    """Every region that a restore of it held in, the latest proof last."""

    @property
    def since_failed(self) -> bool:
        """A later rehearsal than the proven one did not hold."""
        return self.proven is None or self.last.run != self.proven.run


def coverage(runs: Sequence[RunSummary]) -> tuple[Covered, ...]:
    """Of runs on real targets; what a sandbox proves is of the sandbox."""
    tried: dict[tuple[str, str], list[tuple[RunSummary, StepSummary]]] = {}
    for run in runs:
        if run.emulated:
            continue
        for step in run.steps:
            if step.system and step.outcome != "skipped":
                tried.setdefault((step.system, run.target), []).append((run, step))
    found = []
    for (system, target), several in sorted(tried.items()):
        proven = [(run, step) for run, step in several if step.holds is Holds.MET]
        latest = proven[-1] if proven else None
        found.append(
            Covered(
                system,
                target,
                len(several),
                latest[0] if latest else None,
                latest[1] if latest else None,
                several[-1][0],
                _regions(step for _, step in proven),
            )
        )
    return tuple(found)


def _regions(steps: Iterable[StepSummary]) -> tuple[str, ...]:
    names = [step.region for step in steps if step.region]
    return tuple(reversed(dict.fromkeys(reversed(names))))
