"""People in a run: the one place where what they ask comes in, whichever terminal or page it comes
from, and where the run waits for them.

It waits between steps, for a step that is to be done by hand, for what is to be put back by hand,
and for the debrief when all is cleaned up; never while an effect of ours is under way. An abort
ends every wait at once.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable
from typing import Literal, TypeAlias, assert_never

from drillkit.clock import Clock, Deadline, DeadlineOver, Fence
from drillkit.journal.file import Journal
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import ROLES, Drill, Group, Hold, Step
from drillkit.model.errors import DrillError, JournalLost, Refused
from drillkit.model.evidence import Mark, Note
from drillkit.model.prospect import Prospect
from drillkit.model.records import (
    Debriefed,
    ExpectationAnswered,
    ExpectationStated,
    HoldEnded,
    HoldOpened,
    ParticipantJoined,
    PhaseEnded,
    PhaseStarted,
    QuestionAnswered,
    QuestionAsked,
    Record,
    StepStarted,
)
from drillkit.model.requests import (
    AddAction,
    AddNote,
    Answer,
    AnswerExpectation,
    Debrief,
    Decide,
    Expect,
    Join,
    Ready,
    Reply,
    Request,
    SetMark,
    Stop,
)
from drillkit.runner.abort import Stopper
from drillkit.runner.run_start import each_step

TEXT_KEPT = 4000
"""Characters of one thing that somebody says."""
NAME_KEPT = 100
AFTERWARDS = "looks whether the steady state is back, cleans up, and the debrief begins"
LOOK_S = 0.2
"""How often a wait looks whether it is over by itself."""
Entry: TypeAlias = Step | Group
_NUMBER = re.compile(r"(?<![\w/-])\d[\d.,:-]*(?: (?:d|h|min|s)\b)? ?")
"""A number, a time or a length of time; digits of a name are part of the name."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """How it goes on."""

    decision: Literal["go", "skip", "repeat", "abort"] = "go"
    why: str = ""


class Session:
    """The people of one run."""

    def __init__(
        self,
        journal: Journal,
        stopper: Stopper,
        fence: Fence,
        clock: Clock,
        drill: Drill,
        *,
        attended: bool,
    ) -> None:
        """`attended`: a game day, which holds before each step."""
        self._journal, self._stopper, self._fence = journal, stopper, fence
        self._clock, self._drill, self.attended = clock, drill, attended
        self._changed = threading.Condition()
        self._hold: tuple[int, HoldOpened, str] | None = None
        self._ruling: Ruling | None = None
        self._questions: dict[int, tuple[str, Answer | None]] = {}
        self._expectations: set[int] = set()
        self._held_s = 0.0
        self._held_since: float | None = None
        self._debriefing = self._ready = False
        self._step = self._disturbed = ""
        journal.subscribe(self._see)

    def _see(self, record: Record) -> None:
        """Called while the journal is locked: remembers only."""
        if isinstance(record.entry, StepStarted):
            self._step = record.step
            if record.entry.disturbs == "users":
                self._disturbed = record.step

    @property
    def held_s(self) -> float:
        """How long the run has waited between steps; its limit stands still meanwhile."""
        since = self._held_since
        return self._held_s + (self._clock.mono() - since if since is not None else 0.0)

    def begin(self, participants: tuple[tuple[str, str], ...]) -> None:
        """Write down who is there, (name, role), and what the drill expects."""
        for name, role in participants:
            self._journal.append(ParticipantJoined(name, role))
        if self.attended and self._drill.gameday is not None:
            for text in self._drill.gameday.expectations:
                self._expectations.add(self._journal.append(ExpectationStated(text)))

    # -- what people ask ---------------------------------------------------------------------------

    def take(self, request: Request) -> int:
        """Do what somebody asks; the number of its record. From any thread. Raises Refused saying
        why not, JournalLost.
        """
        must_be_name(request.by)
        match request:
            case Stop():
                return self._stop(request)
            case Decide():
                return self._decide(request)
            case Reply():
                return self._reply(request)
            case AnswerExpectation():
                return self._answer(request)
            case Ready():
                return self._end_debrief()
            case _:
                return self._say(request)

    def _say(self, request: AddNote | SetMark | Join | Expect | AddAction | Debrief) -> int:
        append = self._journal.append
        match request:
            case AddNote(by=by):
                return append(Note(by, _text(request.text), request.about), step=self._step)
            case SetMark(by=by):
                return self._mark(request)
            case Join(by=by, role=role):
                if role not in ROLES:
                    raise Refused(f"expected one of {', '.join(ROLES)}, found `{role}`")
                return append(ParticipantJoined(by, role))
            case Expect(by=by):
                n = append(ExpectationStated(_text(request.text), by))
                self._expectations.add(n)
                return n
            case AddAction(by=by):
                owner = request.owner[:NAME_KEPT]
                return append(Note(by, _text(request.text), "action-item", owner, request.due))
            case Debrief(by=by):
                return append(Debriefed(_text(request.question), _text(request.answer), by))
            case other:
                assert_never(other)

    def _mark(self, request: SetMark) -> int:
        if not 0 <= request.ago_s <= 86_400:
            raise Refused("expected a moment of the last day")
        at = self._clock.mono() - request.ago_s
        step = self._timed() or self._disturbed
        return self._journal.append(Mark(request.moment, at, by=request.by), step=step)

    def _timed(self) -> str:
        """The step that was last to disturb users or, of several that began together, the one that
        waits for what people say.
        """
        group = next((g for s, g in each_step(self._drill) if s.name == self._disturbed and g), "")
        for step, of in each_step(self._drill):
            wanted = step.objectives
            times = (wanted.acknowledge, wanted.mitigate, wanted.detect)
            if group and of == group and any(time is not None for time in times):
                return step.name
        return ""

    def _stop(self, request: Stop) -> int:
        if self._stopper.aborted is None:
            why = request.why[:TEXT_KEPT] or "no reason given"
            self._stopper.abort("operator", f"{request.by} asked for it: {why}")
        self._wake()
        if self._stopper.aborted is None:
            raise Refused("it is cleaning up already; there is nothing more to stop")
        return 0

    def _decide(self, request: Decide) -> int:
        with self._changed:
            if self._hold is None:
                raise Refused("nothing waits for a decision now")
            n, hold, step = self._hold
            if request.hold is not None and request.hold != n:
                raise Refused("what you decided on is over; look at what is asked now")
            if request.decision == "skip" and not (step and request.why.strip()):
                raise Refused("to skip a step, say why" if step else "there is nothing to skip")
            if request.decision == "repeat" and not hold.after:
                raise Refused("there is no step yet that could be repeated")
            why = request.why[:TEXT_KEPT]
            ended = HoldEnded(n, request.decision, request.by, why)
            found = self._journal.append(ended, step=step)
            self._hold = None
            said = f"{request.by}: {why}" if why else request.by
            self._ruling = Ruling(request.decision, said)
            self._changed.notify_all()
        return found

    def _reply(self, request: Reply) -> int:
        with self._changed:
            waiting = [n for n, (_, answer) in self._questions.items() if answer is None]
            n = request.question
            if n is None:
                if len(waiting) != 1:
                    raise Refused(f"expected one open question, found {len(waiting)}; name one")
                n = waiting[0]
            if n not in waiting:
                raise Refused("nobody waits for that answer any more")
            step = self._questions[n][0]
            answer = Answer(request.done, request.by, request.why[:TEXT_KEPT])
            entry = QuestionAnswered(n, answer.done, answer.by, answer.why)
            found = self._journal.append(entry, step=step)
            self._questions[n] = (step, answer)
            self._changed.notify_all()
            return found

    def _answer(self, request: AnswerExpectation) -> int:
        if request.of not in self._expectations:
            raise Refused(f"record {request.of} is no expectation")
        why = request.why[:TEXT_KEPT]
        entry = ExpectationAnswered(request.of, request.came, request.by, why)
        return self._journal.append(entry)

    def _end_debrief(self) -> int:
        with self._changed:
            if not self._debriefing:
                raise Refused("the debrief has not begun")
            self._ready = True
            self._changed.notify_all()
        return 0

    # -- where the run waits -----------------------------------------------------------------------

    def wants(self, entry: Entry | None) -> bool:
        """Whether the run holds before this (None: behind the last step)."""
        return self.attended or (entry is not None and entry.hold is not None)

    def hold(
        self,
        entry: Entry | None,
        after: str,
        why: str,
        look: Callable[[Entry], Prospect],
        planned: Prospect,
    ) -> Ruling:
        """Wait until people decide how it goes on.

        Args:
            entry: what comes next; None: the end of the steps.
            after: what a repeat would repeat, or ''.
            why: what people should know besides.
            look: resolves what comes next, as it is now. It is asked when the hold opens and again
                when people say go; what differs is told, and they decide anew.
            planned: what it was when the run was planned.
        """
        declared = (entry.hold if entry is not None else None) or None
        limit_s = declared.for_.total_seconds() if isinstance(declared, Hold) else None
        otherwise = declared.else_ if isinstance(declared, Hold) else "abort"
        deadline = Deadline.after(limit_s, self._clock) if limit_s is not None else None
        self._held_since = self._clock.mono()
        try:
            seen = planned
            while True:
                now = _looked(look, entry)
                changed, seen = differences(seen, now), now
                opened = HoldOpened(
                    next=now.effects,
                    after=after,
                    changed=changed,
                    limit_s=limit_s,
                    otherwise=otherwise,
                    secret=entry is not None and entry.secret,
                    why=why,
                )
                ruling = self._await(opened, entry.name if entry is not None else "", deadline)
                if ruling.decision == "abort":
                    self._stopper.abort("operator", f"{ruling.why} (at a hold)")
                if ruling.decision != "go" or not differences(seen, _looked(look, entry)):
                    return ruling
        finally:
            self._held_s, self._held_since = self.held_s, None

    def _await(self, opened: HoldOpened, step: str, deadline: Deadline | None) -> Ruling:
        with self._changed:
            n = self._journal.append(opened, step=step)
            self._hold, self._ruling = (n, opened, step), None
            forget = self._stopper.cut(self._wake)
            try:
                while self._ruling is None:
                    if self._fence.closed.is_set():
                        return self._nobody(n, step, Ruling("abort", self._fence.why))
                    if deadline is not None and deadline.over:
                        return self._over(n, opened, step)
                    self._changed.wait(LOOK_S)
                return self._ruling
            finally:
                self._hold = None
                forget()

    def _over(self, n: int, opened: HoldOpened, step: str) -> Ruling:
        """Nobody has decided in time: the declared default, but never a go to what nobody has seen
        change.
        """
        decision, why = opened.otherwise, "nobody decided in time"
        if decision == "go" and opened.changed:
            decision, why = "abort", "nobody looked at what has changed"
        if decision == "skip":
            why = f"the hold's limit: {why}"
        return self._nobody(n, step, Ruling(decision, why))  # type: ignore[arg-type]

    def _nobody(self, n: int, step: str, ruling: Ruling) -> Ruling:
        with contextlib.suppress(JournalLost):
            self._journal.append(HoldEnded(n, ruling.decision, "", ruling.why), step=step)
        return ruling

    def ask(
        self, about: Literal["manual", "undo"], step: str, text: str, deadline: Deadline
    ) -> Answer:
        """See `AskPeople`. What is to be put back is waited for behind a closed fence, too."""
        with self._changed:  # whoever reads the question can answer it at once
            n = self._journal.append(QuestionAsked(about, text), step=step)
            self._questions[n] = (step, None)
            try:
                while (answer := self._questions[n][1]) is None:
                    if about == "manual" and self._fence.closed.is_set():
                        raise Refused(f"stopped while people did it: {self._fence.why}")
                    if about == "undo" and self._stopper.haste.skip_remove.is_set():
                        raise Refused("somebody was in a hurry; nobody said that it is put back")
                    if deadline.over:
                        raise DeadlineOver("expected somebody to say that it is done; nobody did")
                    self._changed.wait(LOOK_S)
                return answer
            finally:
                del self._questions[n]

    def debrief(self, limit: Deadline) -> None:
        """Wait until people have said what there is to say; the run is cleaned up already."""
        with contextlib.suppress(JournalLost):
            with self._changed:  # whoever reads that it has begun can end it at once
                self._debriefing = True
                self._journal.append(PhaseStarted("debrief"))
                hurry = self._stopper.no_more
                while not (self._ready or limit.over or hurry.is_set() or self._journal.lost):
                    self._changed.wait(LOOK_S)
                self._debriefing = False
            self._journal.append(PhaseEnded("debrief"))

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def differences(before: Prospect, now: Prospect) -> tuple[str, ...]:
    """What is no more as it was, a line each."""
    found = [f"{each} is gone" for each in before.targets if each not in now.targets]
    found += [f"{each} is new" for each in now.targets if each not in before.targets]
    was, is_ = {*before.targets, *before.seen}, {*now.targets, *now.seen}
    found += [f"no more: {each}" for each in before.seen if each not in is_]
    found += [f"now: {each}" for each in now.seen if each not in was]
    found += [f"problem: {each}" for each in _news(before.problems, now.problems)]
    found += [f"would fail: {each}" for each in _news(before.fails, now.fails)]
    if not found and before.effects and before.effects != now.effects:
        found += [f"now: {each}" for each in now.effects if each not in before.effects]
    return tuple(found)


def _news(before: tuple[str, ...], now: tuple[str, ...]) -> list[str]:
    """Sentences that were not there, whatever their numbers: an age grows while people think, and
    the same trouble a second older is no reason to ask them once more.
    """
    was = {_NUMBER.sub("", each) for each in before}
    return [each for each in now if _NUMBER.sub("", each) not in was]


def _looked(look: Callable[[Entry], Prospect], entry: Entry | None) -> Prospect:
    if entry is None:
        return Prospect(effects=(AFTERWARDS,))
    try:
        return look(entry)
    except DrillError as why:
        return Prospect(problems=(f"it cannot be resolved: {why}",))


def must_be_name(text: str) -> None:
    """Raises Refused for what nobody can be called."""
    if not text.strip() or len(text) > NAME_KEPT or not text.isprintable():
        raise Refused(f"expected a name of at most {NAME_KEPT} characters, found {text[:50]!r}")


def _text(text: str) -> str:
    if not text.strip():
        raise Refused("expected a text, found nothing")
    if len(text) > TEXT_KEPT:
        raise Refused(f"expected at most {TEXT_KEPT:,} characters, found {len(text):,}")
    return text.strip()
