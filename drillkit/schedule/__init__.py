"""When a drill starts by itself, and what to install so that it does.

`times` turns a cadence and a window into a cron expression; each other module prints one
scheduler's files from a `ScheduledDrill`. Nothing here starts anything.
"""

from drillkit.schedule.due import PassedOver, skipped
from drillkit.schedule.job import ScheduledDrill
from drillkit.schedule.times import Times, times_of

__all__ = ["PassedOver", "ScheduledDrill", "Times", "skipped", "times_of"]
