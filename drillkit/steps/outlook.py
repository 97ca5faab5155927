"""What a step would do, gathered piece by piece into a prospect. No kind itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import field
from datetime import datetime

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import DrillError
from drillkit.model.permissions import AwsAction, Permission
from drillkit.model.prospect import Copied, Prospect
from drillkit.steps.base import Act
from drillkit.steps.disruption import reach


@dataclass(slots=True)
class Outlook:
    """What it would do, until `prospect` puts it together."""

    act: Act
    targets: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    permissions: list[str | AwsAction] = field(default_factory=list)
    """Actions of AWS, by their names where marks decide what they may be done to."""
    cluster: list[Permission] = field(default_factory=list)
    """What checks that run in the cluster need there."""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fails: list[str] = field(default_factory=list)
    copies: list[Copied] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        """What cannot be looked at is a problem."""
        try:
            yield
        except DrillError as why:
            self.problems.append(str(why))

    def reaches(self, what: str, point: datetime, disrupted: datetime | None) -> None:
        """Up to when `what` holds data; that this is too long ago fails the step."""
        found = reach(point, disrupted, self.act, self.act.clients.aws.now())
        said = f"{what} of {point:%Y-%m-%d %H:%M:%S} UTC is {found.said}"
        (self.fails if found.too_old else self.notes).append(said)

    def restores(self, source: str, snapshots: Sequence[str], *, drawn: bool) -> None:
        """Which of the snapshots of a source it would be: the newest, or one that is drawn."""
        self.targets.append(f"{source} (its snapshots; it is not touched)")
        if drawn:
            self.seen += [f"{each}: it could be drawn" for each in snapshots]
            self.notes.append(
                f"one of {len(snapshots)} usable snapshots is drawn when the run has begun"
            )
        else:
            self.seen.append(f"{snapshots[-1]}: it would be restored")
            self.notes.append(f"as things are it would restore {snapshots[-1]}")

    def makes(self, what: str, region: str) -> None:
        """It makes something that its undo deletes."""
        self.effects.append(
            f"makes {what} in {region}; deleted at clean-up, and its backups with it"
        )

    def prospect(self) -> Prospect:
        """All of it."""
        return Prospect(
            tuple(self.targets),
            tuple(self.effects),
            (*self.cluster, *map(_action, dict.fromkeys(self.permissions))),
            tuple(self.problems),
            tuple(self.notes),
            tuple(self.fails),
            copies=tuple(self.copies),
            seen=tuple(self.seen),
        )


def _action(given: str | AwsAction) -> AwsAction:
    return given if isinstance(given, AwsAction) else AwsAction(given)
