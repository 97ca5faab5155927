"""How often a drill is due: `monthly` and its like, or a cron expression."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from drillkit.model.units import Cadence
from drillkit.spec.document import maybe, quoted

_MONTHS = {"monthly": 1, "quarterly": 3, "yearly": 12}
_DAYS = {"daily": 1, "weekly": 7}


def read_cadence(text: str) -> Cadence:
    """A cadence as a drill says it. Raises ValueError for one that never comes."""
    try:
        found = Cadence.parse(text)
    except ValueError as error:
        raise ValueError(f"{error}{maybe(text, Cadence.WORDS)}") from error
    next_due(found, datetime(2026, 1, 1, tzinfo=UTC), UTC)
    return found


def next_due(cadence: Cadence, last: datetime, zone: tzinfo) -> datetime:
    """When a drill is due after a run that began at `last` (aware), by the clocks of `zone`.

    A word counts from that run; a cron expression names the moments itself. Raises ValueError for
    an expression that is none or never fires.
    """
    local, text = last.astimezone(zone), cadence.text
    if text in _DAYS:
        return local + timedelta(days=_DAYS[text])
    if text in _MONTHS:
        from dateutil.relativedelta import relativedelta

        later: datetime = local + relativedelta(months=_MONTHS[text])
        return later
    return _fires(text, local)


def _fires(cadence: str, local: datetime) -> datetime:
    from cronsim import CronSim, CronSimError

    try:
        fires = next(CronSim(cadence, local), None)
    except CronSimError as error:
        raise ValueError(f"expected a cron expression, found {quoted(cadence)}: {error}") from error
    if fires is None:
        raise ValueError(f"{quoted(cadence)} never fires: there is no such day")
    found: datetime = fires
    return found
