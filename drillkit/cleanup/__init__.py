"""Applies open undos: users first and at once, then our own resources in order. Knows no step."""

from __future__ import annotations

from drillkit.cleanup.application import Application, BrokenUndo
from drillkit.cleanup.open_undo import OpenUndo, UnknownUndo, answer, open_undos
from drillkit.cleanup.order import holds
from drillkit.cleanup.progress import Cleaned, CleanupBook, Failed, Haste, Settled
from drillkit.cleanup.run import clean

__all__ = [
    "Application",
    "BrokenUndo",
    "Cleaned",
    "CleanupBook",
    "Failed",
    "Haste",
    "OpenUndo",
    "Settled",
    "UnknownUndo",
    "answer",
    "clean",
    "holds",
    "open_undos",
]
