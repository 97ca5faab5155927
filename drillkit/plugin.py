"""What authors of step kinds, undos, faults, checks and notifiers import.

Everything here keeps its meaning within a minor version; it changes on purpose only, with a line in
the changelog. What is not here may change without notice. `drillkit docs extending` tells how the
parts are used, and which entry points make them known.
"""

from __future__ import annotations

from drillkit.checks.context import Context, Copy
from drillkit.checks.expectation import Expectation
from drillkit.checks.kinds import CheckKind, Look
from drillkit.checks.verify import verify
from drillkit.clients import Clients
from drillkit.clients.chaostoolkit.session import WorkerSession
from drillkit.clients.undo import (
    Accompanied,
    Keepable,
    Leftover,
    Lookup,
    Sweepable,
    UndoAction,
    UndoContext,
    expiry,
)
from drillkit.clock import Clock, Deadline, DeadlineOver, Fence
from drillkit.faults.context import (
    achieved,
    disrupted,
    end_now,
    expires,
    fault,
    here,
    hold,
    in_effect,
    recovered,
    released,
    say,
    seconds,
    tell,
    touched,
    wait,
    whole,
)
from drillkit.faults.pod_selection import Victims, choose_pods
from drillkit.journal.book import Book, Planned
from drillkit.model.drill import Objectives, StepCheck
from drillkit.model.effects import Counted, Irreversible, Undo, Undone
from drillkit.model.errors import (
    Absent,
    Blocked,
    CallError,
    Conflict,
    Denied,
    DrillError,
    Invalid,
    NotOurs,
    Refused,
    StepFailed,
    StepUnknown,
    TargetError,
    Throttled,
    Unanswered,
    Unavailable,
    Unreachable,
    UsageError,
)
from drillkit.model.evidence import (
    Activity,
    Alert,
    Attachment,
    Backup,
    Check,
    Comparison,
    Evidence,
    Injection,
    Mark,
    Measure,
    Note,
    Reading,
    RecoveryPoint,
    Scalar,
)
from drillkit.model.notice import Notice, Number
from drillkit.model.prospect import Copied, Prospect
from drillkit.model.rehearsal import Rehearsal
from drillkit.model.target import Target
from drillkit.notify import Notifier
from drillkit.secrets import hide as hide_secret
from drillkit.secrets import resolve as resolve_secret
from drillkit.steps.base import DATABASE_CHECKS, FROM_HERE, Act, Kind, RunNames

__all__ = [
    "DATABASE_CHECKS",
    "FROM_HERE",
    "Absent",
    "Accompanied",
    "Act",
    "Activity",
    "Alert",
    "Attachment",
    "Backup",
    "Blocked",
    "Book",
    "CallError",
    "Check",
    "CheckKind",
    "Clients",
    "Clock",
    "Comparison",
    "Conflict",
    "Context",
    "Copied",
    "Copy",
    "Counted",
    "Deadline",
    "DeadlineOver",
    "Denied",
    "DrillError",
    "Evidence",
    "Expectation",
    "Fence",
    "Injection",
    "Invalid",
    "Irreversible",
    "Keepable",
    "Kind",
    "Leftover",
    "Look",
    "Lookup",
    "Mark",
    "Measure",
    "NotOurs",
    "Note",
    "Notice",
    "Notifier",
    "Number",
    "Objectives",
    "Planned",
    "Prospect",
    "Reading",
    "RecoveryPoint",
    "Refused",
    "Rehearsal",
    "RunNames",
    "Scalar",
    "StepCheck",
    "StepFailed",
    "StepUnknown",
    "Sweepable",
    "Target",
    "TargetError",
    "Throttled",
    "Unanswered",
    "Unavailable",
    "Undo",
    "UndoAction",
    "UndoContext",
    "Undone",
    "Unreachable",
    "UsageError",
    "Victims",
    "WorkerSession",
    "achieved",
    "choose_pods",
    "disrupted",
    "end_now",
    "expires",
    "expiry",
    "fault",
    "here",
    "hide_secret",
    "hold",
    "in_effect",
    "recovered",
    "released",
    "resolve_secret",
    "say",
    "seconds",
    "tell",
    "touched",
    "verify",
    "wait",
    "whole",
]
