"""Ctrl-C, SIGTERM and SIGHUP in a command that changes something at a target: a call that was sent
is waited for, what has not begun is left, and what is said afterwards is true.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click

from drillkit.clock import Clock, Hurried, Skipped, SystemClock


class Interruption:
    """Whether somebody wants the command to end."""

    def __init__(self, meaning: str) -> None:
        self._meaning = meaning
        self.asked = threading.Event()
        self.clock: Clock = Hurried(SystemClock(), self.asked, "interrupted")
        """Its waits end in Skipped once it was asked for."""

    def on_signal(self, name: str) -> None:
        """More of them mean no more than the first."""
        if not self.asked.is_set():
            click.echo(f"  {name}: {self._meaning}", err=True)
        self.asked.set()

    def check(self) -> None:
        """Raises Skipped when it was asked for."""
        if self.asked.is_set():
            raise Skipped("interrupted")


@contextmanager
def stoppable(meaning: str, afterwards: str) -> Iterator[Interruption]:
    """Signals ask for the end of what is done inside; `meaning` tells at once what that does.

    Raises Skipped with `afterwards` when something was left for it. Main thread only.
    """
    from drillkit.runner.abort import signals_stop

    stop = Interruption(meaning)
    try:
        with signals_stop(stop):
            yield stop
    except Skipped as why:
        raise Skipped(f"{why}: {afterwards}") from why
