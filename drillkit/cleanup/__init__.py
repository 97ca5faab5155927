"""Applies open undos: users first and at once, then our own resources in order. Knows no step."""

from __future__ import annotations

from drillkit.cleanup.opens import OpenUndo, open_undos
from drillkit.cleanup.run import Cleaned, Failed, Haste, Settled, clean

__all__ = ["Cleaned", "Failed", "Haste", "OpenUndo", "Settled", "clean", "open_undos"]
