"""Starts a program that must not outlive the process that wants it: `launcher.py PARENT LIFE SAID
PROGRAM...`.

Run as a file in a new session, by an interpreter that imports nothing else: the threads of a drill
make it unsafe to run anything of ours between fork and exec. `LIFE` is a pipe that ends with the
parent: a watcher then kills the program's whole group. Linux kills the program itself, too. What
keeps it from starting is written to `SAID` as an error number.
"""

from __future__ import annotations

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, life: int, said: int, command: list[str]) -> None:
    """Become the program. Ends with 127 where it cannot be started."""
    os.set_inheritable(said, False)
    _die_with(parent)
    # Two forks, so that the watcher is no child of the program, which may wait for all of its own.
    if (child := os.fork()) == 0:
        if os.fork() == 0:
            _watch(life, said)
        os._exit(0)
    os.waitpid(child, 0)
    os.close(life)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(said, str(error.errno).encode())
    os._exit(127)


def _die_with(parent: int) -> None:
    import ctypes

    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # only Linux has it
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before this was asked for
        os._exit(127)


def _watch(life: int, said: int) -> None:
    """Kill the group when the parent is gone. Ends with the group at the latest."""
    os.close(said)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the program may take its time to end
    os.read(life, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
