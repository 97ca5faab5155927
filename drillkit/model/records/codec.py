"""From a line's kind and data to what it says, and back. Reading never raises."""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Callable, Mapping
from typing import Any

from drillkit.model.codec import decode_evidence, encode_evidence, from_data, to_data
from drillkit.model.evidence import Evidence
from drillkit.model.records.entries import (
    ActivityEnded,
    ActivityStarted,
    EffectConfirmed,
    EffectIrreversible,
    Entry,
    ExperimentEnded,
    GateDecided,
    GuardDecided,
    Identities,
    JournalTorn,
    ListedStep,
    MessageSent,
    PhaseEnded,
    PhaseStarted,
    Progress,
    ProgressAbout,
    RunAborted,
    RunClosed,
    RunOpened,
    RunRecovered,
    RunSettled,
    SloTerms,
    StepEnded,
    StepStarted,
    StrangeRecord,
    UndoEnded,
    UndoFailed,
    UndoPlanned,
    UnknownRecord,
    Unread,
    WeaknessesFound,
)
from drillkit.model.records.people import (
    Debriefed,
    ExpectationAnswered,
    ExpectationStated,
    HoldEnded,
    HoldOpened,
    ParticipantJoined,
    QuestionAnswered,
    QuestionAsked,
    StepRepeated,
)

EVIDENCE_KIND = "evidence"
_PLAIN: Mapping[str, type[Any]] = {
    cls.kind: cls
    for cls in (
        RunClosed,
        RunRecovered,
        RunSettled,
        PhaseStarted,
        PhaseEnded,
        StepStarted,
        StepEnded,
        UndoPlanned,
        EffectIrreversible,
        UndoEnded,
        UndoFailed,
        GateDecided,
        GuardDecided,
        RunAborted,
        JournalTorn,
        MessageSent,
        WeaknessesFound,
        ParticipantJoined,
        ExpectationStated,
        ExpectationAnswered,
        HoldOpened,
        HoldEnded,
        StepRepeated,
        QuestionAsked,
        QuestionAnswered,
        Debriefed,
    )
}
"""Kinds whose keys are their class's fields."""
_MISFIT = (ValueError, TypeError, AttributeError, KeyError, OverflowError)
"""What reading data of an odd shape can raise."""


def kind_of(entry: Entry) -> str:
    """The kind of a record that says this."""
    return EVIDENCE_KIND if isinstance(entry, Evidence) else entry.kind


def encode(entry: Entry) -> tuple[str, Mapping[str, Any]]:
    """(kind, data) of a record that says this; every field, since another version may have other
    defaults, but for those that are None.

    Raises TypeError for a value that no journal can hold.
    """
    match entry:
        case UnknownRecord() | StrangeRecord():
            return entry.kind, entry.data
        case RunOpened():
            return entry.kind, _encode_opened(entry)
        case EffectConfirmed():
            return entry.kind, {"of": entry.of, **entry.identity}
        case Progress():
            return entry.kind, _encode_progress(entry)
        case _ if isinstance(entry, Evidence):
            return EVIDENCE_KIND, encode_evidence(entry)
        case _:
            return entry.kind, _fields(entry)


def decode(kind: str, data: Any) -> Entry:
    """What a record of this kind and data says: `UnknownRecord` for a kind of another version,
    `StrangeRecord` for a shape that its kind cannot have. Never raises.
    """
    reader = _READERS.get(kind)
    if reader is None:
        return UnknownRecord(kind, data)
    try:
        return reader(data)
    except _MISFIT as error:
        why = f"there is no {error}" if isinstance(error, KeyError) else str(error)
        return StrangeRecord(kind, data, why or type(error).__name__)


def _fields(entry: Any) -> dict[str, Any]:
    values = {f.name: getattr(entry, f.name) for f in dataclasses.fields(entry)}
    return {name: to_data(value) for name, value in values.items() if value is not None}


def _read_plain(cls: type[Any], data: Any) -> Any:
    """Raises one of `_MISFIT`."""
    known = _hints(typing.cast(typing.Hashable, cls))
    return cls(**{key: from_data(known[key], value) for key, value in data.items() if key in known})


@functools.cache
def _hints(cls: Any) -> Mapping[str, Any]:
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls)}


def _encode_opened(opened: RunOpened) -> dict[str, Any]:
    data = _fields(opened)
    del data["unread"]
    data["slos"] = {
        name: {key: value for key, value in to_data(terms).items() if key != "name"}
        for name, terms in opened.slos.items()
    }
    return data


def _read_opened(data: Any) -> RunOpened:
    """Each part by itself."""
    found: dict[str, Any] = {}
    unread: list[Unread] = []
    given = dict(data)
    identities = given.get("identities")
    if isinstance(identities, Mapping):
        given.setdefault("clock_offsets", identities.get("clock_offset_s", {}))
    for key, want in _hints(RunOpened).items():
        if key not in given or key == "unread":
            continue
        try:
            found[key] = _OPENED.get(key, functools.partial(from_data, want))(given[key])
        except _MISFIT as error:
            unread.append(Unread(key, given[key], str(error) or type(error).__name__))
    return RunOpened(**found, unread=tuple(unread))


def _read_slos(data: Any) -> Mapping[str, SloTerms]:
    found = {}
    for name, terms in data.items():
        try:
            found[str(name)] = from_data(SloTerms, {"name": name, **terms})
        except _MISFIT as error:
            raise ValueError(f"terms of SLO `{name}`: {error}") from error
    return found


def _read_identities(data: Any) -> Identities:
    identities: Identities = _read_plain(Identities, data)
    return identities


def _read_steps(data: Any) -> tuple[ListedStep, ...]:
    return tuple(_read_plain(ListedStep, step) for step in data)


_OPENED: Mapping[str, Callable[[Any], Any]] = {
    "identities": _read_identities,
    "slos": _read_slos,
    "steps": _read_steps,
}
"""Parts of record 1 whose keys are not quite their class's fields."""


def _read_confirmed(data: Any) -> EffectConfirmed:
    identity = {str(key): str(value) for key, value in data.items() if key != "of"}
    return EffectConfirmed(from_data(int, data["of"]), identity)


def _encode_progress(progress: Progress) -> dict[str, Any]:
    about = progress.about
    match about:
        case None:
            return {"text": progress.text}
        case ActivityStarted():
            return {"text": progress.text, "activity": "started", **_fields(about)}
        case ActivityEnded():
            return {"text": progress.text, "activity": "ended", **_fields(about)}
        case ExperimentEnded():
            return {"text": progress.text, "ended": _fields(about)}


def _read_progress(data: Any) -> Progress:
    try:
        about = _about(data)
    except _MISFIT:
        about = None  # of another version; nothing is judged by it
    text = data.get("text", "") if isinstance(data, Mapping) else data
    return Progress(str(text), about)


def _about(data: Any) -> ProgressAbout | None:
    if "ended" in data:
        ended: ExperimentEnded = _read_plain(ExperimentEnded, data["ended"])
        return ended
    cls = {"started": ActivityStarted, "ended": ActivityEnded}.get(data.get("activity"))
    if cls is None:
        return None
    about: ActivityStarted | ActivityEnded = _read_plain(cls, data)
    return about


_READERS: Mapping[str, Callable[[Any], Entry]] = {
    **{kind: functools.partial(_read_plain, cls) for kind, cls in _PLAIN.items()},
    RunOpened.kind: _read_opened,
    EffectConfirmed.kind: _read_confirmed,
    Progress.kind: _read_progress,
    EVIDENCE_KIND: decode_evidence,
}
