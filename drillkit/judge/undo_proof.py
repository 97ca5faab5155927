"""Effects and what became of them."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from drillkit.judge.run_history import RunRead
from drillkit.model.effects import UndoOutcome
from drillkit.model.records import Record
from drillkit.model.verdict import UndoState

_ENDED = frozenset(get_args(UndoOutcome))


def undo_states(run: RunRead) -> tuple[UndoState, ...]:
    """Every effect in the order of the journal. An end that this version does not know leaves
    it open.
    """
    states: dict[int, UndoState] = {}
    for record in run.undos:
        try:
            _apply(states, record)
        except (KeyError, TypeError, ValueError) as error:
            run.unreadable.append((record.n, f"{record.kind}: {error!r}"))
    return tuple(states[n] for n in sorted(states))


def _apply(states: dict[int, UndoState], record: Record) -> None:
    data = record.data
    match record.kind:
        case "undo.planned":
            states[record.n] = UndoState(
                record=record.n,
                resource=str(data["resource"]),
                kind=str(data["undo"]),
                phase=data["phase"],
                outcome="open",
                planned=record.mono,
            )
        case "effect.irreversible":
            waited = data.get("wait_for") not in (None, "", "nothing")
            detail = f"{data.get('reason', '')}; waited for {data['wait_for']}" if waited else ""
            states[record.n] = UndoState(
                record=record.n,
                resource=str(data["resource"]),
                kind=str(data["effect"]),
                phase="irreversible",
                outcome="irreversible",
                detail=detail or str(data.get("reason", "")),
                planned=record.mono,
            )
        case "undo.ended":
            if data["outcome"] not in _ENDED:
                raise ValueError(f"unknown outcome {data['outcome']!r}")
            states[data["of"]] = replace(
                states[data["of"]],
                outcome=data["outcome"],
                detail=str(data.get("detail", "")),
                attempts=_count(data.get("attempts", 1)),
                ended=record.mono,
            )
        case "undo.failed":
            before = states[data["of"]]
            if before.outcome == "open":
                states[data["of"]] = replace(
                    before,
                    detail=str(data.get("why", "")),
                    attempts=_count(data.get("attempts", 0)),
                )
        case _:
            return  # effect.confirmed: nothing the report shows


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
