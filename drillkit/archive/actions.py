"""What people noted to be done, over all runs, and what became of it.

An item is named by its run and the number of its record, `RUN#N`. Journals are never touched again:
what is closed, or has become an issue elsewhere, is appended to `actions.jsonl` beside them, a line
each, and never edited.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from drillkit.clients.bucket import bucket_of
from drillkit.clock import SYSTEM_CLOCK
from drillkit.journal.files import FILE_MODE, make_folder, write_file
from drillkit.journal.objects import append_line, persistent
from drillkit.journal.runs import JOURNAL
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import UsageError
from drillkit.model.evidence import Note
from drillkit.model.json_text import load_json
from drillkit.model.records import RunOpened, decode

LEDGER = "actions.jsonl"
READ_S = 10.0
"""So long a bucket is asked for it."""
_MARK = b'"action-item"'


@dataclass(frozen=True, slots=True)
class ActionItem:
    """Something to be done."""

    id: str
    text: str
    by: str
    owner: str
    due: date | None
    drill: str
    target: str
    noted: datetime
    closed_by: str = ""
    """'' while it is open."""
    closed: datetime | None = None
    why: str = ""
    """What was done about it."""
    issues: Mapping[str, str] = field(default_factory=dict)
    """Address of its issue, by tracker."""

    @property
    def open(self) -> bool:
        """Whether it is still to be done."""
        return not self.closed_by


@dataclass(frozen=True, slots=True)
class ActionItems:
    """All of a folder of reports: the open ones first, each by its due date."""

    items: tuple[ActionItem, ...]
    unread: tuple[str, ...] = ()
    """What could not be read, and why: it may hide items."""


def action_items(reports: Path) -> ActionItems:
    """Read them all."""
    found: dict[str, ActionItem] = {}
    unread: list[str] = []
    for journal in sorted(reports.glob(f"*/*/{JOURNAL}")):
        if journal.parent.is_symlink():
            continue
        try:
            found |= {item.id: item for item in _of_run(journal)}
        except (OSError, ValueError, KeyError, TypeError) as error:
            unread.append(f"{journal}: {error}")
    for number, line in enumerate(_ledger(reports), 1):
        try:
            entry = load_json(line)
            item = found[entry["action"]]
            found[item.id] = _changed(item, entry)
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            unread.append(f"{reports / LEDGER}, line {number}: {type(error).__name__} {error}")
            continue
    ordered = sorted(
        found.values(), key=lambda item: (not item.open, item.due or date.max, item.noted)
    )
    return ActionItems(tuple(ordered), tuple(unread))


def close(reports: Path, item: str, by: str, why: str, at: float) -> ActionItem:
    """Write down that something is done. Raises UsageError for one that is not there or not open,
    OSError.
    """
    known = {each.id: each for each in action_items(reports).items}
    if item not in known:
        some = ", ".join(each.id for each in known.values() if each.open) or "none"
        raise UsageError(f"no action item `{item[:100]}`; open: {some[:500]}")
    if not known[item].open:
        raise UsageError(f"{item} was closed by {known[item].closed_by} already")
    _note(reports, {"at": at, "by": by, "action": item, "why": why})
    return replace(known[item], closed_by=by, closed=datetime.fromtimestamp(at, UTC), why=why)


def note_issue(
    reports: Path, item: ActionItem, tracker: str, issue: str, by: str, at: float
) -> None:
    """Write down that an item is an issue of a tracker, at this address. Raises OSError."""
    _note(reports, {"at": at, "by": by, "action": item.id, "tracker": tracker, "issue": issue})


def _changed(item: ActionItem, entry: Any) -> ActionItem:
    """Raises KeyError, TypeError, ValueError, OverflowError for what is no line of the ledger."""
    if "issue" in entry:
        return replace(item, issues={**item.issues, entry["tracker"]: entry["issue"]})
    at = datetime.fromtimestamp(entry["at"], UTC)
    return replace(item, closed_by=entry["by"], closed=at, why=entry["why"])


def _note(reports: Path, entry: Mapping[str, Any]) -> None:
    """In the copy of a bucket the ledger is the bucket's. Raises OSError, CallError."""
    make_folder(reports)
    line = json.dumps(entry, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
    store = bucket_of(reports)
    if store is not None:
        write_file(reports / LEDGER, append_line(store, LEDGER, line, SYSTEM_CLOCK), durable=True)
        return
    fd = os.open(reports / LEDGER, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
    with open(fd, "wb") as file:
        file.write(line)
        file.flush()
        os.fsync(fd)


def _ledger(reports: Path) -> list[str]:
    store = bucket_of(reports)
    if store is not None:
        there = persistent(lambda: store.get(LEDGER), SYSTEM_CLOCK, READ_S)
        content = there.content if there is not None else b""
        return content.decode(errors="replace").splitlines()
    try:
        return (reports / LEDGER).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _of_run(journal: Path) -> Iterator[ActionItem]:
    """Looks at each line as bytes first: a journal has a hundred thousand samples."""
    opened: RunOpened | None = None
    with journal.open("rb") as lines:
        for line in lines:
            if opened is not None and _MARK not in line:
                continue
            if not line.endswith(b"\n"):
                return  # torn: it was never acknowledged
            record = load_json(line)
            entry = decode(record["kind"], record["data"])
            if opened is None:
                opened = entry if isinstance(entry, RunOpened) else RunOpened()
            if isinstance(entry, Note) and entry.about == "action-item":
                yield ActionItem(
                    id=f"{opened.run or journal.parent.name}#{record['n']}",
                    text=entry.text,
                    by=entry.by,
                    owner=entry.owner or (opened.drill.owner if opened.drill else ""),
                    due=entry.due,
                    drill=opened.drill_name,
                    target=opened.target_name,
                    noted=datetime.fromtimestamp(record["at"], UTC),
                )
