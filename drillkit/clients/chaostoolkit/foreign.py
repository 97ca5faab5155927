"""The admission that goes to the journal before an action that is not ours: nobody knows how to
undo it.
"""

from __future__ import annotations

from typing import ClassVar

from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Irreversible


@dataclass(frozen=True)
class ForeignAction(Irreversible):
    """An action of another Chaos Toolkit extension, a command or an HTTP call."""

    kind: ClassVar[str] = "chaostoolkit.action"

    activity: str
    provider: str
    rollbacks: bool
    """Whether the experiment has rollbacks of its own."""

    @property
    def resource(self) -> str:
        return f"action {self.activity} ({self.provider})"

    @property
    def reason(self) -> str:
        return (
            "it belongs to the experiment, and Chaos Toolkit does not tell how an action is undone"
        )

    @property
    def wait_for(self) -> str:
        return (
            "the experiment's rollbacks"
            if self.rollbacks
            else "nothing: the experiment has no rollbacks"
        )
