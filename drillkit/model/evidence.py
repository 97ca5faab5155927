"""Evidence: what was observed. A closed set; judge and report match on it and end
in `assert_never`.

Number, date, monotonic time, writer and step stand in the record around it, so no class repeats
them. Times inside are seconds on the run's monotonic axis, unless they come from the other side
(datetime, UTC). Outages, RTO, RPO, burn and percentiles are not here: the judge derives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal, TypeAlias

from drillkit.lazy_dataclass import dataclass

Scalar: TypeAlias = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Sample:
    """One second of one probe."""

    sli: str
    sent: int
    good: int
    bad: Mapping[str, int]
    """Cause to count: refused, timeout, reset, 5xx, 4xx, slow, dns, tls, body, throttled (403,
    429), unreachable (no route), status (another that was not expected)."""
    latency_us: Mapping[int, int]
    """Upper bound of a bucket in microseconds (log-linear, at most 2 % wide) to count; from the
    intended send. Good and slow ones only: a failed one has no latency, the judge counts it as
    slower than any."""
    flips: tuple[tuple[float, bool], ...]
    """(intended send, good) of the first probe and of each that differs from the one before it."""
    last: tuple[tuple[float, bool], ...]
    """(intended send, good) of the probe just before each flip after the first, and of the last one
    of the second.
    """
    lateness_p99_us: int
    """99th percentile of actual minus intended send."""
    dropped: int
    """Not sent, or sent and not watched, by our own fault: nothing is known of these."""
    control: bool = False
    """A control probe: something the drill should not affect."""


ALERTS_SLI = "alerts"
"""`sli` of the Readings that show that alerts could be read at all (`total`: how many fired)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer of a metrics server over a window that ends at the record's time."""

    sli: str
    query: str
    window_s: float
    good: float | None
    """None: no data; `why` says what came instead."""
    total: float | None
    why: str = ""
    place: Literal["guard", "before", "during", "after", "watch"] = "during"


@dataclass(frozen=True, slots=True)
class Alert:
    name: str
    labels: Mapping[str, str]
    state: Literal["firing", "resolved"]
    since: datetime
    expected: bool = False


@dataclass(frozen=True, slots=True)
class Activity:
    """One activity of a Chaos Toolkit experiment, judged by us and not by the experiment's
    status.
    """

    name: str
    place: Literal["before", "method", "during", "after", "rollback"]
    kind: Literal["action", "probe"]
    outcome: Literal["succeeded", "failed", "unproven", "cut", "skipped"]
    """`unproven`: it did what it was to do, as far as anybody could see, and cannot show that it
    had its effect.
    """
    hit: int | None
    """Targets touched; 0 of an action that should touch some is a failure; None: the activity
    cannot say.
    """
    tolerated: bool | None
    """Whether a hypothesis probe met its tolerance; None: no tolerance."""
    took_s: float
    error: str = ""
    targets: tuple[str, ...] = ()
    """What was touched, such as `pod/shop/web-5d9c-x7k2p`."""
    undo_guaranteed: bool = True
    """False for an action of a foreign extension: its rollbacks run at least once, no more
    is known.
    """


@dataclass(frozen=True, slots=True)
class Check:
    """`found OP expected`, compared by the judge. `found` None: it could not be read, so nothing
    is proven.
    """

    name: str
    purpose: Literal["guard", "prerequisite", "in-effect", "step", "restored-data", "felt"]
    """`in-effect`: was the fault there while it should have been; a no makes the step unknown,
    not violated. `felt`: could requests of users have met it; a no makes bounds of probes unknown.
    """
    expected: Scalar
    op: Literal["==", "!=", ">", "<", ">=", "<=", "matches"]
    found: Scalar | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Injection:
    """What a fault puts into the way of requests, so that the judge can look whether any met it.
    Faults whose effect is proven otherwise (a pod is gone) write none.
    """

    effect: Literal["delay", "loss", "errors"]
    """`delay`: requests take longer; `loss`: packets are lost, so that requests take longer or
    fail; `errors`: requests fail."""
    what: str
    """For people: `200 ms latency`."""
    delay_s: float = 0.0
    """Of a `delay`: by how many seconds."""
    share: float = 1.0
    """Which part of the requests is to meet it (0..1)."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment. RTO's split, recovery and a game day's times to detect and mitigate are differences
    of marks. `released`: a fault that was asked to last did so, and is let go; recovery is from
    then on.
    """

    moment: Literal[
        "disrupted",
        "decided",
        "queued",
        "started",
        "restored",
        "ready",
        "warm",
        "verified",
        "released",
        "recovered",
        "detected",
        "acknowledged",
        "mitigated",
        "resolved",
    ]
    at: float
    simulated: bool = False
    by: str = ""
    """Who said so; '': it was measured."""


@dataclass(frozen=True, slots=True)
class RecoveryPoint:
    """Up to when the restored data reaches."""

    at: datetime
    basis: Literal["canary", "newest-row", "latest-restorable", "snapshot", "backup"]
    disrupted: datetime | None = None
    """When the data was lost, if that is known."""
    same_clock: bool = False
    """Whether `disrupted` is by the clock that `at` is by. Else it is by the runner's, which may be
    apart from it.
    """

    @property
    def measured(self) -> bool:
        """Read from restored data, not promised by the provider."""
        return self.basis in ("canary", "newest-row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """The backup that a step restores, as its keeper describes it, and which of how many it is.
    None or '': its keeper does not say, or could not be asked; `unread` says why.
    """

    name: str
    of: str
    """What it is a backup of, and of what kind: `schedule shop-daily`, `rds instance/db`."""
    how: Literal["latest", "random", "named", "fresh", "moment"]
    """How it was chosen: `fresh`, the drill took it itself; `moment`, a point of a continuous
    backup, which the drill names.
    """
    among: tuple[str, ...] = ()
    """All that could have been chosen, the oldest first; empty: nobody listed them."""
    between: tuple[datetime, datetime] | None = None
    """Of a continuous backup: the first and the last moment that could have been chosen."""
    moment: datetime | None = None
    """Of a continuous backup: the moment that was chosen; None: the last one."""
    seed: str = ""
    """Of a random choice: with it anybody draws the same again (`drillkit.model.draw`)."""
    created: datetime | None = None
    bytes: int | None = None
    counted: str = ""
    """What `bytes` counts, such as `allocated storage`: keepers count differently."""
    place: str = ""
    """Where it is kept: `s3://backups/velero`, `account 123456789012`."""
    region: str = ""
    encrypted: bool | None = None
    kms_key: str = ""
    """Name of the key that it is encrypted with, or of the method."""
    immutable: bool | None = None
    """Whether nobody can delete it before `immutable_until`."""
    immutable_until: datetime | None = None
    lock: str = ""
    """What locks it, or why nothing does: `Object Lock, COMPLIANCE`."""
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Settings of a copy, objects of a namespace, checksums of key ranges: what differs, out of
    how much.
    """

    of: Literal["settings", "objects", "checksums"]
    subject: str
    compared: int
    differs: tuple[tuple[str, str | None, str | None], ...]
    """(what, at the source, in the copy)."""
    allowed: tuple[str, ...] = ()
    """Differences that the drill itself forces."""


@dataclass(frozen=True, slots=True)
class Measure:
    name: str
    value: float
    unit: Literal["s", "bytes", "rows", "objects", "calls", "instance-hours", "ms"]


@dataclass(frozen=True, slots=True)
class Note:
    by: str
    text: str
    about: Literal["hypothesis", "observation", "decision", "manual-step", "action-item"]
    owner: str = ""
    due: date | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of the run's `attachments/` folder, tied to the journal by its digest."""

    name: str
    media_type: str
    sha256: str
    bytes: int


Evidence: TypeAlias = (
    Sample
    | Reading
    | Alert
    | Activity
    | Check
    | Injection
    | Mark
    | RecoveryPoint
    | Backup
    | Comparison
    | Measure
    | Note
    | Attachment
)
EVIDENCE: Mapping[str, type[Evidence]] = {
    cls.__name__: cls
    for cls in (
        Sample,
        Reading,
        Alert,
        Activity,
        Check,
        Injection,
        Mark,
        RecoveryPoint,
        Backup,
        Comparison,
        Measure,
        Note,
        Attachment,
    )
}
