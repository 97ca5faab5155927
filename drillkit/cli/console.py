"""The facilitator's terminal: shows a run as it goes, and takes what people type.

Lines above, one line to type on below; where the terminal can do no more than lines, plain
questions. Whatever somebody is typing stays while lines come in.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Protocol

from drillkit.cli.output import columns, wrapped
from drillkit.cli.phrases import HELP, action_of, request_of
from drillkit.cli.status import clock, status_lines
from drillkit.clock import SYSTEM_CLOCK
from drillkit.judge.people import OpenHold, OpenQuestion, PeopleView, TeamExpectation
from drillkit.live.rates import Rates
from drillkit.live.sentences import STOPPING, Sentences
from drillkit.live.view import RunView, measured
from drillkit.model.drill import Drill
from drillkit.model.errors import DrillError
from drillkit.model.records import (
    ExpectationAnswered,
    HoldEnded,
    HoldOpened,
    PhaseStarted,
    QuestionAnswered,
    QuestionAsked,
    Record,
    RunAborted,
)
from drillkit.model.requests import AnswerExpectation, Debrief, Ready, Request, Stop
from drillkit.model.units import format_duration

if TYPE_CHECKING:
    from drillkit.runner.session import Session

RATES_EVERY_S = 5.0
"""How often it is told that users suffer."""


class Screen(Protocol):
    """Where lines go and come from."""

    def put(self, line: str) -> None:
        """Show a line."""

    def ask(self, prompt: str) -> None:
        """What stands before what is typed."""

    def lines(self, take: Callable[[str], None]) -> None:
        """Hand over each line that is typed until there are no more. Blocks."""

    def close(self) -> None:
        """The terminal is as it was."""

    @property
    def width(self) -> int | None:
        """Columns; None: lines are as long as they are."""


class Plain:
    """Lines only."""

    def __init__(self, inp: IO[str], out: IO[str]) -> None:
        self._inp, self._out, self._prompt = inp, out, ""
        self._lock = threading.Lock()

    def put(self, line: str) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):  # nobody reads: the run goes on
            self._out.write(line + "\n")
            self._out.flush()

    def ask(self, prompt: str) -> None:
        if prompt != self._prompt:
            self._prompt = prompt
            self.put(prompt)

    def lines(self, take: Callable[[str], None]) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in self._inp:
                take(line)

    def close(self) -> None:
        pass

    @property
    def width(self) -> int | None:
        return columns() if self._out.isatty() else None


class Editor:
    """A line to type on that stays below what is shown. Needs nothing but CR and erase."""

    def __init__(self, out: IO[str]) -> None:
        import termios
        import tty

        self._out, self._fd = out, sys.stdin.fileno()
        self._before = termios.tcgetattr(self._fd)
        self._lock = threading.RLock()
        self._typed, self._prompt, self._closed = "", "> ", False
        tty.setcbreak(self._fd)

    def put(self, line: str) -> None:
        with self._lock:
            self._write(f"\r\x1b[K{line}\n")
            self._draw()

    def ask(self, prompt: str) -> None:
        with self._lock:
            self._prompt = prompt
            self._draw()

    def _draw(self) -> None:
        if not self._closed:
            shown = (self._prompt + self._typed)[-(self.width - 1) :]
            self._write(f"\r\x1b[K{shown}")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # the terminal is gone; a signal tells
            self._out.write(text)
            self._out.flush()

    def lines(self, take: Callable[[str], None]) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        escape = False
        while not self._closed:
            try:
                data = os.read(self._fd, 1)
            except OSError:
                return
            if not data or data == b"\x04":
                return
            for char in decoder.decode(data):
                if char == "\x1b" or escape:  # keys that move: nothing here moves
                    escape = char == "\x1b" or not (char.isalpha() or char == "~")
                elif char in "\r\n":
                    take(self._taken())
                else:
                    self._key(char)

    def _taken(self) -> str:
        with self._lock:
            line, self._typed = self._typed, ""
            self._write(f"\r\x1b[K{self._prompt}{line}\n")
            self._draw()
            return line

    def _key(self, char: str) -> None:
        with self._lock:
            if char in "\x7f\x08":
                self._typed = self._typed[:-1]
            elif char == "\x15":
                self._typed = ""
            elif char.isprintable():
                self._typed += char
            self._draw()

    def close(self) -> None:
        import termios

        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._write("\r\x1b[K")
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    @property
    def width(self) -> int:
        return columns()


def screen() -> Screen:
    """What fits the terminal."""
    if sys.stdin.isatty() and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return Editor(sys.stderr)
    return Plain(sys.stdin, sys.stderr)


class Console:
    """Shows records, in order, and turns lines into requests. A reader of the journal like any."""

    def __init__(self, drill: Drill, me: str, show: Screen) -> None:
        """`me`: who speaks here; `as NAME` changes it."""
        self._drill, self._me, self._screen = drill, me, show
        self._run, self._sentences, self._rates = RunView(), Sentences(), Rates()
        self._session: Session | None = None
        self._sure = False
        """Whether `stop` has been typed once."""
        self._debrief: _DebriefTalk | None = None
        self._asked: OpenQuestion | None = None
        """What was last to be done by hand."""
        self._due = 0.0
        self._bad: dict[str, int] = {}

    @property
    def _view(self) -> PeopleView:
        return self._run.people

    # -- what is shown -----------------------------------------------------------------------------

    def __call__(self, record: Record) -> None:
        if self._rates.take(record):
            self._felt(record)
            return
        self._run.take(record)
        match record.entry:
            case HoldOpened():
                self._show_hold()
            case QuestionAsked():
                self._show_question(self._view.questions[record.n])
            case PhaseStarted(phase="debrief"):
                self._begin_debrief()
            case RunAborted(by=by, why=why):
                self._say(f"STOPPING ({by}): {why}; {STOPPING}")
            case _:
                if text := self._sentences.of(record):
                    self._say(f"{clock(record.at)}  {text}")
        if isinstance(record.entry, HoldEnded | RunAborted | QuestionAnswered):
            self._prompt()
        if isinstance(record.entry, ExpectationAnswered) and self._debrief is not None:
            self._debrief.answered(record.entry.of)  # wherever that was said
            self._prompt()

    def _felt(self, record: Record) -> None:
        """Users suffer: told, but not every second."""
        worse = False
        for rate in self._rates.rows():
            worse |= rate.bad > self._bad.get(rate.sli, 0)
        if worse and record.mono >= self._due:
            self._due = record.mono + RATES_EVERY_S
            for rate in self._rates.rows():
                self._bad[rate.sli] = rate.bad
                self._say(f"          {rate.name}: {rate.good}, {rate.p95}, {rate.count}")

    def _show_hold(self) -> None:
        held = self._view.hold
        if held is None:
            return
        hold, what = held.hold, held.step or "the end of the steps"
        secret = " (a surprise for observers)" if hold.secret else ""
        self._say("")
        self._say(f"HOLD: next comes {what}{secret}")
        for title, lines in (("does", hold.next), ("changed", hold.changed)):
            for line in lines:
                self._say(f"  {title:8} {line}")
        if hold.why:
            self._say(f"  {'but':8} {hold.why}")
        if hold.limit_s is not None:
            self._say(f"  {'else':8} {hold.otherwise} after {format_duration(hold.limit_s)}")
        self._say(f"  {'type':8} {_choices(held)}")
        self._prompt()

    def _show_question(self, asked: OpenQuestion) -> None:
        self._asked = asked
        several = len(self._view.questions) > 1
        number = f" #{asked.n}" if several else ""
        back = "put back what was done in " if asked.question.about == "undo" else ""
        self._say("")
        self._say(f"BY HAND{number}: {back}{asked.step}")
        for line in asked.question.text.splitlines():
            self._say(f"  {line}")
        marks = " · ".join(f"mark {moment}" for moment in measured(self._drill))
        of = f"#{asked.n} " if several else ""
        self._say(f"  type     done {of}[WHAT] · fail {of}WHY · note TEXT · runbook (again)")
        for other in self._view.questions.values():
            if other.n != asked.n:
                self._say(f"  also open: #{other.n} {other.step}")
        if marks:
            self._say(f"  as soon as it is so: {marks}")
        self._prompt()

    def _say(self, line: str) -> None:
        text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
        for part in wrapped(text, self._screen.width):
            self._screen.put(part)

    def _prompt(self) -> None:
        if self._debrief is not None:
            if question := self._debrief.news():
                self._say(question)
            self._screen.ask(self._debrief.prompt)
        elif self._view.hold is not None:
            self._screen.ask("hold> ")
        elif self._view.questions:
            self._screen.ask("by hand> ")
        else:
            self._screen.ask("> ")

    # -- what is typed -----------------------------------------------------------------------------

    def join(self, session: Session) -> None:
        """Begin to take what is typed."""
        self._session = session
        threading.Thread(target=self._read, name="console", daemon=True).start()

    def _read(self) -> None:
        self._screen.ask("> ")
        self._screen.lines(self._take)
        # Nobody types any more: a debrief need not wait for it.
        with contextlib.suppress(DrillError):
            self._ask(Ready(by=self._me))

    def _take(self, line: str) -> None:
        try:
            self._obey(line.strip())
        except DrillError as why:
            self._say(f"  not done: {why}")
        self._prompt()

    def _obey(self, line: str) -> None:
        if self._debrief is not None and not line.startswith("/"):
            # There is nothing left to stop but the talk.
            over = line in ("stop", "ready")
            talk = [Ready(by=self._me)] if over else self._debrief.take(line, self._me)
            for request in talk:
                self._ask(request)
            return
        line = line.removeprefix("/")
        word, _, rest = line.partition(" ")
        sure, self._sure = self._sure, False
        if word in ("stop", "abort"):
            self._stop(word, rest, sure=sure)
        elif word in ("help", "?", "who", "status", "runbook"):
            self._tell(word)
        elif word == "as" and rest:
            self._me = rest.strip()
            self._say(f"  from now on {self._me} speaks")
        elif line:
            hold = self._view.hold
            self._ask(request_of(line, self._me, hold.n if hold is not None else None))

    def _stop(self, word: str, why: str, *, sure: bool) -> None:
        if sure:
            self._ask(Stop(by=self._me, why=why))
            return
        self._sure = True
        self._say(f"  stop {self._drill.drill} and undo everything? Once more: {word}")

    def _tell(self, word: str) -> None:
        if word == "who":
            lines = [f"{name}, {role}" for name, role in self._view.participants.items()]
        elif word == "status":
            lines = list(status_lines(self._run, self._rates, SYSTEM_CLOCK.now()))
        elif word == "runbook":
            text = self._asked.question.text if self._asked is not None else ""
            lines = text.splitlines() or ["nothing has been asked to be done by hand"]
        else:
            lines = [*HELP.splitlines(), "here        as NAME · who · status · runbook · help"]
        for line in lines:
            self._say(f"  {line}")
        if word == "status" and self._view.hold is not None:
            self._show_hold()

    def _ask(self, request: Request) -> None:
        if self._session is not None:
            self._session.take(request)

    def _begin_debrief(self) -> None:
        questions = self._drill.gameday.debrief if self._drill.gameday is not None else ()
        # Before it is told: what is typed from then on is an answer.
        self._debrief = _DebriefTalk(list(self._view.expectations.values()), list(questions))
        self._say("")
        self._say(
            "DEBRIEF: everything is cleaned up. What you type answers what is asked, an empty line "
            "goes on, `ready` ends it; other words with a slash: /note TEXT, /status, /help"
        )
        self._prompt()

    def close(self) -> None:
        """Nothing is shown or taken after this."""
        self._screen.close()


class _DebriefTalk:
    """One question after the other."""

    def __init__(self, expectations: list[TeamExpectation], questions: list[str]) -> None:
        self._expectations = [each for each in expectations if each.came is None]
        self._questions = questions
        self._told = ""

    def answered(self, of: int) -> None:
        """Somebody has said whether this came true."""
        self._expectations = [each for each in self._expectations if each.n != of]

    @property
    def _question(self) -> str:
        if self._expectations:
            return f"Did it happen: {self._expectations[0].text}"
        if self._questions:
            return self._questions[0]
        return "What is to be done? TEXT [@OWNER] [2027-01-31]; an empty line: nothing more"

    def news(self) -> str:
        """The question, where it has not been put yet."""
        before, self._told = self._told, self._question
        return self._told if self._told != before else ""

    @property
    def prompt(self) -> str:
        """What stands before the answer."""
        if self._expectations:
            return "yes|no [WHY]> "
        return "answer> " if self._questions else "to do> "

    def take(self, line: str, by: str) -> list[Request]:
        """What a line asks for. Raises UsageError."""
        if self._expectations:
            word, _, why = line.partition(" ")
            came = {"y": True, "yes": True, "n": False, "no": False}.get(word.lower())
            if line and came is None:
                from drillkit.model.errors import UsageError

                raise UsageError("expected yes or no, with a reason if you like")
            of = self._expectations.pop(0).n
            if came is None:
                return []
            return [AnswerExpectation(by=by, of=of, came=came, why=why.strip())]
        if self._questions:
            question = self._questions.pop(0)
            return [Debrief(by=by, question=question, answer=line)] if line else []
        return [action_of(line, by)] if line else [Ready(by=by)]


def _choices(held: OpenHold) -> str:
    found = ["go"]
    if held.step:
        found.append("skip WHY")
    if held.hold.after:
        found.append(f"repeat (of {held.hold.after})")
    return " · ".join([*found, "stop", "note TEXT", "help"])
