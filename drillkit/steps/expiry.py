"""Until when the things that a step makes are meant to live. No kind itself."""

from __future__ import annotations

from datetime import timedelta

from drillkit.clock import utc
from drillkit.steps.base import Act

LIVES_ON = timedelta(hours=2)
"""Between a step's limit and the moment at which its copies may be swept: clean-up has its
own limit.
"""


def expires(act: Act) -> str:
    """Until when what the step makes is meant to live."""
    return (utc(act.clock.now() + act.deadline.left()) + LIVES_ON).isoformat(timespec="seconds")
