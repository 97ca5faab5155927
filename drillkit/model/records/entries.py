"""What a record says: one frozen class for each kind. Evidence has its own (`model.evidence`).

A field's name is its key in the journal. A key that this version does not know is passed over, so
what changes the meaning of a record is a new kind, never a new key. A field that has a default may
be missing in an old journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, ClassVar, Literal, TypeAlias

from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Drill
from drillkit.model.effects import Phase, UndoOutcome
from drillkit.model.evidence import Evidence
from drillkit.model.records.people import PeopleEntry
from drillkit.model.rehearsal import Rehearsal
from drillkit.model.subjects import GatePlace, GuardPlace
from drillkit.model.target import Target
from drillkit.model.verdict import Holds

Disturbs: TypeAlias = Literal["users", "none"]
Outcome: TypeAlias = Literal["ok", "failed", "unknown", "skipped", "cut"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SloTerms:
    """What record 1 keeps of an SLO: all that judging needs."""

    name: str
    target: float
    """Objective: 0.995."""
    window_s: float
    """Length of its window in seconds: 2,592,000 for 30 days."""
    kind: Literal["probe", "prometheus"] = "probe"
    """Where its SLI comes from: Samples of a probe, or Readings of a metrics server."""
    probe: str = ""
    """Name of the probe, of kind `probe`. Default: the SLO's own name."""
    n_window: float | None = None
    """Users' events in its window, if they are known."""
    slow_s: float | None = None
    """Latency in seconds above which a good answer is bad."""

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise ValueError(
                f"expected an objective between 0 and 1, such as 0.995, found {self.target}"
            )
        if not self.window_s > 0:
            raise ValueError(f"expected a window longer than nothing, found {self.window_s} s")

    @property
    def sli(self) -> str:
        """The name that its Samples or Readings carry."""
        return (self.probe or self.name) if self.kind == "probe" else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """Who the target really was when the run opened; what could not be asked says why."""

    launched_pid: int | None = None
    """Process of a target that was started for this run."""
    cluster_uid: str = ""
    cluster_error: str = ""
    aws_account: str = ""
    aws_error: str = ""


@dataclass(frozen=True, slots=True)
class ListedStep:
    """A step as record 1 lists it."""

    name: str
    uses: str = ""
    disturbs: Disturbs = "users"
    group: str = ""
    rehearses: Rehearsal | None = None
    """As its kind declared it. None: the journal is of a version that did not say so."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of record 1 that does not fit this version."""

    key: str
    data: Any
    why: str


APPROVAL_BY = "approval by "
"""Begins the name of the digest of an approval; the approver's name follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOpened:
    """Record 1: everything that was resolved before the run began; no secrets.

    Each part is read by itself, so that a drill of another version does not hide the target.
    """

    kind: ClassVar[str] = "run.opened"

    run: str = ""
    drill: Drill | None = None
    target: Target | None = None
    operator: str = ""
    trigger: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    identities: Identities = Identities()
    vantage: Mapping[str, Any] = field(default_factory=dict)
    """Where the runner stood: host, platform, Python."""
    clock_offsets: Mapping[str, float] = field(default_factory=dict)
    """Seconds by which each system's clock was ahead of ours. Until 0.1 it stood in `identities`,
    as `clock_offset_s`.
    """
    boot: str = ""
    """Which boot the monotonic clock counts from."""
    steps: tuple[ListedStep, ...] = ()
    slos: Mapping[str, SloTerms] = field(default_factory=dict)
    """Of the SLOs in use, by name."""
    unread: tuple[Unread, ...] = ()
    """Never written: what is in the line and does not fit."""

    @property
    def approved_by(self) -> tuple[str, ...]:
        """Who signed the plan that was run."""
        names = (each for each in self.digests if each.startswith(APPROVAL_BY))
        return tuple(each.removeprefix(APPROVAL_BY) for each in names)

    @property
    def drill_name(self) -> str:
        """The drill's name; of one that this version cannot read, as it stands there."""
        return self.drill.drill if self.drill else self._raw("drill", "drill")

    @property
    def target_name(self) -> str:
        """The target's name, likewise."""
        return self.target.name if self.target else self._raw("target", "name")

    @property
    def emulated(self) -> tuple[str, ...]:
        """What of the target was not real; none: all was. A target that this version cannot read is
        real only as far as it says so itself: what it is, nobody knows otherwise.
        """
        if self.target is not None:
            return self.target.emulated
        for unread in self.unread:
            if unread.key == "target":
                said = unread.data.get("emulated", ()) if isinstance(unread.data, Mapping) else None
                if isinstance(said, list | tuple):
                    return tuple(str(text) for text in said)
                return ("what the target was cannot be read by this version",)
        return ()

    def _raw(self, part: str, key: str) -> str:
        for unread in self.unread:
            if unread.key == part and isinstance(unread.data, Mapping):
                name = unread.data.get(key)
                return name if isinstance(name, str) else ""
        return ""


@dataclass(frozen=True, slots=True)
class RunClosed:
    """The last line of a run that ended by itself."""

    kind: ClassVar[str] = "run.closed"

    left: tuple[str, ...] = ()
    """Resources whose undo was still open."""


@dataclass(frozen=True, slots=True)
class RunRecovered:
    """`drillkit recover` took the run over."""

    kind: ClassVar[str] = "run.recovered"

    by: str = ""
    boot: str = ""


@dataclass(frozen=True, slots=True)
class RunSettled:
    """A person vouches for what a damaged journal cannot tell."""

    kind: ClassVar[str] = "run.settled"

    by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    kind: ClassVar[str] = "phase.started"

    phase: str
    """`guards`, `before`, `steps`, `after`, `cleanup`, or one that a later version knows."""


@dataclass(frozen=True, slots=True)
class PhaseEnded:
    kind: ClassVar[str] = "phase.ended"

    phase: str


@dataclass(frozen=True, slots=True)
class StepStarted:
    """The step that the record belongs to begins."""

    kind: ClassVar[str] = "step.started"

    uses: str = ""
    disturbs: Disturbs = "users"
    group: str = ""


@dataclass(frozen=True, slots=True)
class StepEnded:
    kind: ClassVar[str] = "step.ended"

    outcome: str
    """An `Outcome`, or one that a later version knows: then the step is not known to be well."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class UndoPlanned:
    """An effect is about to happen; this takes it back."""

    kind: ClassVar[str] = "undo.planned"

    undo: str
    """Kind of the undo, such as `kube.uncordon`."""
    phase: Phase
    resource: str
    """What it concerns, for people."""
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EffectIrreversible:
    """An effect is about to happen that nothing takes back."""

    kind: ClassVar[str] = "effect.irreversible"

    effect: str
    """Its kind, such as `kube.delete-pod`."""
    resource: str
    args: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    wait_for: str = ""
    """What makes the world whole again by itself; '' or `nothing`: nothing does."""


@dataclass(frozen=True, slots=True)
class EffectConfirmed:
    """The other side answered: from now on 'not found' means gone."""

    kind: ClassVar[str] = "effect.confirmed"

    of: int
    """Number of the record that planned it."""
    identity: Mapping[str, str] = field(default_factory=dict)
    """Such as the `uid`. In the journal these stand beside `of`."""


@dataclass(frozen=True, slots=True)
class UndoEnded:
    kind: ClassVar[str] = "undo.ended"

    of: int
    """Number of the record that planned it."""
    outcome: UndoOutcome
    detail: str = ""
    attempts: int = 1
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class UndoFailed:
    """The undo is still open."""

    kind: ClassVar[str] = "undo.failed"

    of: int
    why: str = ""
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class GateDecided:
    """Written once, when it is final. The record's step is that whose hypothesis it is of, or
    ''.
    """

    kind: ClassVar[str] = "gate.decided"

    place: GatePlace
    sli: str
    holds: Holds
    bad: int = 0
    total: int = 0
    expected: str = ""
    why: str = ""
    test: str = ""
    """The exact one-sided test, in words."""
    records: tuple[int, ...] = ()
    """First and last of the samples it rests on."""
    took_s: float | None = None


@dataclass(frozen=True, slots=True)
class GuardDecided:
    kind: ClassVar[str] = "guard.decided"

    place: GuardPlace
    guard: str
    holds: Holds
    why: str = ""


@dataclass(frozen=True, slots=True)
class RunAborted:
    kind: ClassVar[str] = "abort"

    by: str
    """`operator`, `guard`, `bound`, `blind`, `deadline`, `journal`, `bug`, or one of a later
    version, which proves nothing.
    """
    why: str


@dataclass(frozen=True, slots=True)
class JournalTorn:
    """The last line had not been written to its end; it was cut off."""

    kind: ClassVar[str] = "journal.torn"

    bytes: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class ActivityStarted:
    """A Chaos Toolkit activity began."""

    id: int
    name: str
    place: Literal["before", "method", "during", "after", "rollback"]
    kind: Literal["action", "probe"]
    undo_guaranteed: bool


@dataclass(frozen=True, slots=True)
class ActivityEnded:
    id: int
    failure: str = ""
    """Class of what it raised, if it did."""
    output: str = ""


@dataclass(frozen=True, slots=True)
class ExperimentEnded:
    status: str
    why: str = ""


ProgressAbout: TypeAlias = ActivityStarted | ActivityEnded | ExperimentEnded


@dataclass(frozen=True, slots=True)
class Progress:
    """What a person who watches should read; never judged, so whatever its shape, it is one."""

    kind: ClassVar[str] = "progress"

    text: str
    about: ProgressAbout | None = None
    """What the runner makes of it. In the journal its fields stand beside `text`."""


@dataclass(frozen=True, slots=True)
class Weakness:
    """What was fragile in something that the drill was to touch, as a rule of `advise` says it."""

    rule: str
    severity: str
    """`critical`, `high`, `medium` or `low`."""
    subject: str
    """`deployment/shop/web`."""
    what: str
    """What is so."""
    why: str
    """Why it matters."""
    mend: str
    """What to do: a command or manifest to paste, or a sentence."""
    proves: str = ""
    """Arguments of `drillkit run` for the drill that would prove it, or ''."""


@dataclass(frozen=True, slots=True)
class WeaknessesFound:
    """What was fragile before anything was broken. Told beside the findings, and never judged."""

    kind: ClassVar[str] = "weaknesses.found"

    found: tuple[Weakness, ...] = ()
    """Gravest first."""
    more: int = 0
    """So many were found that are not in `found`."""
    unread: tuple[str, ...] = ()
    """What was not looked at and why, so that nothing is said of it."""


ANNOUNCED = "announced"
"""Event of a message that is no notifier's: what those who look after the target see of the run."""


@dataclass(frozen=True, slots=True)
class MessageSent:
    """Somebody was told, or was not; never judged. Its address is told without what is secret."""

    kind: ClassVar[str] = "message.sent"

    event: str
    """A `notice.Event`, `announced`, or one that a later version knows."""
    by: str
    """By what: `slack (drillkit.yaml)`."""
    to: str = ""
    """Who hears it: as the receiver's `who` says, else its host or addresses; '' where neither is
    known.
    """
    why: str = ""
    """Why it did not arrive; '' where it was accepted."""

    @property
    def failure(self) -> str:
        """In a sentence, or ''."""
        return f"{self.by} was not told `{self.event}`: {self.why}" if self.why else ""


@dataclass(frozen=True, slots=True)
class UnknownRecord:
    """A kind that this version does not know: the verdict is unknown."""

    kind: str
    data: Mapping[str, Any]

    why: ClassVar[str] = "a kind of record that this version does not know"


@dataclass(frozen=True, slots=True)
class StrangeRecord:
    """A known kind in a shape that it cannot have: the verdict is unknown, and what it may have
    done is taken as done.
    """

    kind: str
    data: Any
    why: str


RunEntry: TypeAlias = (
    RunOpened
    | RunClosed
    | RunRecovered
    | RunSettled
    | PhaseStarted
    | PhaseEnded
    | JournalTorn
    | Progress
    | MessageSent
    | WeaknessesFound
)
StepEntry: TypeAlias = StepStarted | StepEnded
PlannedEffect: TypeAlias = UndoPlanned | EffectIrreversible
EffectEntry: TypeAlias = PlannedEffect | EffectConfirmed | UndoEnded | UndoFailed
DecisionEntry: TypeAlias = GateDecided | GuardDecided | RunAborted
Entry: TypeAlias = (
    RunEntry
    | StepEntry
    | EffectEntry
    | DecisionEntry
    | PeopleEntry
    | Evidence
    | UnknownRecord
    | StrangeRecord
)
"""Everything a record can say."""
