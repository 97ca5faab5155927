"""Judgement, pure: a history in, a verdict out. No clock, no network, no files."""

from __future__ import annotations

from drillkit.model.records import History
from drillkit.model.verdict import Verdict

__all__ = ["judge"]


def judge(history: History) -> Verdict:
    """The verdict on a run; see `drillkit.judge.verdict`. Never raises for what is in a history."""
    # Here, so that the sampler's process, which needs the buckets only, starts without the rest of
    # the room.
    from drillkit.judge.verdict import judge as decide

    return decide(history)
