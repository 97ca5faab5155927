"""Service levels as probes: an experiment's own steady-state hypothesis can be an SLO, under plain
`chaos run`, too.

They ask as `drillkit slo check` does, and never take missing data for a success: nothing known is a
failed activity and no value. Which metrics server is asked: the argument `prometheus` (a URL) or
`target` (a name of targets.yaml), else the drill's target, else what `drillkit slo check` would
choose (DRILLKIT_TARGET).
"""

from __future__ import annotations

from datetime import timedelta

from drillkit.clients.chaostoolkit.session import WorkerSession, current_session
from drillkit.clients.prometheus import open_prometheus
from drillkit.clients.prometheus.wire import TOTAL_S
from drillkit.clock import Clock, Deadline, SystemClock
from drillkit.model.errors import CallError, Refused, SpecError, StepUnknown, UsageError
from drillkit.model.target import Target
from drillkit.model.units import parse_duration
from drillkit.model.verdict import Holds
from drillkit.slo.status import SloStatus, stand
from drillkit.spec.openslo import find_slo
from drillkit.spec.roots import find_roots
from drillkit.spec.running_target import metrics_target

LIMIT_S = 60.0
"""One look takes no longer than this."""


def slo_holds(
    slo: str, over: str = "5m", target: str | None = None, prometheus: str | None = None
) -> bool:
    """Whether an SLO (a name, or a file with one) held over the last `over`: at least its target of
    events were good.

    Raises StepUnknown when there is no data to tell, Refused for arguments that make no sense.
    """
    return _ask(slo, over, target, prometheus).answer.holds is Holds.MET


def good_percent(
    slo: str, over: str = "5m", target: str | None = None, prometheus: str | None = None
) -> float:
    """Good events of an SLO over the last `over`, in percent, for a tolerance of your
    own: `range: [99.5, 100]`.

    Raises StepUnknown when there is no data to tell, Refused for arguments that make no sense.
    """
    count = _ask(slo, over, target, prometheus).count
    assert count.good is not None
    assert count.total
    return 100.0 * count.good / count.total


def budget_left_percent(
    slo: str, target: str | None = None, prometheus: str | None = None
) -> float:
    """What is left of an SLO's error budget over its own window, in percent; below 0 it
    is overspent.

    Raises StepUnknown when there is no data to tell, Refused for arguments that make no sense.
    """
    left = _ask(slo, None, target, prometheus).remaining
    if left is None:
        raise StepUnknown(f"SLO {slo}: too few events to tell what is left of its budget")
    return 100.0 * left


def _ask(slo: str, over: str | None, target: str | None, prometheus: str | None) -> SloStatus:
    """How an SLO stands. Raises StepUnknown when that cannot be told, Refused."""
    if not slo:
        raise Refused("expected the name of an SLO, or a file with one")
    session = current_session()
    clock: Clock = session.clock if session is not None else SystemClock()
    asking = Deadline.after(LIMIT_S - TOTAL_S, clock)

    def in_time() -> None:
        if asking.over:
            raise StepUnknown(
                f"SLO {slo}: no answer within {LIMIT_S:g} s; is its metrics server slow?"
            )

    try:
        window = _duration(over) if over is not None else None
        wanted = find_slo(slo, find_roots()).slo
        asked = _server(session, slo, target, prometheus)
        assert asked.prometheus is not None
        server = open_prometheus(asked.prometheus, clock, before=in_time, aws=asked.aws)
        found = stand(server, wanted, server.stored_until(), window, burns=False)
    except (UsageError, SpecError) as error:
        raise Refused(f"SLO {slo}: {error}") from error
    except CallError as error:
        raise StepUnknown(f"SLO {slo}: {error}") from error
    if found.answer.holds is Holds.UNKNOWN or not found.count.total:
        raise StepUnknown(f"SLO {slo}: {found.count.why or found.answer.why}")
    return found


def _duration(over: str) -> timedelta:
    try:
        return parse_duration(str(over))
    except ValueError as error:
        raise Refused(f"over: {error}") from error


def _server(
    session: WorkerSession | None, slo: str, target: str | None, prometheus: str | None
) -> Target:
    """The target whose metrics server is asked. Raises UsageError, SpecError."""
    known = session.target if session is not None else None
    if target is None and prometheus is None and known is not None and known.prometheus is not None:
        return known
    return metrics_target(f"slo check {slo}", find_roots(), target, prometheus)
