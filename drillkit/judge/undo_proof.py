"""Effects and what became of them."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from drillkit.judge.run_history import At, RunRead
from drillkit.model.records import (
    EffectConfirmed,
    EffectEntry,
    EffectIrreversible,
    UndoEnded,
    UndoFailed,
    UndoPlanned,
)
from drillkit.model.verdict import UndoState


def undo_states(run: RunRead) -> tuple[UndoState, ...]:
    """Every effect in the order of the journal. What ends an effect that nobody planned goes
    to `run.unreadable`.
    """
    states: dict[int, UndoState] = {}
    for seen in run.effects:
        _apply(run, states, seen)
    return tuple(states[n] for n in sorted(states))


def _apply(run: RunRead, states: dict[int, UndoState], seen: At[EffectEntry]) -> None:
    match seen.what:
        case UndoPlanned() as planned:
            states[seen.n] = UndoState(
                record=seen.n,
                resource=planned.resource,
                kind=planned.undo,
                phase=planned.phase,
                outcome="open",
                planned=seen.mono,
            )
        case EffectIrreversible() as effect:
            states[seen.n] = UndoState(
                record=seen.n,
                resource=effect.resource,
                kind=effect.effect,
                phase="irreversible",
                outcome="irreversible",
                detail=_waited(effect),
                planned=seen.mono,
            )
        case UndoEnded() | UndoFailed() as end if end.of not in states:
            why = f"there is no effect planned in record {end.of}"
            run.unreadable.append((seen.n, f"{end.kind}: {why}"))
        case UndoEnded() as ended:
            states[ended.of] = replace(
                states[ended.of],
                outcome=ended.outcome,
                detail=ended.detail,
                attempts=ended.attempts,
                ended=seen.mono,
            )
        case UndoFailed() as failed:
            if states[failed.of].outcome == "open":
                states[failed.of] = replace(
                    states[failed.of], detail=failed.why, attempts=failed.attempts
                )
        case EffectConfirmed():
            return  # nothing that a report shows
        case other:
            assert_never(other)


def _waited(effect: EffectIrreversible) -> str:
    if effect.wait_for in ("", "nothing"):
        return effect.reason
    return f"{effect.reason}; waited for {effect.wait_for}"
