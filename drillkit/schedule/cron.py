"""One line of a crontab."""

from __future__ import annotations

import shlex
from datetime import datetime

from drillkit.schedule.job import ScheduledDrill, commented


def crontab(job: ScheduledDrill, now: datetime) -> str:
    """For `crontab -e` of the user who runs drills.

    cron starts with nearly no environment, in the home folder, and mails what is printed:
    `--scheduled` prints one paragraph when something is wrong, and nothing else.
    """
    log = job.reports / f"{job.name}.log"
    place = {"HOME": str(job.home), "DRILLKIT_HOME": str(job.state)}
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in place.items())
    command = (
        f"cd {shlex.quote(str(job.project))} && umask 027 && "
        f"mkdir -p {shlex.quote(str(job.reports))} && "
        f"{variables} {job.line} --json >>{shlex.quote(str(log))}"
    )
    said = [
        f"{job.drill} on {job.target}, {job.times.cadence}, by the clocks of {job.times.zone.key}.",
        f"cron reads the machine's clock: it must show {job.times.zone.key}.",
        "What is printed is mailed (MAILTO): one paragraph when something is wrong, else nothing.",
        f"Every record goes to {log}.",
        *job.next_times(now),
    ]
    # A percent sign ends a crontab's command.
    return f"{commented(said)}{job.times.expression} {command.replace('%', chr(92) + '%')}\n"
