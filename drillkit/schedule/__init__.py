"""When a drill starts by itself, and what to install so that it does.

`times` turns a cadence and a window into a cron expression; each other module prints one scheduler's
files from a `Job`. Nothing here starts anything.
"""

from drillkit.schedule.due import Skipped, skipped
from drillkit.schedule.job import Job
from drillkit.schedule.times import Times, times_of

__all__ = ["Job", "Skipped", "Times", "skipped", "times_of"]
