"""When a cron schedule fires, as Kubernetes and Velero read it."""

from __future__ import annotations

from datetime import datetime

from cronsim import CronSim, CronSimError

_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


def next_after(text: str, moment: datetime) -> datetime:
    """The first firing of a schedule such as `*/5 2-4 * * mon` later than `moment`, in its time
    zone. Raises ValueError for a schedule that is wrong or never fires.
    """
    fields = _MACROS.get(text.strip(), text).replace("?", "*")
    try:
        return next(CronSim(fields, moment))
    except CronSimError as error:
        raise ValueError(f"expected a cron schedule of five fields, found {text!r}: {error}") from (
            error
        )
