"""Worker's side: turns what happens inside Chaos Toolkit into journal lines, while it happens.

Chaos Toolkit swallows the exceptions of a handler, but not SystemExit: an activity whose start
could not be written down does not start, and none after it.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal

from chaoslib import substitute
from chaoslib.run import RunEventHandler

from drillkit.clients.chaostoolkit.foreign import ForeignAction
from drillkit.clients.chaostoolkit.hits import failure_of, hit_of
from drillkit.clients.chaostoolkit.literals import resolved_values
from drillkit.clients.chaostoolkit.protocol import Place, is_own, provider_of
from drillkit.clients.chaostoolkit.session import Notes, WorkerSession
from drillkit.clients.chaostoolkit.validity import decides_nothing
from drillkit.journal.book import observe
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import DrillError, JournalLost, Refused, StepUnknown
from drillkit.model.evidence import Activity
from drillkit.model.records import ActivityEnded, ActivityStarted, Progress
from drillkit.model.units import format_duration
from drillkit.secrets import KNOWN

HARSH = 30
"""SystemExit with this code makes Chaos Toolkit leave without waiting for background activities."""
OUTPUT_KEPT = 2_000
OUTPUT_READ = 64 * 1024
"""Characters of an output that are looked at; a secret cut in two at this place is behind what
is kept.
"""
ERROR_KEPT = 1_500
BROKEN_OFF = "broken off"


@dataclass(slots=True)
class _Running:
    number: int
    place: Place
    began: float


@dataclass(slots=True)
class _Over:
    activity: Mapping[str, Any]
    run: Mapping[str, Any]
    place: Place
    took: float
    notes: Notes
    raised: str


class Streaming(RunEventHandler):  # type: ignore[misc]
    """Writes activities down at their start and at their end."""

    def __init__(
        self,
        session: WorkerSession,
        place: Place,
        has_rollbacks: bool,
        before_first: Callable[[Mapping[str, Any]], None] = lambda configuration: None,
    ) -> None:
        """`before_first` is called with the resolved configuration, once, before the first thing
        that could change anything: the method, or an action anywhere else. What it raises ends the
        experiment."""
        self._session, self._place = session, place
        self._has_rollbacks, self._before_first = has_rollbacks, before_first
        self._configuration: Any = {}
        self._secrets: Any = {}
        self._number = 0
        self._lock = threading.Lock()
        self._local = threading.local()
        self._prepared = False
        self._stopping = False
        self.stopped_by: DrillError | None = None

    def running(
        self,
        experiment: Any,
        journal: Any,
        configuration: Any,
        secrets: Any,
        schedule: Any,
        settings: Any,
    ) -> None:
        KNOWN.learn(resolved_values(secrets))
        self._configuration, self._secrets = configuration, secrets

    def start_hypothesis_before(self, experiment: Any) -> None:
        self._place = "before"

    def hypothesis_before_completed(self, experiment: Any, state: Any, journal: Any) -> None:
        self.flush()

    def start_method(self, experiment: Any) -> None:
        self._place = "method"
        self._prepare()

    def _prepare(self) -> None:
        """Before anything is changed. Probes change nothing, so that there is nothing to roll back
        where the steady state before has kept the method from beginning.
        """
        with self._lock:
            if self._prepared:
                return
            self._prepared = True
        try:
            self._before_first(self._configuration)
        except DrillError as why:  # Chaos Toolkit would go on behind any other exception
            self._leave(why)

    def start_continuous_hypothesis(self, frequency: int) -> None:
        self._local.place = "during"  # it has a thread of its own

    def continuous_hypothesis_iteration(self, iteration_index: int, state: Any) -> None:
        self.flush()

    def start_hypothesis_after(self, experiment: Any) -> None:
        self._place = "after"

    def hypothesis_after_completed(self, experiment: Any, state: Any, journal: Any) -> None:
        self.flush()

    def start_activity(self, activity: Any) -> None:
        self.flush()
        self._local.running = None
        if self._stopping:
            raise SystemExit(HARSH)
        with self._lock:
            self._number += 1
            number = self._number
        place: Place = getattr(self._local, "place", self._place)
        kind, name = activity["type"], self._name(activity)
        if kind == "action":
            self._prepare()
        foreign = kind == "action" and not is_own(activity)
        started = ActivityStarted(number, name, place, kind, undo_guaranteed=not foreign)
        try:
            if foreign and place == "method":
                self._session.book.plan(
                    ForeignAction(name, provider_of(activity), self._has_rollbacks)
                )
            self._session.book.append(Progress(f"{kind} {name} started", started), durable=False)
        except (JournalLost, Refused) as why:
            self._leave(why)
        self._session.begin()
        self._local.running = _Running(number, place, self._session.clock.mono())

    def activity_completed(self, activity: Any, run: Any) -> None:
        running: _Running | None = getattr(self._local, "running", None)
        if running is None:  # it was not let start
            return
        self._local.running = None
        took = self._session.clock.mono() - running.began
        over = _Over(activity, run, running.place, took, self._session.end(), _raised(run))
        self._local.over = over
        self._tell_end(running.number, over)
        if running.place in ("method", "rollback") or run.get("status") != "succeeded":
            self.flush()  # that of a hypothesis waits for its tolerance, which is looked at next

    def flush(self) -> None:
        """Write down the activity of this thread that waited for its tolerance."""
        over: _Over | None = getattr(self._local, "over", None)
        self._local.over = None
        if over is None:
            return
        try:
            observe(self._session.book, self._evidence(over), durable=True)
        except JournalLost as why:
            self._leave(why)

    def _evidence(self, over: _Over) -> Activity:
        activity, run, kind = over.activity, over.run, over.activity["type"]
        worked = run.get("status") == "succeeded"
        judged = over.place not in ("method", "rollback") and worked
        tolerated = run.get("tolerance_met") if judged else None
        if tolerated and self._decides_nothing(activity):
            tolerated = None
        arguments = (activity.get("provider") or {}).get("arguments") or {}
        if isinstance(arguments, Mapping):
            arguments = substitute(dict(arguments), self._configuration, self._secrets)
        hit, targets = hit_of(
            activity, arguments, run.get("output") if worked else None, over.notes
        )
        error = failure_of(activity, run.get("output")) if worked else _shorter(over.raised)
        return Activity(
            name=self._name(activity),
            place=over.place,
            kind=kind,
            outcome=self._outcome(worked, error, over.notes.failure),
            hit=hit if kind == "action" else None,
            tolerated=tolerated,
            took_s=round(over.took, 6),
            error=KNOWN.text(error[:OUTPUT_READ])[:ERROR_KEPT],
            targets=targets,
            undo_guaranteed=kind == "probe" or is_own(activity),
        )

    def _decides_nothing(self, activity: Mapping[str, Any]) -> bool:
        """Whether it would have been within its tolerance whatever there was to be seen."""
        provider = dict(activity.get("provider") or {})
        resolved = substitute(provider, self._configuration, self._secrets)
        return decides_nothing({**activity, "provider": resolved})

    def _outcome(
        self, worked: bool, error: str, raised: Exception | None
    ) -> Literal["succeeded", "failed", "unproven", "cut"]:
        if worked:
            return "failed" if error else "succeeded"
        if isinstance(raised, StepUnknown):
            return "unproven"
        return "cut" if self._stopping and error == BROKEN_OFF else "failed"

    def missing(self, activity: Mapping[str, Any], play: Callable[[], object]) -> None:
        """Play a rollback, and write it down as failed when it did not even start (a control
        stopped it).
        """
        before = self._number
        play()
        self.flush()
        if self._number == before:
            evidence = Activity(
                name=self._name(activity),
                place="rollback",
                kind=activity["type"],
                outcome="failed",
                hit=None,
                tolerated=None,
                took_s=0.0,
                error="it did not start: a control stopped it",
                undo_guaranteed=activity["type"] == "probe" or is_own(activity),
            )
            observe(self._session.book, evidence, durable=True)

    def _tell_end(self, number: int, over: _Over) -> None:
        ended = over.run.get("status") or BROKEN_OFF
        text = (
            f"{over.activity['type']} {self._name(over.activity)} {ended} after "
            f"{format_duration(over.took)}"
        )
        failure, output = over.notes.failure, over.run.get("output")
        kept = "" if output is None else _plain(output)[:OUTPUT_READ]
        about = ActivityEnded(
            number,
            "" if failure is None else type(failure).__name__,
            KNOWN.text(kept)[:OUTPUT_KEPT],
        )
        try:
            self._session.book.append(Progress(text, about), durable=False)
        except JournalLost as why:
            self._leave(why)

    def _name(self, activity: Mapping[str, Any]) -> str:
        return KNOWN.text(str(activity["name"]))

    def stop(self) -> None:
        """The worker was told to end: nothing more starts."""
        self._stopping = True

    def _leave(self, why: DrillError) -> None:
        self._stopping = True
        self.stopped_by = self.stopped_by or why
        raise SystemExit(HARSH) from why


def _raised(run: Mapping[str, Any]) -> str:
    """What an activity raised. Chaos Toolkit writes down only what it expects; the rest is passing
    by right now.
    """
    if lines := run.get("exception"):
        # The last one is the exception itself; the way it came is in the log, for whoever wrote
        # the activity.
        return str(lines[-1]).strip()
    error = sys.exc_info()[1]
    if error is None or isinstance(error, SystemExit | KeyboardInterrupt):
        return BROKEN_OFF
    return f"{type(error).__name__}: {error}"


def _shorter(text: str) -> str:
    """Without the names of exception classes that say nothing to a reader."""
    text = text.removeprefix("chaoslib.exceptions.ActivityFailed: ")
    return text.partition(": ")[2] if text.startswith("drillkit.model.errors.") else text


def _plain(output: Any) -> str:
    if isinstance(output, str):
        return output
    try:
        return json.dumps(output, default=str, ensure_ascii=False)
    except (TypeError, ValueError):
        return repr(output)
