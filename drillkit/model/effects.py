"""What an effect must leave on disk before it happens: its undo, or the reason why there is none.

Both are data, kind and arguments, never code: they are read back by another version on
another machine.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from drillkit.lazy_dataclass import dataclass
from drillkit.model.prospect import Copied

Phase: TypeAlias = Literal["relieve", "remove"]
UndoOutcome: TypeAlias = Literal[
    "undone", "already-undone", "never-happened", "not-ours", "kept", "by-hand"
]
Lives: TypeAlias = Literal["target", "here"]
"""Where an effect lives: in the target, so that it ends with a target that was started for the run;
or on this machine (or anywhere else that a program reached from it), so that it does not.
"""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a target's caps count of an effect. Nothing, where it only makes something of the run's
    own beside what is there: a lock, a notice, an object that nobody else uses.
    """

    namespace: str = ""
    """The Kubernetes namespace in which it changes what is there."""
    pod: str = ""
    """The pod that goes, such as `shop/web-1/UID`: one that is named twice counts once."""
    copy: Copied | None = None
    """What is paid for by the hour from now until it is undone; a resource counts once."""

    @classmethod
    def of(cls, effect: object) -> Counted:
        """Unless an effect says otherwise it changes what is in its field `namespace`."""
        namespace = getattr(effect, "namespace", "")
        return cls(namespace if isinstance(namespace, str) else "")


@dataclass(frozen=True)
class Undo:
    """Base of every undo. Subclasses stand beside the client call they reverse and add fields of
    plain data.

    `kind` is `<module of clients>.<what>`, such as `kube.uncordon`: its first word finds the
    module again. Undos of other packages are entry points of group `drillkit.undos`.
    """

    kind: ClassVar[str]
    phase: ClassVar[Phase]
    rank: ClassVar[int] = 0
    """Order within *remove*: lower ranks first (a restore's members before its cluster)."""

    @property
    def resource(self) -> str:
        """What it concerns, for people: `node/ip-10-0-1-7`."""
        raise NotImplementedError

    @property
    def lives(self) -> Lives:
        """Where the effect lives."""
        return "target"

    @property
    def counts(self) -> Counted:
        """What the target's caps count of the effect, asked right before it happens."""
        return Counted.of(self)


@dataclass(frozen=True)
class Irreversible:
    """Base of every effect that cannot be taken back: a deleted pod, an eviction, a failover."""

    kind: ClassVar[str]

    @property
    def resource(self) -> str:
        """What it concerns, for people."""
        raise NotImplementedError

    @property
    def reason(self) -> str:
        """Why nothing can take it back."""
        raise NotImplementedError

    @property
    def wait_for(self) -> str:
        """What makes the world whole again by itself: `a replacement that is ready`."""
        raise NotImplementedError

    @property
    def counts(self) -> Counted:
        """What the target's caps count of it, asked right before it happens."""
        return Counted.of(self)


Effect: TypeAlias = Undo | Irreversible


@dataclass(frozen=True, slots=True)
class Undone:
    """How one undo ended."""

    outcome: UndoOutcome
    detail: str = ""
    """Proof for the report: what was seen at the end."""
