"""What something would do, known before it does anything."""

from __future__ import annotations

from drillkit.lazy_dataclass import dataclass
from drillkit.model.permissions import AwsAction, Permission


@dataclass(frozen=True, slots=True)
class Copied:
    """Something that is paid for by the hour, and what is copied into it."""

    what: str
    """Such as `a copy of orders-db`."""
    instance_class: str = ""
    """Such as `db.t4g.medium`; '' where nothing tells."""
    storage_gib: int = 0
    """Of each; 0 where it is not known or grows by itself."""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a step or a fault would do: found by looking only."""

    targets: tuple[str, ...] = ()
    """What it would touch, such as `pod/shop/web-5d9c-x7k2p`; of a choice, the candidates."""
    effects: tuple[str, ...] = ()
    """What it would do and how that is undone, one sentence each."""
    permissions: tuple[Permission | AwsAction, ...] = ()
    """What it cannot go without, its undos included; those of a cluster are checked by the plan."""
    problems: tuple[str, ...] = ()
    """Why it cannot work; a run refuses to start."""
    notes: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()
    """Why it would fail as things are now, though it can be tried: what a drill is there to find,
    such as a schedule without one good backup.
    """
    programs: tuple[str, ...] = ()
    """What it starts or plays that is not drillkit's: nobody can say what that may need."""
    unknown: bool = False
    """Whether it depends on what earlier steps give, so that nothing of it is known yet."""
    copies: tuple[Copied, ...] = ()
    """What it makes that is paid for by the hour."""
    seen: tuple[str, ...] = ()
    """What it has looked at besides its targets, one thing and how it stands a line, such as
    `deployment/shop/web: generation 3, rolled out`: at a hold people are told what is no more so.
    """

    def __add__(self, other: Prospect) -> Prospect:
        """Both, one after the other."""
        return Prospect(
            self.targets + other.targets,
            self.effects + other.effects,
            self.permissions + other.permissions,
            self.problems + other.problems,
            self.notes + other.notes,
            self.fails + other.fails,
            self.programs + other.programs,
            self.unknown or other.unknown,
            self.copies + other.copies,
            self.seen + other.seen,
        )
