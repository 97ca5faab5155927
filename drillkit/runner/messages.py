"""Tells people what happens to a run: a reader of its journal that nobody waits for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from drillkit.clients.kube.lease import LOCK
from drillkit.clients.kube.ownership import STOP
from drillkit.clock import Clock, utc
from drillkit.journal.file import Journal
from drillkit.judge.wording import title
from drillkit.model.errors import JournalLost
from drillkit.model.notice import Event, Notice, Number
from drillkit.model.records import (
    HoldOpened,
    MessageSent,
    PhaseStarted,
    Record,
    RunAborted,
)
from drillkit.model.target import Target
from drillkit.model.units import format_duration
from drillkit.model.verdict import Holds, Judged, Verdict
from drillkit.runner.run_start import operator

if TYPE_CHECKING:
    from drillkit.model.drill import Drill
    from drillkit.notify import Messenger, Receiver
    from drillkit.steps.base import RunNames

_WORST_FIRST = (Holds.VIOLATED, Holds.UNKNOWN, Holds.MET)


class RunMessages:
    """The messages of one run."""

    def __init__(
        self,
        receivers: Iterable[Receiver],
        journal: Journal,
        clock: Clock,
        names: RunNames,
        drill: Drill,
        target: Target,
        report_url: str | None,
    ) -> None:
        self._journal, self._clock = journal, clock
        self._names, self._drill, self._target = names, drill, target
        self._link = report_link(report_url, names.drill, names.id)
        self._messenger = _messenger(tuple(receivers), self._note)

    def read(self, record: Record) -> None:
        """Any record, as it is written."""
        if self._messenger is None:
            return
        match record.entry:
            case PhaseStarted("steps"):
                steps = len(self._drill.steps)
                what = f"It starts now, {steps} step{'s' if steps != 1 else ''}."
                about = f" {' '.join(self._drill.description.split())}".rstrip()
                self.tell("started", f"{what}{about}", how_to_stop(self._names.id, self._target))
            case HoldOpened(limit_s=float(limit_s)) as hold:
                # Only what the drill declares: at the others of a game day people are there.
                what = "a surprise" if hold.secret else record.step
                within = f"{format_duration(limit_s)} from now, else {hold.otherwise}"
                self.tell(
                    "held",
                    f"It waits before {what} until somebody decides ({within}).",
                    f"To decide: drillkit say --run {self._names.id} go (or skip WHY, or stop)",
                )
            case RunAborted(by=by, why=why):
                self.tell("aborted", f"Stopped ({by}): {why}. Everything is being undone.")

    def tell(self, event: Event, headline: str, advice: str = "") -> None:
        """Something happened. Never blocks."""
        if self._messenger is not None:
            self._messenger.tell(self._notice(event, headline, advice))

    def ended(self, verdict: Verdict, left: tuple[str, ...]) -> None:
        """The run is over: tell what came of it, and wait a little until all was told."""
        if self._messenger is None:
            return
        self._messenger.tell(
            self._notice(
                event_of(verdict),
                verdict.headline,
                _advice(verdict, left),
                numbers_of(verdict),
                verdict.exit_code,
            )
        )
        self._messenger.finish()

    def _notice(
        self,
        event: Event,
        headline: str,
        advice: str = "",
        numbers: tuple[Number, ...] = (),
        exit_code: int | None = None,
    ) -> Notice:
        return Notice(
            event=event,
            drill=self._names.drill,
            target=self._target.name,
            headline=headline,
            at=utc(self._clock.now()),
            run=self._names.id,
            owner=self._drill.owner,
            operator=operator(),
            numbers=numbers,
            advice=advice,
            link=self._link,
            exit_code=exit_code,
        )

    def _note(self, message: MessageSent) -> None:
        # Where the journal is lost, that is told already and matters more.
        with contextlib.suppress(JournalLost):
            self._journal.append(message, durable=False, step="")


def needs_person(
    receivers: Iterable[Receiver], drill: Drill, target: Target, names: RunNames, why: str
) -> list[str]:
    """Tell that a run did not begin and will not until somebody acts. What did not arrive."""
    receivers = tuple(receivers)
    sent: list[MessageSent] = []
    if (messenger := _messenger(receivers, sent.append)) is None:
        return []
    notice = Notice(
        event="needs-person",
        drill=names.drill,
        target=target.name,
        headline=f"It did not start: {why}",
        at=names.started,
        owner=drill.owner,
        operator=operator(),
    )
    messenger.tell(notice)
    messenger.finish()
    return [message.failure for message in sent if message.failure]


def _messenger(
    receivers: tuple[Receiver, ...], done: Callable[[MessageSent], None]
) -> Messenger | None:
    if not receivers:
        return None
    from drillkit.notify import Messenger

    return Messenger(receivers, done)


def report_link(base: str | None, drill: str, run: str) -> str:
    """Where the report of a run is served, or ''."""
    if base is None:
        return ""
    return f"{base.rstrip('/')}/{quote(drill)}/{quote(run)}/report.html"


def how_to_stop(run: str, target: Target) -> str:
    """For people who have a terminal, or nothing but kubectl."""
    said = f"To stop it: drillkit abort {run}"
    if target.kubernetes is None:
        return said
    return (
        f"{said}; or, from anywhere: kubectl -n {target.kubernetes.namespace} annotate lease "
        f"{LOCK} {STOP}=WHY"
    )


def event_of(verdict: Verdict) -> Event:
    """What a run's end is called."""
    by_code: Mapping[int, Event] = {0: "met", 1: "violated", 3: "unknown", 4: "refused", 5: "dirty"}
    return by_code.get(verdict.exit_code, "unknown")


def numbers_of(verdict: Verdict) -> tuple[Number, ...]:
    """All that was judged, the worst first."""
    judged: list[Judged] = [*verdict.gates, *verdict.bounds]
    judged += [each for step in verdict.steps for each in step.judged]
    judged.sort(key=lambda each: _WORST_FIRST.index(each.holds))
    return tuple(
        Number(title(each.about), each.observed, each.expected, each.holds) for each in judged
    )


def _advice(verdict: Verdict, left: tuple[str, ...]) -> str:
    if left:
        return f"Left behind: {', '.join(left)}. Run: drillkit recover {verdict.run}"
    return next((finding.advice for finding in verdict.findings if finding.advice), "")
