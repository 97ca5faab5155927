"""Chaos Toolkit: experiments run in a worker process each, what happens there is streamed into
the journal.

Nothing here imports Chaos Toolkit before a worker runs.
"""

from __future__ import annotations

from collections.abc import Mapping

from drillkit.clients.chaostoolkit.undo import Rollbacks
from drillkit.clients.undo import UndoAction

UNDOS: Mapping[str, type[UndoAction]] = {cls.kind: cls for cls in (Rollbacks,)}
