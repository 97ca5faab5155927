"""One drill that starts by itself, as each scheduler is told of it."""

from __future__ import annotations

import shlex
from datetime import datetime, timedelta
from pathlib import Path

from drillkit.lazy_dataclass import dataclass
from drillkit.schedule.pod import drill_label, object_name
from drillkit.schedule.times import Times

_SPARE = timedelta(minutes=10)
"""For what a run does besides its steps and its clean-up: opening, reports, another look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledDrill:
    """What a scheduler starts, and how long it may take."""

    drill: str
    """As `run` is told it."""
    target: str
    times: Times
    limit: timedelta
    """Of the drill."""
    cleanup_limit: timedelta
    """Of its clean-up: what a stopped run still needs."""
    wait: timedelta
    """How long it waits for another run on the target."""
    jitter: timedelta
    program: tuple[str, ...]
    """Absolute: `/opt/drillkit/bin/drillkit`."""
    project: Path
    """Where it runs."""
    reports: Path
    """Of a bucket: the folder of its copy here."""
    bucket: str = ""
    """Where its runs live, as `--out` is told it; '': in `reports`."""
    state: Path
    """DRILLKIT_HOME."""
    user: str
    home: Path

    @property
    def name(self) -> str:
        """Of units and objects, see `object_name`."""
        return object_name(self.label, self.target)

    @property
    def label(self) -> str:
        """The drill, without the folder of its file."""
        return drill_label(self.drill)

    @property
    def words(self) -> tuple[str, ...]:
        """After the program."""
        more: tuple[str, ...] = ()
        if self.wait:
            more += ("--wait", f"{self.wait.total_seconds():.0f}s")
        if self.jitter:
            more += ("--jitter", f"{self.jitter.total_seconds():.0f}s")
        if self.bucket:
            more += ("--out", self.bucket)
        return (
            "run",
            self.drill,
            "--target",
            self.target,
            "--scheduled",
            "--yes",
            "--recover",
            *more,
        )

    @property
    def line(self) -> str:
        """For a shell."""
        return shlex.join((*self.program, *self.words))

    @property
    def longest_s(self) -> int:
        """See `longest_s`, waiting included."""
        return longest_s(self.limit + self.wait + self.jitter, self.cleanup_limit)

    @property
    def stop_s(self) -> int:
        """See `stop_s`."""
        return stop_s(self.cleanup_limit)

    def next_times(self, now: datetime) -> list[str]:
        """Comment lines with the next five starts."""
        return [
            "Next starts:",
            *(f"  {at:%a %Y-%m-%d %H:%M %Z}" for at in self.times.after(now, 5)),
        ]


def longest_s(limit: timedelta, cleanup_limit: timedelta) -> int:
    """Seconds after which even a run that is cleaned up to its limit has ended; whoever kills
    earlier leaves things behind.
    """
    # Leftovers of an earlier run are cleaned up first: a second clean-up.
    return int((limit + 2 * cleanup_limit + _SPARE).total_seconds())


def stop_s(cleanup_limit: timedelta) -> int:
    """Seconds that a run which is told to stop may need until nothing is left."""
    return int((cleanup_limit + timedelta(minutes=1)).total_seconds())


def commented(lines: list[str]) -> str:
    """As comments of a shell, a unit file or YAML."""
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)
