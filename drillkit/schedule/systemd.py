"""A service, its timer, and who is told when it fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import cast

from drillkit.schedule.job import ScheduledDrill, commented
from drillkit.schedule.times import Times

_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


def units(job: ScheduledDrill, now: datetime) -> Mapping[str, str]:
    """Unit files by name, for /etc/systemd/system."""
    return {
        f"{job.name}.service": _service(job),
        f"{job.name}.timer": _timer(job, now),
        "drillkit-failed@.service": _FAILED,
    }


def calendars(times: Times) -> Iterator[str]:
    """The expression as systemd writes it; two where cron's fields of days mean `or`. Raises
    ValueError for what systemd cannot say (`L`, `#`).
    """
    from cronsim import CronSim

    read = CronSim(times.expression, datetime(2026, 1, 1))
    days, weekdays = read.days, read.weekdays
    if any(not isinstance(day, int) or day < 0 for day in (*days, *weekdays)):
        raise ValueError(f"systemd has no `L` and no `#` of `{times.expression}`")
    clock = f"{_field(read.hours, range(24))}:{_field(read.minutes, range(60))}:00"
    months = _field(read.months, range(1, 13))
    zone = times.zone.key
    named = {day % 7 for day in cast("set[int]", weekdays)}
    every_weekday, every_day = len(named) == 7, len(days) == 31
    chosen = ",".join(_WEEKDAYS[day] for day in sorted(named))
    dated = f"*-{months}-{_field(days, range(1, 32))} {clock} {zone}"
    if every_weekday:
        yield dated
    elif every_day or read.day_and:
        yield f"{chosen} {dated}"
    else:
        yield dated
        yield f"{chosen} *-{months}-* {clock} {zone}"


def _field(found: set[int], whole: range) -> str:
    if len(found) == len(whole):
        return "*"
    return ",".join(f"{value:02}" for value in sorted(found))


def _service(job: ScheduledDrill) -> str:
    command = " ".join(_quoted(word) for word in (*job.program, *job.words))
    return f"""[Unit]
Description=drillkit: {job.drill} on {job.target}
Wants=network-online.target
After=network-online.target
OnFailure=drillkit-failed@%n.service

[Service]
Type=oneshot
User={job.user}
WorkingDirectory={_escaped(str(job.project))}
Environment={_quoted(f"HOME={job.home}")} {_quoted(f"DRILLKIT_HOME={job.state}")}
UMask=0027
ExecStart={command}
# A run ends itself at its limit and then cleans up; nothing is left only if it may.
TimeoutStartSec={job.longest_s}
# SIGTERM to drillkit alone: it stops, undoes everything, reports. Only then is the rest killed.
KillMode=mixed
TimeoutStopSec={job.stop_s}
NoNewPrivileges=true
"""


def _timer(job: ScheduledDrill, now: datetime) -> str:
    when = "".join(f"OnCalendar={text}\n" for text in calendars(job.times))
    said = [f"{job.times.cadence}, by the clocks of {job.times.zone.key}.", *job.next_times(now)]
    return f"""{commented(said)}[Unit]
Description=When to start drillkit: {job.drill} on {job.target}

[Timer]
{when}# A start that the machine slept through is missed, not made up for at some other hour.
Persistent=false
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


_FAILED = """# What happens when a drill did not end well: put the line here that reaches a person.
[Unit]
Description=%i failed

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo "%i failed: journalctl -u %i, drillkit due" | systemd-cat -t drillkit -p alert'
"""  # noqa: E501


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """systemd splits at blanks, and reads `%` and `$`."""
    word = _escaped(word).replace("$", "$$")
    if any(c in word for c in " \t\"'\\;"):
        return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return word
