"""A record in one line, for whoever watches a run."""

from __future__ import annotations

from typing import assert_never

from drillkit.judge.evidence import passes
from drillkit.judge.people import people_words
from drillkit.model.evidence import Activity, Alert, Check, Evidence, Mark, Note
from drillkit.model.records import (
    ActivityEnded,
    DecisionEntry,
    EffectConfirmed,
    EffectEntry,
    EffectIrreversible,
    Entry,
    ExperimentEnded,
    GateDecided,
    GuardDecided,
    JournalTorn,
    MessageSent,
    PeopleEntry,
    PhaseEnded,
    PhaseStarted,
    Progress,
    QuestionAnswered,
    Record,
    RunAborted,
    RunClosed,
    RunEntry,
    RunOpened,
    RunRecovered,
    RunSettled,
    StepEnded,
    StepEntry,
    StepStarted,
    StrangeRecord,
    UndoEnded,
    UndoFailed,
    UndoPlanned,
    UnknownRecord,
    WeaknessesFound,
)
from drillkit.model.units import format_duration
from drillkit.model.verdict import Holds, never_begun

STOPPING = "undoing everything; Ctrl-C again leaves what is slow to remove to `drillkit recover`"


class Sentences:
    """One line for a person from each record; remembers what an undo's number stands for."""

    def __init__(self) -> None:
        self._resources: dict[int, str] = {}
        self._replied: set[tuple[str, str]] = set()
        """(step, who) of each reply: the note that a step keeps of it says the same once more."""

    def of(self, record: Record) -> str:
        """The line, or '' for what is not worth one."""
        return _printable(self._of(record.n, record.step, record.entry))

    def _of(self, n: int, step: str, entry: Entry) -> str:
        if isinstance(entry, Evidence):
            match entry:
                case Note(about="manual-step", by=by) if (step, by) in self._replied:
                    return ""
            return _evidence(entry, step)
        if isinstance(entry, RunEntry):
            return _of_run(entry, step)
        if isinstance(entry, StepEntry):
            return _of_step(entry, step)
        if isinstance(entry, DecisionEntry):
            return _decided(entry)
        if isinstance(entry, EffectEntry):
            return self._effect(n, step, entry)
        if isinstance(entry, PeopleEntry):
            if isinstance(entry, QuestionAnswered):
                self._replied.add((step, entry.by))
            return people_words(entry, step)
        if isinstance(entry, UnknownRecord | StrangeRecord):
            return ""  # the verdict tells of it
        assert_never(entry)

    def _effect(self, n: int, step: str, entry: EffectEntry) -> str:
        match entry:
            case UndoPlanned():
                self._resources[n] = entry.resource
                return ""
            case EffectIrreversible():
                what = entry.effect.partition(".")[2].replace("-", " ")
                return f"{step}: {what} {entry.resource}"
            case EffectConfirmed():
                return ""
            case UndoEnded():
                detail = f" ({entry.detail})" if entry.detail else ""
                return f"{self._resource(entry.of)}: {entry.outcome.replace('-', ' ')}{detail}"
            case UndoFailed():
                return f"{self._resource(entry.of)}: NOT undone: {entry.why}"
            case other:
                assert_never(other)

    def _resource(self, of: int) -> str:
        return self._resources.get(of, f"undo {of}")


def _of_run(entry: RunEntry, step: str) -> str:
    match entry:
        case RunOpened():
            return f"run {entry.run} on target {entry.target_name}"
        case PhaseStarted(phase=phase):
            return _PHASES.get(phase, "")
        case Progress(about=ActivityEnded() | ExperimentEnded()):
            return ""  # the evidence says it
        case Progress(text=text):
            return f"{step}: {text}" if step else text
        case MessageSent():
            return f"warning: {entry.failure}" if entry.failure else ""
        case WeaknessesFound():
            return ""  # for the report
        case RunClosed() | RunRecovered() | RunSettled() | PhaseEnded() | JournalTorn():
            return ""
        case other:
            assert_never(other)


def _of_step(entry: StepEntry, step: str) -> str:
    match entry:
        case StepStarted():
            return f"step {step} started ({entry.uses})"
        case StepEnded(outcome="skipped"):
            return f"step {step} {never_begun(entry.why)}"
        case StepEnded():
            return f"step {step} {entry.outcome}" + (f": {entry.why}" if entry.why else "")
        case other:
            assert_never(other)


def _decided(entry: DecisionEntry) -> str:
    match entry:
        case GuardDecided(holds=Holds.MET):
            return ""
        case GuardDecided():
            return f"guard {entry.guard}: {entry.why}"
        case GateDecided():
            return f"{entry.sli} {entry.place}: {entry.holds} ({entry.bad} bad of {entry.total})"
        case RunAborted():
            return f"aborting ({entry.by}): {entry.why}; {STOPPING}"
        case other:
            assert_never(other)


_PHASES = {"before": "steady state before", "after": "steady state after", "cleanup": "cleaning up"}


def _printable(text: str) -> str:
    """Without what would move a terminal's cursor; a traceback keeps its lines."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def _evidence(evidence: Evidence, step: str) -> str:
    match evidence:
        case Activity() as activity:
            targets = f", {len(activity.targets)} targets" if len(activity.targets) > 1 else ""
            error = f": {activity.error}" if activity.error else ""
            outcome = "out of tolerance" if activity.tolerated is False else activity.outcome
            return (
                f"{step}: {activity.name} {outcome} in "
                f"{format_duration(activity.took_s)}{targets}{error}"
            )
        case Check() as check if passes(check) is not True:
            found = (
                f"could not be read: {check.why}"
                if check.found is None
                else f"found {check.found} {check.why}"
            )
            return f"{step}: {check.name}: expected {check.op} {check.expected}, {found}".rstrip()
        case Alert() as alert:
            return f"alert {alert.name} {alert.state}{' (expected)' if alert.expected else ''}"
        case Mark(by=by, moment=moment) if by:
            return f"{step}: {moment}, {by} said" if step else f"{moment}, {by} said"
        case Note(by=by, text=text):
            return f"{step}: {by}: {text}" if step else f"{by}: {text}"
    return ""


def is_loud(entry: Entry) -> bool:
    """Whether somebody should look up."""
    match entry:
        case RunAborted() | UndoFailed():
            return True
        case GateDecided(holds=holds) | GuardDecided(holds=holds):
            return holds is not Holds.MET
        case _:
            return False
