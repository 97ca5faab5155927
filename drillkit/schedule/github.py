"""A workflow of GitHub Actions."""

from __future__ import annotations

import json
from datetime import datetime

from drillkit.schedule.job import ScheduledDrill, commented
from drillkit.schedule.times import Times


def workflow(job: ScheduledDrill, now: datetime) -> str:
    """For `.github/workflows/`. Raises ValueError when UTC has the start on another day."""
    said = [
        f"{job.drill} on {job.target}, {job.times.cadence}, by the clocks of {job.times.zone.key}.",
        "GitHub reads UTC, may start late, and switches off the schedule of a repository in which",
        "nothing happens for 60 days: let `drillkit due` be asked elsewhere, too.",
        *_summer(job.times, now),
        *job.next_times(now),
    ]
    minutes = -(-job.longest_s // 60)
    # The program of this machine is not on theirs.
    words = " ".join(("drillkit", *job.words, "--github"))
    return f"""{commented(said)}name: {job.name}
on:
  schedule:
    - cron: {json.dumps(in_utc(job.times, now))}
  workflow_dispatch: {{}}
permissions:
  contents: read
concurrency:
  group: {job.name}
  cancel-in-progress: false
jobs:
  drill:
    runs-on: ubuntu-latest
    timeout-minutes: {minutes}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pip install drillkit
      # Give it a kubeconfig and AWS credentials here, by OIDC where you can.
      - run: {words}
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: {job.name}
          path: reports/
          retention-days: 90
"""


def in_utc(times: Times, now: datetime) -> str:
    """The expression by UTC's clocks, as they are apart at the next start."""
    minute, hours, day, month, weekday = times.expression.split()
    following = times.after(now, 1)[0]
    apart = following.utcoffset()
    assert apart is not None
    ahead = round(apart.total_seconds() / 60)
    if ahead == 0:
        return times.expression
    if not minute.isdigit() or not all(hour.isdigit() for hour in hours.split(",")):
        raise ValueError(
            f"GitHub reads UTC, and `{times.expression}` is by the clocks of {times.zone.key}: "
            "give the drill a cadence with one minute and plain hours, or a window in UTC"
        )
    moments = [int(hour) * 60 + int(minute) - ahead for hour in hours.split(",")]
    if (day, weekday) != ("*", "*") and any(not 0 <= moment < 1440 for moment in moments):
        raise ValueError(
            f"GitHub reads UTC, where {following:%H:%M} in {times.zone.key} is another day: give "
            "the drill a window at another hour"
        )
    there = sorted({moment % 1440 // 60 for moment in moments})
    return f"{moments[0] % 60} {','.join(map(str, there))} {day} {month} {weekday}"


def _summer(times: Times, now: datetime) -> list[str]:
    offsets = {times.zone.utcoffset(now.replace(tzinfo=None, month=m, day=1)) for m in (1, 7)}
    if len(offsets) == 1:
        return []
    first = times.after(now, 1)[0]
    return [
        f"It is written for {first:%Z} (UTC{first:%z}): when the clocks change, print it again.",
    ]
