"""What can be broken or slowed on purpose.

Set in process (`VeleroController.knobs`), or from anywhere by the ConfigMap `sandbox-velero-knobs`
in Velero's namespace, whose key `knobs.json` holds the fields below; the ConfigMap wins while
it exists.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any

CONFIG_MAP = "sandbox-velero-knobs"


@dataclass
class Knobs:
    """Every field may be left out.

    `slow_s`: the least seconds a phase lasts, by `<kind>.<Phase>`, e.g. `Restore.InProgress`,
    `Backup.Finalizing`, `DownloadRequest.New`, `DeleteBackupRequest.InProgress`.
    `location_unavailable`: the storage location's message while it is Unavailable; empty: it
    is Available.
    `end`: entries `{"kind": "Restore", "match": NAME_PATTERN, "phase": "PartiallyFailed" |
    "Failed", "reason": TEXT}`: such objects end so.
    `corrupt`: patterns of backups whose tarball cannot be unpacked.
    `omit`: entries `{"backup": PATTERN, "item": "deployments.apps/shop/web"}` (a pattern): the
    backup lists such items and holds nothing of them.
    `alter`: entries `{"backup": PATTERN, "item": PATTERN, "patch": MERGE_PATCH}`: what comes back
    differs from what was saved.
    `hang_downloads`: download requests stay New.
    `restarts`: raise it by one to restart the server: whatever runs ends Failed.
    """

    slow_s: dict[str, float] = field(default_factory=dict)
    location_unavailable: str = ""
    end: list[dict[str, str]] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    omit: list[dict[str, str]] = field(default_factory=list)
    alter: list[dict[str, Any]] = field(default_factory=list)
    hang_downloads: bool = False
    restarts: int = 0

    def ending(self, kind: str, name: str) -> dict[str, str] | None:
        """How an object is to end, if not as it would."""
        return next(
            (e for e in self.end if e["kind"] == kind and fnmatchcase(name, e.get("match", "*"))),
            None,
        )

    def is_corrupt(self, backup: str) -> bool:
        return any(fnmatchcase(backup, pattern) for pattern in self.corrupt)

    def omits(self, backup: str, item: str) -> bool:
        return any(
            fnmatchcase(backup, e.get("backup", "*")) and fnmatchcase(item, e["item"])
            for e in self.omit
        )

    def patches(self, backup: str, item: str) -> list[Any]:
        """The merge patches to alter an item of a backup by."""
        return [
            e["patch"]
            for e in self.alter
            if fnmatchcase(backup, e.get("backup", "*")) and fnmatchcase(item, e["item"])
        ]


def from_json(text: str) -> Knobs:
    """Raises ValueError naming what is wrong."""
    values = json.loads(text)
    known = {item.name for item in fields(Knobs)}
    if not isinstance(values, dict) or set(values) - known:
        raise ValueError(
            f"expected an object with some of {', '.join(sorted(known))}, found {text[:200]}"
        )
    return Knobs(**values)
