"""A drill as it stands in a YAML file. Fields are the schema; the text under a field is
its reference.

A trailing underscore in a field's name is not part of its key (`with_` is `with`); an underscore
inside is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta
from typing import Any, ClassVar, Literal, TypeAlias

from drillkit.lazy_dataclass import dataclass
from drillkit.model.audit import Audit
from drillkit.model.evidence import Scalar
from drillkit.model.notice import Notify
from drillkit.model.units import Cadence, OutOf, Rate, Share

DEFAULT_RATE = Rate(20.0)
"""Finds an outage of 0.1 s and costs nobody anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A constant-rate, open-loop probe. Exactly one of `http` and `tcp`."""

    http: str | None = None
    """URL to GET."""
    tcp: str | None = None
    """`host:port` to connect to."""
    rate: Rate = DEFAULT_RATE
    """How often: `20/s`. Requests are sent at their intended times, whatever the answers do."""
    timeout: timedelta = timedelta(seconds=2)
    """No answer by then is a failure."""
    slow: timedelta | None = None
    """An answer later than this counts as bad, cause `slow`."""
    expect: Scalar = "2xx"
    """Status that is good: `200`, `2xx` or `2xx,3xx`."""
    body: str | None = None
    """Text that the answer must contain."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Request headers; a value may be a reference (`env:NAME`, `file:PATH`)."""
    fresh: bool = True
    """A new connection and DNS look-up per probe, as a new user would need."""
    ca_file: str | None = None
    """Certificate authority of an https URL, besides the system's."""
    control: bool = False
    """A probe of something that the drill should not affect: when it fails too, the drill is blind,
    not the service.
    """

    def __post_init__(self) -> None:
        if (self.http is None) == (self.tcp is None):
            raise ValueError("expected exactly one of `http` and `tcp`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What must hold of one probe or SLO before or after."""

    bad: OutOf | None = None
    """At most so many bad of so many: `2 of 200`. The window is as long as that many
    probes take.
    """
    within: timedelta | None = None
    """How long it may take until the gate holds; default: the phase's."""
    confidence: Share | None = None
    """Decide by the exact one-sided test at this confidence instead of by the declared count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSet:
    """Gates of one phase, by the name of a probe or SLO."""

    slo: tuple[str, ...] = ()
    """SLOs that must hold as their documents say."""
    within: timedelta | None = None
    """How long it may take until all hold. Default: `settle` of the drill."""
    gates: Mapping[str, Gate] = field(default_factory=dict, metadata={"extra": True})
    """Any other key is the name of a probe or SLO, with its gate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What is tolerated of one probe or SLO while steps run. Undeclared is observed, not judged."""

    bad: int | None = None
    """So many bad requests at most."""
    longest_gap: timedelta | None = None
    """No outage longer than this. The bracket's upper end decides."""
    budget: Share | None = None
    """Share of the SLO's error budget that the drill may consume."""
    recovery: timedelta | None = None
    """From the end of the fault to the first good request of the rest."""
    p95: timedelta | None = None
    """95 of 100 requests faster than this, failed ones counted as slow."""
    p99: timedelta | None = None
    """99 of 100 requests faster than this, failed ones counted as slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """The steady state, before, while and after."""

    before: GateSet = GateSet()
    """Missed: nothing is touched (exit 4)."""
    during: Mapping[str, Bounds] = field(default_factory=dict)
    """Bounds by the name of a probe or SLO."""
    after: GateSet = GateSet()
    """Missed: violated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detect:
    """Who must notice: an alert, or people."""

    alert: str | None = None
    """Name of the alert. Without: people, who say `mark detected`."""
    within: timedelta
    """From the injection to the alert firing, or to the mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objectives:
    """What a step must achieve. A missed one is violated; one that cannot be measured
    is unknown.
    """

    rto: timedelta | None = None
    """Recovery time objective: declared disruption to the last passing check."""
    rpo: timedelta | None = None
    """Recovery point objective: newest record in the restored data to the disruption."""
    recovery: timedelta | None = None
    """From the fault to the workload being whole again (replacement ready, users served)."""
    detect: Detect | None = None
    """An alert that must fire in time, or people who must notice in time."""
    acknowledge: timedelta | None = None
    """From the injection until people say `mark acknowledged`."""
    mitigate: timedelta | None = None
    """From the injection until people say `mark mitigated`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCheck:
    """A check on what a step left. Exactly one of `sql`, `rows`, `newest`, `checksum`, `canary`,
    `http`, `command`, `uses`.
    """

    SUBJECTS: ClassVar[tuple[str, ...]] = (
        "sql",
        "rows",
        "newest",
        "checksum",
        "canary",
        "http",
        "command",
        "uses",
    )
    """Keys that say what it is about."""
    OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "keys": ("checksum",),
        "table": ("rows", "newest", "checksum"),
        "with": ("uses",),
        **dict.fromkeys(
            ("from", "database"), ("sql", "rows", "newest", "checksum", "canary", "uses")
        ),
    }
    """Keys that go with some of these only."""

    sql: str | None = None
    """A query that gives one value. Run in a read-only transaction."""
    rows: bool = False
    """Count the rows of `table`; default expectation: `> 0`."""
    newest: str | None = None
    """A timestamp column of `table`: the age of its newest row at the disruption
    (`expect: "< 10m"`).
    """
    checksum: str | None = None
    """A whole-number key of `table`: the rows of `keys` must be equal in the original and in
    the copy.
    """
    keys: str | None = None
    """Key range of `checksum`, such as `1..5000`. Default: all keys of the copy."""
    http: str | Mapping[str, Scalar] | None = None
    """A URL, or `{service: web, path: /health}` in the restored namespace."""
    canary: str | None = None
    """Name of the heartbeat whose newest row must be found and signed."""
    command: tuple[str, ...] | None = None
    """A command that must end with 0; its output is the value."""
    uses: str | None = None
    """Name of a check that another package brings."""
    with_: Mapping[str, Scalar] = field(default_factory=dict)
    """Arguments of the check that `uses` names."""
    expect: str | None = None
    """`> 0`, `== 42`, `matches ^ok`; default: the check's own idea of success."""
    name: str | None = None
    """Name in the report. Default: made from the check itself."""
    from_: Literal["here", "cluster"] = "here"
    """`cluster`: run by a Job inside the target's cluster, when the runner cannot reach
    the copy.
    """
    database: str | None = None
    """Database to connect to. Default: the one that the instance was made with."""
    table: str | None = None
    """Table for `rows`, `newest` and `checksum`."""
    instance: str | None = None
    """RDS instance or Aurora cluster to ask, one of the target's `databases`. Needed where the step
    itself restores no database, as `command` and `chaostoolkit`.
    """
    within: timedelta = timedelta(minutes=2)
    """How long to try until it passes."""

    @property
    def subjects(self) -> tuple[str, ...]:
        """Those of `SUBJECTS` that are given."""
        return tuple(key for key in self.SUBJECTS if getattr(self, key) not in (None, False))


OnFailure: TypeAlias = Literal["stop", "continue"]
Otherwise: TypeAlias = Literal["go", "skip", "abort"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Wait for people before a step, and no longer than that. Between steps only: no effect ever
    waits for anybody.
    """

    for_: timedelta = timedelta(minutes=10)
    """How long."""
    else_: Otherwise = "abort"
    """What happens when nobody has decided by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do."""

    name: str = ""
    """Name in the report; unique in a drill. Default: made from `uses`."""
    uses: str
    """Kind of step, such as `chaostoolkit`. `drillkit kinds` lists them."""
    with_: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the kind."""
    objectives: Objectives = Objectives()
    """What it must achieve."""
    checks: tuple[StepCheck, ...] = ()
    """What must be true of what it left; the last of them ends its RTO."""
    hypothesis: Hypothesis | None = None
    """Adds to the drill's hypothesis while this step runs; never replaces it."""
    limit: timedelta | None = None
    """The step is cut after this. Default: what is left of the drill's limit."""
    on_failure: OnFailure = "stop"
    """`continue`: later steps run all the same."""
    hold: Hold | None = None
    """Wait for people before it begins. A game day holds before each step anyway, without a
    limit of its own.
    """
    secret: bool = False
    """A surprise: observers of a game day are not told what comes before it has begun."""

    @property
    def members(self) -> tuple[Step, ...]:
        """Itself: what a group has several of."""
        return (self,)

    @property
    def group(self) -> str:
        """None: a step by itself."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Steps at the same time. Siblings finish unless an abort fires; the group takes the
    worst result.
    """

    name: str = ""
    """Name in the report. Default: `parallel-N`."""
    parallel: tuple[Step, ...]
    """The steps."""
    limit: timedelta | None = None
    """The group is cut after this."""
    on_failure: OnFailure = "stop"
    """`continue`: later steps run all the same."""
    hold: Hold | None = None
    """Wait for people before it begins. A game day holds before each step anyway, without a
    limit of its own.
    """
    secret: bool = False
    """A surprise: observers of a game day are not told what comes before it has begun."""

    @property
    def members(self) -> tuple[Step, ...]:
        """Its steps."""
        return self.parallel

    @property
    def group(self) -> str:
        """Its own name."""
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A condition that refuses a start or aborts a run. Exactly one of the subject keys."""

    alerts: str | None = None
    """PromQL matchers of alerts: none of them may fire (`severity="critical"`)."""
    budget: str | None = None
    """Name of an SLO: `left` (start) at least, `spent` (abort) at most."""
    left: Share | None = None
    """With `budget`, start: refuse when less is left."""
    spent: Share | None = None
    """With `budget`, abort: stop when the drill has spent more."""
    slo: str | None = None
    """Name of an SLO that must not be violated (start), or whose burn is watched (abort
    with `burn`).
    """
    burn: float | None = None
    """With `slo`, abort: lower bound of the burn rate over `window` above this."""
    window: timedelta | None = None
    """With `burn`: how long a window."""
    probe: str | None = None
    """Name of a probe, with `longest_gap` or `bad`."""
    longest_gap: timedelta | None = None
    """With `probe`, abort: an outage longer than this."""
    bad: int | None = None
    """With `probe`, abort: more bad requests than this."""
    freeze: str | None = None
    """iCalendar file beside the drill, the URL of one (or `env:NAME`, `file:PATH` where the URL is
    a secret), or `YYYY-MM-DD..YYYY-MM-DD`: a drill that disturbs users is refused inside it. One
    that begins while a drill runs lets no further step begin that disturbs them. Days are those of
    `window.timezone`.
    """
    blind: timedelta | None = None
    """Abort when the sampler or metrics give nothing for so long."""

    def __post_init__(self) -> None:
        subjects = [
            k
            for k in ("alerts", "budget", "slo", "probe", "freeze", "blind")
            if getattr(self, k) is not None
        ]
        if len(subjects) != 1:
            raise ValueError(
                "expected exactly one of `alerts`, `budget`, `slo`, `probe`, `freeze` and `blind`"
            )

    @property
    def subject(self) -> str:
        """The one key it is about."""
        return next(
            k
            for k in ("alerts", "budget", "slo", "probe", "freeze", "blind")
            if getattr(self, k) is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """Conditions under which drillkit refuses or stops."""

    start: tuple[Guard, ...] = ()
    """Refuse to start (exit 4)."""
    abort: tuple[Guard, ...] = ()
    """Abort while running."""
    expected_alerts: tuple[str, ...] = ()
    """Names of alerts that the drill itself should cause; they do not abort it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartWindow:
    """When a drill may run."""

    hours: str
    """`02:00-05:00`; may cross midnight."""
    timezone: str = "UTC"
    """IANA name."""
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = ()
    """Days it may begin on. Default: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announce:
    """What those who look after the target see before the first effect."""

    event: bool = False
    """Post a Kubernetes Event about the run's lock: who drills, until when, how to stop it."""
    grafana: bool = False
    """Mark the run as a region in the target's `grafana`. One that does not answer keeps nobody
    from a drill.
    """
    silence: tuple[str, ...] = ()
    """Alerts that page nobody while the drill runs: a name, or matchers with one
    (`alertname="PodNotReady", namespace="shop"`), silenced in the Alertmanager of the target's
    `prometheus` until the end of the run at the latest. No `expected_alerts`, nor an alert of
    `detect`. Guards see them all the same. What cannot be silenced keeps the drill from starting.
    """


ROLES = ("facilitator", "operator", "scribe", "safety", "observer")
"""Who somebody is in a game day."""
DEBRIEF = (
    "What went well?",
    "What surprised us?",
    "Where did we have luck?",
    "What must change before the next time?",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gameday:
    """A drill with people in it: `drillkit gameday`. Nothing of it counts in `drillkit run`."""

    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Who takes part, by role: `facilitator`, `operator`, `scribe`, `safety`, `observer`.
    `--role` adds to them.
    """
    expectations: tuple[str, ...] = ()
    """What the team expects to happen, one sentence each; each gets a yes or a no at the end."""
    limit: timedelta = timedelta(hours=4)
    """The session is aborted after this. While people decide, the drill's own `limit` stands
    still.
    """
    debrief: tuple[str, ...] = DEBRIEF
    """What is asked at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A rehearsal of a disaster: who owns it, what must hold, when to refuse or stop, and its steps
    in order.
    """

    drill: str
    """Name: lower-case letters, digits and dashes."""
    description: str = ""
    """What it rehearses and why, for the report."""
    owner: str = ""
    """Who answers for it."""
    target: str | None = None
    """Target of `targets.yaml` it runs against, unless the command line says otherwise."""
    cadence: Cadence | None = None
    """How often it is due: `daily`, `weekly`, `monthly`, `quarterly`, `yearly`, or a cron
    expression such as `0 3 * * MON`, by the clocks of `window.timezone`. See `drillkit due`.
    """
    window: StartWindow | None = None
    """When it may run."""
    limit: timedelta = timedelta(hours=1)
    """The whole drill is aborted after this. Never cuts clean-up."""
    cleanup_limit: timedelta = timedelta(minutes=15)
    """Clean-up gives up after this and leaves the rest to `drillkit recover`."""
    settle: timedelta = timedelta(minutes=2)
    """How long the hypothesis may take to hold again before each step that disturbs users."""
    vars: Mapping[str, Scalar] = field(default_factory=dict)
    """Values that `--set` and `--var-file` may replace; used as `${name}` or `${vars.name}`."""
    probes: Mapping[str, Probe] = field(default_factory=dict)
    """Probes by name."""
    slos: tuple[Mapping[str, Any], ...] = ()
    """OpenSLO documents inline; others are found by name in `slos/`."""
    hypothesis: Hypothesis = Hypothesis()
    """The steady state."""
    guards: Guards = Guards()
    """When to refuse and when to stop."""
    notify: tuple[Notify, ...] = ()
    """Who is told what happens to it, besides those of `drillkit.yaml`."""
    announce: Announce = Announce()
    """What is seen of it in the cluster, Grafana and the Alertmanager while it runs."""
    audit: Audit = field(default_factory=Audit)
    """What auditors ask and no measurement tells: scope, scenario, references, participants."""
    gameday: Gameday | None = None
    """Who takes part in a game day, and what they expect."""
    steps: tuple[Step | Group, ...]
    """What to do, in order."""

    @property
    def every_step(self) -> tuple[Step, ...]:
        """All steps in order, those of groups as well."""
        return tuple(step for entry in self.steps for step in entry.members)
