"""Velero's own words on a restore or a backup: fetched and kept with the run before anything
is deleted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from drillkit.clients.velero import Velero
from drillkit.clients.velero.files import FileKind, as_json, told
from drillkit.clock import DeadlineOver
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, NotOurs
from drillkit.model.evidence import Note
from drillkit.model.json_text import load_json
from drillkit.steps.base import Act
from drillkit.steps.expiry import expires
from drillkit.steps.velero.names import file_name, named

FETCH_S = 60.0
LATE_FETCH_S = 10.0
"""After the step's own limit: less than the runner waits for it to end."""
RESTORE_FILES: Mapping[FileKind, tuple[str, str]] = {
    "RestoreResults": ("restore-results.json", "application/json"),
    "RestoreLog": ("restore.log", "text/plain"),
    "RestoreResourceList": ("restored-objects.json", "application/json"),
    "RestoreItemOperations": ("restore-operations.json", "application/json"),
    "RestoreVolumeInfo": ("restored-volumes.json", "application/json"),
}
BACKUP_FILES: Mapping[FileKind, tuple[str, str]] = {
    "BackupResults": ("backup-results.json", "application/json"),
    "BackupLog": ("backup.log", "text/plain"),
    "BackupResourceList": ("backed-up-objects.json", "application/json"),
    "BackupVolumeInfos": ("backed-up-volumes.json", "application/json"),
}


@dataclass(frozen=True, slots=True)
class Words:
    """What was fetched."""

    files: Mapping[FileKind, bytes] = field(default_factory=dict)
    unread: str = ""
    """Why some of it could not be."""

    def data(self, kind: FileKind) -> Any:
        """A JSON file's data, None where it is not there. Raises Unanswered for what is no JSON."""
        content = self.files.get(kind)
        return None if content is None else as_json(content, kind)

    def errors(self, kind: FileKind) -> str:
        """The errors in a results file, as one line."""
        return told((self.data(kind) or {}).get("errors") or {})

    def warnings(self, kind: FileKind) -> str:
        """The warnings in a results file, as one line."""
        return told((self.data(kind) or {}).get("warnings") or {})


def gather(
    act: Act, velero: Velero, of: str, wanted: Mapping[FileKind, tuple[str, str]], attempt: str = ""
) -> Words:
    """Fetch files of a backup or restore and attach them; what cannot be had is noted."""
    found: dict[FileKind, bytes] = {}
    unread: dict[str, str] = {}
    for kind, (name, media_type) in wanted.items():
        try:
            content = fetch(act, velero, kind, of, attempt)
        except (CallError, DeadlineOver, NotOurs) as error:
            unread[kind] = str(error)
            if isinstance(error, DeadlineOver):
                break  # the location is away: the others would wait as long
            continue
        if content is not None:
            found[kind] = content
            act.attach(
                file_name(act, f"{attempt}{'-' if attempt else ''}{name}"),
                media_type,
                _readable(name, content),
            )
    why = "; ".join(f"{kind}: {why}" for kind, why in unread.items())
    if why:
        act.observe(Note("drillkit", f"files of {of} could not be fetched: {why}", "observation"))
    return Words(found, why)


def fetch(act: Act, velero: Velero, kind: FileKind, of: str, attempt: str = "") -> bytes | None:
    """One file. Raises CallError, DeadlineOver, NotOurs."""
    undo = velero.request_undo(
        named(act, kind, *([attempt] if attempt else [])), act.run.id, expires(act)
    )
    limit_s = min(FETCH_S, max(LATE_FETCH_S, act.deadline.left()))
    return velero.fetch(act.book.plan(undo), kind, of, limit_s)


def _readable(name: str, content: bytes) -> bytes:
    if not name.endswith(".json"):
        return content
    try:
        return json.dumps(load_json(content), indent=1).encode() + b"\n"
    except ValueError:
        return content
