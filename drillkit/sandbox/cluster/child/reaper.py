"""Kill every process group of a sandbox once its main process is gone, however it ended.

Reads lines from standard input: `+PGID` for a group that began, `-PGID` for one that ended. End of
input means that the main process is gone. It covers what PR_SET_PDEATHSIG cannot: grandchildren,
foreign programs, macOS.
"""

from __future__ import annotations

import os
import signal
import sys


def main(arguments: list[str]) -> None:
    """Follow standard input to its end, then kill the groups still open."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            continue
