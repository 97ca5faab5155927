"""The journal's lines as nouns. `History` is all of a run: the judge and the report need
nothing else.

    for record in history:
        match record.entry:
            case StepEnded(outcome="failed", why=why): ...

    book.append(StepEnded("ok"))
"""

from __future__ import annotations

from drillkit.model.records.codec import decode, encode, kind_of
from drillkit.model.records.entries import (
    ActivityEnded,
    ActivityStarted,
    DecisionEntry,
    Disturbs,
    EffectConfirmed,
    EffectEntry,
    EffectIrreversible,
    Entry,
    ExperimentEnded,
    GateDecided,
    GuardDecided,
    Identities,
    JournalTorn,
    ListedStep,
    Outcome,
    PhaseEnded,
    PhaseStarted,
    PlannedEffect,
    Progress,
    ProgressAbout,
    RunAborted,
    RunClosed,
    RunEntry,
    RunOpened,
    RunRecovered,
    RunSettled,
    SloTerms,
    StepEnded,
    StepEntry,
    StepStarted,
    StrangeRecord,
    UndoEnded,
    UndoFailed,
    UndoPlanned,
    UnknownRecord,
    Unread,
)
from drillkit.model.records.line import History, Record

__all__ = [
    "ActivityEnded",
    "ActivityStarted",
    "DecisionEntry",
    "Disturbs",
    "EffectConfirmed",
    "EffectEntry",
    "EffectIrreversible",
    "Entry",
    "ExperimentEnded",
    "GateDecided",
    "GuardDecided",
    "History",
    "Identities",
    "JournalTorn",
    "ListedStep",
    "Outcome",
    "PhaseEnded",
    "PhaseStarted",
    "PlannedEffect",
    "Progress",
    "ProgressAbout",
    "Record",
    "RunAborted",
    "RunClosed",
    "RunEntry",
    "RunOpened",
    "RunRecovered",
    "RunSettled",
    "SloTerms",
    "StepEnded",
    "StepEntry",
    "StepStarted",
    "StrangeRecord",
    "UndoEnded",
    "UndoFailed",
    "UndoPlanned",
    "UnknownRecord",
    "Unread",
    "decode",
    "encode",
    "kind_of",
]
