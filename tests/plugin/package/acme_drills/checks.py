"""The check `acme.notice-is-up`."""

from __future__ import annotations

from dataclasses import dataclass

from acme_drills.board import Board
from drillkit.plugin import CheckKind, Context, Copy, Expectation, Look, StepCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeIsUpArguments:
    board: str
    """URL of the status board."""
    name: str = "drill"
    """Name of the notice."""


def look(host: Context, copy: Copy, check: StepCheck) -> Look:
    """Whether the notice is up."""
    arguments: NoticeIsUpArguments = NOTICE_IS_UP.arguments(check)
    return Look(Board(host.clients, arguments.board).find(arguments.name) is not None)


NOTICE_IS_UP = CheckKind(
    Expectation("==", True),
    look,
    lambda check: f"notice {check.with_.get('name', 'drill')} is up",
    reads_database=False,
    Arguments=NoticeIsUpArguments,
)
