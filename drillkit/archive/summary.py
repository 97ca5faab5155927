"""What one run came to, small enough to hold thousands of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import timedelta

from drillkit.archive.systems import restored_system
from drillkit.judge import judge
from drillkit.judge.wording import title
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Objectives, Step
from drillkit.model.former_kinds import rehearsed
from drillkit.model.records import History, MessageSent, RunOpened, StepRepeated
from drillkit.model.rehearsal import Apart, Way
from drillkit.model.subjects import BoundOf, WholeRun
from drillkit.model.target import Target
from drillkit.model.verdict import Holds, SliSummary, StepVerdict, Verdict

TO_DO = WholeRun("action-item")
MEASURES: Mapping[str, str] = {
    "rto": "RTO",
    "rpo": "RPO",
    "recovery": "recovery",
    "detect": "time to detect",
    "acknowledge": "time to acknowledge",
    "mitigate": "time to mitigate",
}
"""What a step is measured by, and its name for people."""


@dataclass(frozen=True, slots=True)
class StepMeasure:
    """One number of one step."""

    value_s: float
    """Seconds."""
    bound_s: float | None
    """Its objective; None: it was measured and not judged."""


@dataclass(frozen=True, slots=True)
class StepSummary:
    """What one step came to."""

    name: str
    uses: str
    holds: Holds
    outcome: str
    system: str
    """What it restored, such as `microservices-dev-db`; '' where it restores nothing."""
    measured: Mapping[str, StepMeasure]
    """By the keys of `MEASURES`."""
    region: str = ""
    """Where it restored to; '' where it restores nothing, or nothing names a region."""
    way: Way = ""
    """How its kind rehearses something."""
    apart: Apart = ""
    """How far what it restored stood from its source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What one run came to. Times are seconds since the epoch."""

    run: str
    drill: str
    target: str
    started: float
    ended: float
    holds: Holds
    exit_code: int
    headline: str
    owner: str
    operator: str
    region: str
    emulated: bool
    """The target was not real: no evidence of anything that is."""
    outage_s: float
    """All outages of probes that the drill may affect, by the upper end of their brackets."""
    longest_gap_s: float
    lost: int
    """Requests."""
    steps: tuple[StepSummary, ...]
    told: int
    """Messages of it that were accepted."""
    untold: int
    """Messages of it that were not."""
    budgets: Mapping[str, float] = field(default_factory=dict)
    """Share of each SLO's error budget that was spent, by its name, where the drill bounds it."""
    findings: tuple[str, ...]
    """What they are about, for people. What people noted to be done is none of them: no later run
    closes it, `drillkit actions` does.
    """

    @property
    def counts(self) -> bool:
        """Whether it is a rehearsal that was done: on something real, to its end or to a
        weakness.
        """
        return not self.emulated and self.exit_code in (0, 1)

    @property
    def word(self) -> str:
        """The verdict in one word."""
        return {4: "refused", 5: "dirty"}.get(self.exit_code, str(self.holds))

    @property
    def refused(self) -> bool:
        """Whether nothing was touched."""
        return self.exit_code == 4

    def measures(self) -> Iterator[tuple[str, str, StepMeasure]]:
        """(step, measure, number) of all steps."""
        for step in self.steps:
            for name, measured in step.measured.items():
                yield step.name, name, measured

    def believed(self) -> Iterator[tuple[str, str, StepMeasure]]:
        """Those measures that a trend may rest on: of a step that was judged and came out unknown,
        nobody knows what its numbers are worth.
        """
        for step in self.steps:
            for name, measured in step.measured.items():
                if measured.bound_s is None or step.holds is not Holds.UNKNOWN:
                    yield step.name, name, measured


def summarize(history: History, verdict: Verdict | None = None) -> RunSummary | None:
    """What a run came to; None: it ended before it opened, so there is nothing to tell. `verdict`:
    its own, where it is known already.
    """
    opened = next((r for r in history if isinstance(r.entry, RunOpened)), None)
    if opened is None or not isinstance(opened.entry, RunOpened):
        return None
    entry, verdict = opened.entry, verdict or judge(history)
    messages = [record.entry for record in history if isinstance(record.entry, MessageSent)]
    return RunSummary(
        run=entry.run,
        drill=entry.drill_name,
        target=entry.target_name,
        started=opened.at,
        ended=max(r.at for r in history if not isinstance(r.entry, MessageSent)),
        holds=verdict.holds,
        exit_code=verdict.exit_code,
        headline=verdict.headline,
        owner=entry.drill.owner if entry.drill else "",
        operator=entry.operator,
        region=entry.target.aws.region if entry.target and entry.target.aws else "",
        emulated=bool(entry.emulated),
        outage_s=_outage_s(verdict),
        longest_gap_s=max((s.longest_gap_s for s in _users(verdict)), default=0.0),
        lost=sum(sum(s.bad.values()) for s in _users(verdict) if s.phase == "during"),
        budgets=_budgets(verdict),
        steps=tuple(_steps(verdict, entry, _tries(history))),
        told=sum(not message.why for message in messages),
        untold=sum(bool(message.why) for message in messages),
        findings=tuple(dict.fromkeys(title(f.about) for f in verdict.findings if f.about != TO_DO)),
    )


def _budgets(verdict: Verdict) -> Mapping[str, float]:
    """Of several bounds on one, the most that was found."""
    found: dict[str, float] = {}
    judged = [*verdict.bounds, *(each for step in verdict.steps for each in step.judged)]
    for each in judged:
        if isinstance(each.about, BoundOf) and each.spent is not None:
            found[each.about.sli] = max(each.spent, found.get(each.about.sli, 0.0))
    return found


def _users(verdict: Verdict) -> list[SliSummary]:
    return [sli for sli in verdict.slis if not sli.control]


def _outage_s(verdict: Verdict) -> float:
    during = [sli for sli in _users(verdict) if sli.phase == "during"]
    return round(sum(outage.most_s for sli in during for outage in sli.outages), 3)


def _tries(history: History) -> Mapping[str, str]:
    """Names of later tries of a step, and the step's own."""
    again = ((record.step, record.entry) for record in history)
    return {name: entry.of for name, entry in again if isinstance(entry, StepRepeated)}


def _steps(verdict: Verdict, opened: RunOpened, tries: Mapping[str, str]) -> Iterator[StepSummary]:
    declared = {step.name: step for step in (opened.drill.every_step if opened.drill else ())}
    recorded = {listed.name: listed.rehearses for listed in opened.steps}
    for judged in verdict.steps:
        name = tries.get(judged.name, judged.name)
        step = declared.get(name)
        rehearsal = rehearsed(judged.uses, recorded.get(name))
        system = restored_system(rehearsal, step) if step else ""
        yield StepSummary(
            judged.name,
            judged.uses,
            judged.holds,
            judged.outcome,
            system,
            dict(_measured(judged, step)),
            _region(rehearsal.apart, opened.target) if system else "",
            rehearsal.way,
            rehearsal.apart,
        )


def _region(apart: Apart, target: Target | None) -> str:
    if target is None or target.aws is None:
        return ""
    return (target.aws.dr_region or "") if apart == "region" else target.aws.region


def _measured(judged: StepVerdict, step: Step | None) -> Iterator[tuple[str, StepMeasure]]:
    wanted = step.objectives if step else Objectives()
    for name, value_s, bound in (
        ("rto", judged.rto_s, wanted.rto),
        ("rpo", judged.rpo_s, wanted.rpo),
        ("recovery", judged.recovery_s, wanted.recovery),
        ("detect", judged.detect_s, wanted.detect.within if wanted.detect else None),
        ("acknowledge", judged.acknowledge_s, wanted.acknowledge),
        ("mitigate", judged.mitigate_s, wanted.mitigate),
    ):
        if value_s is not None:
            yield name, StepMeasure(round(value_s, 3), _seconds(bound))


def _seconds(bound: timedelta | None) -> float | None:
    return bound.total_seconds() if bound is not None else None
