"""The pipe between the journal's one writer and the processes that it started.

One JSON line per message. Durable messages are answered after the sync, the others are not
answered. End of file on either side is death: the child does nothing more, the parent notes it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from drillkit.journal.admission import cleaned, cleaned_undo
from drillkit.journal.book import E, Planned, current_step, planned_entry
from drillkit.model.codec import from_data, to_data
from drillkit.model.effects import Counted
from drillkit.model.errors import JournalLost, Refused
from drillkit.model.records import Entry, PlannedEffect, decode, encode, kind_of
from drillkit.secrets import KNOWN

FD_VARIABLE = "DRILLKIT_BOOK_FD"
STEP_VARIABLE = "DRILLKIT_STEP"
LINE_BYTES = 32 * 1024 * 1024
"""More in one line is no message of ours: records are cut long before."""


class RemoteJournal:
    """The journal as a process sees it that the runner started."""

    def __init__(self, sock: socket.socket, step: str = "") -> None:
        self._sock = sock
        self._answers = sock.makefile("rb")
        self._one = threading.Lock()
        self._told: set[str] = set()
        self._step = step
        """Step that records belong to which do not say otherwise."""

    def append(self, entry: Entry, *, durable: bool = True, step: str | None = None) -> int:
        """See `Book.append`. The number is 0 for a record that is not durable."""
        kind, data = encode(entry)
        return self._ask(
            {
                "kind": kind,
                "data": cleaned(data),
                "durable": durable,
                "step": self._name(step),
            }
        )

    def plan(self, effect: E) -> Planned[E]:
        """See `Book.plan`."""
        kind, data = encode(planned_entry(effect))
        n = self._ask(
            {
                "plan": to_data(effect.counts),
                "kind": kind,
                "data": cleaned_undo(kind, data),
                "durable": True,
                "step": self._name(None),
            }
        )
        return Planned(n, effect, self)

    def _name(self, step: str | None) -> str:
        return step if step is not None else current_step() or self._step

    def _ask(self, message: Mapping[str, Any]) -> int:
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        with self._one:
            try:
                self._sock.sendall(self._learnt() + line)
                if not message["durable"]:
                    return 0
                answer = self._answers.readline()
            except OSError as error:
                raise JournalLost("the runner is gone: no effect may begin") from error
        if not answer.endswith(b"\n"):
            raise JournalLost("the runner is gone: no effect may begin")
        got = json.loads(answer)
        if "refused" in got:
            raise Refused(got["refused"])
        if "lost" in got:
            raise JournalLost(got["lost"])
        return int(got["n"])

    def close(self) -> None:
        """Nothing more is said: the runner need not wait until this process is gone."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def know(self, values: Iterable[str]) -> None:
        """Hide secrets that the runner knows and told this process."""
        self._told.update(values)
        KNOWN.learn(self._told)

    def _learnt(self) -> bytes:
        """A line with the secrets that this process has come to know: the runner hides them, too.

        They pass through this pipe only, and are written nowhere.
        """
        fresh = [value for value in KNOWN.values if value not in self._told]
        if not fresh:
            return b""
        self._told.update(fresh)
        return json.dumps({"learn": fresh}).encode() + b"\n"


def remote_from_environment() -> RemoteJournal | None:
    """The runner's journal, if a runner started this process."""
    if (fd := os.environ.get(FD_VARIABLE)) is None:
        return None
    sock = socket.socket(fileno=int(fd))
    os.set_inheritable(
        sock.fileno(), False
    )  # what this process starts has no business in the journal
    return RemoteJournal(sock, os.environ.get(STEP_VARIABLE, ""))


@runtime_checkable
class JournalSink(Protocol):
    """Where the lines of a child go: the journal, or whoever stands in front of it."""

    def append(
        self, entry: Entry, *, durable: bool = True, step: str | None = None, by: str = ""
    ) -> int:
        """See `Journal.append`."""

    def plan_entry(
        self, entry: PlannedEffect, counts: Counted, *, by: str = "", step: str | None = None
    ) -> int:
        """See `Journal.plan_entry`."""


def serve(journal: JournalSink, sock: socket.socket, by: str) -> None:
    """Write what one child sends, until it ends. Runs in a thread of the runner."""
    try:
        with sock, sock.makefile("rb") as lines:
            while line := lines.readline(LINE_BYTES):
                if not line.endswith(b"\n"):
                    return
                message = json.loads(line)
                if "learn" in message:
                    KNOWN.learn(message["learn"])
                    continue
                answer = _answer(journal, message, by)
                if message["durable"]:
                    sock.sendall(json.dumps(answer).encode() + b"\n")
    except OSError:
        return  # the child is gone; whoever waits for it sees that


def _answer(journal: JournalSink, message: Mapping[str, Any], by: str) -> dict[str, Any]:
    entry, step = decode(message["kind"], message["data"]), message["step"]
    try:
        if "plan" not in message:
            return {"n": journal.append(entry, durable=message["durable"], step=step, by=by)}
        if isinstance(entry, PlannedEffect):
            counts = from_data(Counted, message["plan"])
            return {"n": journal.plan_entry(entry, counts, by=by, step=step)}
        return {"refused": f"expected an effect that is planned, found {kind_of(entry)}"}
    except Refused as why:
        return {"refused": str(why)}
    except JournalLost as why:
        return {"lost": str(why)}


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the parent's thread that started it ends (Linux).

    Elsewhere the end of the pipe must do. `parent` is the pid the starter had; if it is gone
    already, end now.
    """
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
