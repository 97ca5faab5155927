"""Everything drillkit raises on purpose.

A message says what was expected, what was found and what to do next; `CallError` is what a foreign
system answered, mapped once at the edge (in `clients/`).
"""

from __future__ import annotations

from drillkit.lazy_dataclass import dataclass


class DrillError(Exception):
    """Root of the tree. `exit_code` is what the command line ends with when it escapes."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in a file somebody wrote."""

    where: str
    """`file:line:column`, or the option it came from."""
    path: str
    """Where in the document, such as `steps[0].with.count`."""
    what: str
    """What was expected, what was found and the nearest name."""

    def __str__(self) -> str:
        return (
            f"{self.where}: {self.path}: {self.what}" if self.path else f"{self.where}: {self.what}"
        )


class SpecError(DrillError):
    """A drill, an experiment, a target or an SLO that does not say what it means. Nothing
    was touched.
    """

    exit_code = 2

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = tuple(mistakes)


class UsageError(DrillError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class Refused(DrillError):
    """A guard, a lock or a closed gate says no: nothing (more) is touched."""

    exit_code = 4


class TargetError(DrillError):
    """The target is not what it was pinned to be, or cannot be reached at all."""

    exit_code = 4


class WrongTarget(TargetError):
    """A connection leads to another cluster or account than it was opened for. Nothing else was
    sent, and time alone mends nothing.
    """


class NotOurs(DrillError):
    """A resource does not carry this run's marks: an undo leaves it alone."""


class JournalLost(DrillError):
    """The journal takes no more lines: no further effect may start; clean-up goes on
    from memory.
    """


class StepFailed(DrillError):
    """A step did not do what it is for: its activity, its objective's premise or its
    check failed.
    """


class StepUnknown(DrillError):
    """A step that proved nothing: the fault was not in effect, or nobody could look."""


class CallError(DrillError):
    """What another system answered to one call."""


class Unreachable(CallError):
    """No connection, no DNS, no TLS: the request never arrived."""


class Unanswered(CallError):
    """The request was sent and no answer came: the effect may or may not have happened."""


class Denied(CallError):
    """401 or 403: credentials missing, expired or not allowed."""


class Absent(CallError):
    """404: there is no such thing."""


class Conflict(CallError):
    """409: it exists already, or it changed since it was read."""


class Blocked(CallError):
    """429 on an eviction: a PodDisruptionBudget says not now."""


class Throttled(CallError):
    """Too many calls; `retry_after_s` is the other side's wish, if it had one."""

    def __init__(self, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Invalid(CallError):
    """400 or 422: the other side says the request makes no sense."""


class Rejected(CallError):
    """A program ended with an error of its own: it most likely will again."""


class Unavailable(CallError):
    """5xx: the other side is in trouble."""
