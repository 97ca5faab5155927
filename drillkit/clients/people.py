"""What people do by hand, and what they must take back by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from drillkit.clients.undo import UndoAction, UndoContext
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Irreversible, Lives, Phase, Undo, Undone
from drillkit.model.errors import Rejected

if TYPE_CHECKING:
    from drillkit.clients import Clients


@dataclass(frozen=True)
class PutBack(UndoAction):
    """A person takes back what a person has done, and says so."""

    kind: ClassVar[str] = "people.put-back"
    phase: ClassVar[Phase] = "remove"

    name: str
    """Of the step."""
    text: str
    """Instructions, as Markdown."""

    @property
    def resource(self) -> str:
        return f"manual/{self.name}"

    @property
    def lives(self) -> Lives:
        return "here"

    @property
    def by_hand(self) -> tuple[str, ...]:
        return tuple(f"# {line}" for line in self.text.splitlines())

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        """Raises Rejected where nobody can be asked, or somebody says that it is not done."""
        how = f"say so with `drillkit settle RUN {self.resource} --why TEXT`"
        if context.people is None:
            raise Rejected(f"a person must do it: {self.text}; then {how}")
        answer = context.people("undo", self.name, self.text, context.deadline)
        if not answer.done:
            raise Rejected(f"{answer.by} says it is not put back: {answer.why}; once it is, {how}")
        said = f"{answer.by}: {answer.why}" if answer.why else answer.by
        return Undone("by-hand", said)


@dataclass(frozen=True)
class NotPutBack(Irreversible):
    """A person disrupts something, and the drill declares no undo."""

    kind: ClassVar[str] = "people.act"

    name: str

    @property
    def resource(self) -> str:
        return f"manual/{self.name}"

    @property
    def reason(self) -> str:
        return "the drill declares no `undo:` for what people do by hand"

    @property
    def wait_for(self) -> str:
        return "nothing"


UNDOS: Mapping[str, type[Undo]] = {PutBack.kind: PutBack}
