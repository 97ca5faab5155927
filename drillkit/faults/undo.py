"""The rollback that experiments with drillkit's faults list for plain `chaos run`."""

from __future__ import annotations

from typing import Any

from drillkit.faults.context import here
from drillkit.faults.standalone import LocalBook
from drillkit.model.errors import StepFailed


def undo_all() -> dict[str, Any]:
    """Undo what this process' faults left open. Under `drillkit run` the run's own journal does
    this instead.

    What was undone, by resource. Raises StepFailed naming what is still there.
    """
    book = here().book
    if not isinstance(book, LocalBook):
        return {"undone": [], "by": "the run's journal"}
    cleaned = book.settle()
    if cleaned is None:
        return {"undone": []}
    if cleaned.open:
        left = "; ".join(f"{failed.undo.resource}: {failed.why}" for failed in cleaned.failed)
        raise StepFailed(
            f"still to be undone: {left}. Run `drillkit recover` when the cluster answers again"
        )
    return {"undone": [f"{s.undo.resource}: {s.undone.outcome}" for s in cleaned.ended]}
