"""What a run is asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from drillkit.clients import Clients
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Drill, Step
from drillkit.model.evidence import Scalar
from drillkit.model.records import Record
from drillkit.model.slo import Slo
from drillkit.model.target import Target
from drillkit.model.verdict import Verdict
from drillkit.plan import Plan
from drillkit.runner.session import Session
from drillkit.steps.base import Experiment, RunNames

if TYPE_CHECKING:
    from drillkit.notify import Receiver
    from drillkit.prestart import Prestarted
    from drillkit.spec.freezes import Freeze

Outputs = Mapping[str, Mapping[str, Scalar]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to run."""

    drill: Drill
    source: bytes
    """The drill's file as it was read, for its digest."""
    target: Target
    names: RunNames
    reports: Path
    bind: Callable[[Step, Outputs | None], object | None]
    """Arguments of a step's kind; with None for the outputs: None when they depend on these."""
    find_experiment: Callable[[str], Experiment]
    trigger: str = "operator"
    digests: Mapping[str, str]
    launched_pid: int | None = None
    """Process of a target that was started for this run."""
    watch: Callable[[Record], None] | None = None
    """Called with each record, in order, from a thread of the runner."""
    wait_for_lock_s: float = 0.0
    slos: Mapping[str, Slo] = field(default_factory=dict)
    """The objectives that the drill refers to, by name."""
    freezes: Mapping[str, Freeze] = field(default_factory=dict)
    """The freezes of its guards, by their text."""
    prestarted: Prestarted | None = None
    """A process for Chaos Toolkit that waits already; whoever started it ends it."""
    ahead: Callable[[Path], None] = lambda folder: None
    """Work for an idle moment while the steps run, such as imports; it is handed the run's folder.
    Must not raise.
    """
    enter: Callable[[Path], None] = lambda folder: None
    """Enters the run into the chain of runs, before its first effect. Raises OSError, DrillError:
    then nothing is touched.
    """
    attended: bool = False
    """A game day: people decide before each step, do what is to be done by hand, and debrief."""
    participants: tuple[tuple[str, str], ...] = ()
    """(name, role) of those who take part from the beginning."""
    people: Callable[[Session], None] = lambda session: None
    """Handed the session before anything happens: whoever shows it and takes input in this process.
    Must return at once.
    """
    allow_unsafe: bool = False
    """Calls that are known to be dangerous pass, on a target that is not protected."""
    receivers: tuple[Receiver, ...] = ()
    """Who is told what happens."""
    report_url: str | None = None
    """Where the folder of reports is served, for links in messages."""
    admit: Callable[[Plan, Clients], None] = lambda plan, clients: None
    """Sees the plan that the run made itself, before its first effect. Raises Refused, CallError:
    then nothing is touched.
    """


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of a run."""

    folder: Path
    verdict: Verdict
    left: tuple[str, ...]
    """Resources whose undo is still open."""
    journal_lost: str = ""
    unsent: str = ""
    """Why the bucket that its journal goes to lacks the end of it, or ''."""
