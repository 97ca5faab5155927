"""`python -m drillkit.sampler PARENT`: the sampler's process, started by the runner and by
nobody else.

Standard input: one JSON line `{"aims": [...]}`, then commands. Standard output: one JSON line,
`{"start": ...}` or `{"error": ...}`. Samples go to the runner's journal through the inherited pipe.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import resource
import signal
import sys

from drillkit.clients.probe import Aim, aim_from_data
from drillkit.clock import SYSTEM_CLOCK
from drillkit.journal.wire import FD_VARIABLE, die_with_parent, remote_from_environment
from drillkit.model.errors import JournalLost, UsageError
from drillkit.sampler.engine import Engine
from drillkit.sampler.probe_schedule import most_connections

_CONFIG_BYTES = 1 << 20
_SPARE_DESCRIPTORS = 64


def main(arguments: list[str]) -> int:
    """Exit code: 0 stopped, 1 the runner is gone, 2 a configuration that cannot be."""
    die_with_parent(int(arguments[0]))
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # the runner decides; it still wants samples while it cleans up
        signal.signal(number, signal.SIG_IGN)
    book = remote_from_environment()
    if book is None:
        return _refuse("the sampler is started by a run, which has the journal: use `drillkit run`")
    if (line := _first_line()) is None:
        return 1
    told = json.loads(line)
    book.know(told["known"])
    aims = [aim_from_data(data) for data in told["aims"]]
    try:
        _make_room(aims)
        engine = Engine(aims, book, sys.stdin.fileno(), int(os.environ[FD_VARIABLE]), SYSTEM_CLOCK)
    except UsageError as error:
        return _refuse(str(error))
    _be_punctual()
    print(json.dumps({"start": engine.begin()}), flush=True)
    try:
        return 0 if engine.run() else 1
    except JournalLost:
        return 1


def _refuse(why: str) -> int:
    print(json.dumps({"error": why}), flush=True)
    return 2


def _first_line() -> bytes | None:
    """The configuration; None if the parent ended first. Byte by byte, so that commands stay in
    the pipe.
    """
    line = bytearray()
    while not line.endswith(b"\n"):
        if len(line) > _CONFIG_BYTES or not (byte := os.read(sys.stdin.fileno(), 1)):
            return None
        line += byte
    return bytes(line)


def _make_room(aims: list[Aim]) -> None:
    need = (
        2 * sum(map(most_connections, aims)) + _SPARE_DESCRIPTORS
    )  # each may look up a name at the same time
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= need:
        return
    if hard != resource.RLIM_INFINITY and hard < need:
        raise UsageError(
            f"the probes may need {need} open files (2 x rate x timeout), but only {hard} are "
            "allowed: lower a rate or a timeout, or raise `ulimit -n`"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))


def _be_punctual() -> None:
    """Take away what makes a process late: the timer's slack, its neighbours, the collector, its
    own threads.
    """
    if sys.platform == "linux":
        pr_set_timerslack = 29
        ctypes.CDLL(None).prctl(pr_set_timerslack, 1)
    with contextlib.suppress(OSError):  # only the privileged may
        os.nice(-5)
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.freeze()
    gc.disable()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
