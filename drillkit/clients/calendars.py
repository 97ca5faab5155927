"""iCalendar files at a URL, with a copy of each on this machine: a calendar server that is away for
a day must not keep drills from starting, nor be asked for what has not changed.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from drillkit.clients.http_get import download
from drillkit.clock import Clock
from drillkit.journal.files import make_folder, write_file
from drillkit.journal.runs import home
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError
from drillkit.model.json_text import load_json
from drillkit.model.units import format_duration

LIMIT_S = 10.0
MOST_BYTES = 4 * 1024 * 1024
STALE = timedelta(days=7)
"""A copy that is older says nothing about today's freezes."""


@dataclass(frozen=True, slots=True)
class FetchedCalendar:
    """A calendar as it was read."""

    raw: bytes
    stale: str = ""
    """Why it is a copy, and how old."""


def fetch_calendar(url: str, clock: Clock) -> FetchedCalendar:
    """What is at the URL now, else the copy of it that is at most `STALE` old. Of the URL no more
    than its host is told. Raises CallError when there is neither.
    """
    file = home() / "calendars" / f"{hashlib.sha256(url.encode()).hexdigest()}.json"
    kept = _kept(file)
    try:
        found = _now(url, kept, clock)
    except CallError as why:
        if kept is None:
            raise
        old = timedelta(minutes=max(0.0, clock.now() - float(kept["at"])) // 60)
        if old > STALE:
            raise CallError(
                f"{why}; the copy of it is {format_duration(old)} old, which is more than "
                f"{format_duration(STALE)}"
            ) from why
        said = f"a copy of {format_duration(old)} ago, since it cannot be fetched: {why}"
        return FetchedCalendar(base64.b64decode(kept["body"]), said)
    # A copy that cannot be kept costs only the next one who needs it.
    with contextlib.suppress(OSError):
        make_folder(file.parent)
        write_file(file, json.dumps(found).encode(), mode=0o600)
    return FetchedCalendar(base64.b64decode(found["body"]))


def _now(url: str, kept: Mapping[str, Any] | None, clock: Clock) -> dict[str, Any]:
    headers = {"Accept": "text/calendar"}
    if kept is not None and kept.get("etag"):
        headers["If-None-Match"] = str(kept["etag"])
    elif kept is not None and kept.get("modified"):
        headers["If-Modified-Since"] = str(kept["modified"])
    document = download(url, LIMIT_S, MOST_BYTES, headers, clock)
    if document.status == 304 and kept is not None:
        return {**kept, "at": clock.now()}
    if document.status != 200:
        more = "; redirects are not followed" if 300 <= document.status < 400 else ""
        raise CallError(f"expected a calendar, the answer is {document.status}{more}")
    begin = document.content.removeprefix(b"\xef\xbb\xbf").lstrip()[:15]
    if begin.upper() != b"BEGIN:VCALENDAR":
        raise CallError("expected a calendar, found something else (a login page?)")
    return {
        "at": clock.now(),
        "etag": document.headers.get("etag"),
        "modified": document.headers.get("last-modified"),
        "body": base64.b64encode(document.content).decode(),
    }


def _kept(file: Path) -> dict[str, Any] | None:
    try:
        found = load_json(file.read_bytes())
        base64.b64decode(found["body"])
        float(found["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, dict) else None
