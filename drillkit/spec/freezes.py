"""Freezes: days on which nobody changes anything, as a range of dates or an iCalendar file, beside
the drill or at a URL.

Calendars are read as Outlook and Google export them. An event counts while it lasts, in its own
time zone; all-day events and those without a zone count in the zone of the drill's window.
Cancelled events and those marked as free time do not count.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drillkit.clock import Clock, SystemClock
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Drill
from drillkit.model.errors import CallError, SpecError, UsageError
from drillkit.secrets import is_reference, resolve
from drillkit.spec.document import quoted, read_bytes

if TYPE_CHECKING:
    from icalendar import Event

EXPECTED = "YYYY-MM-DD..YYYY-MM-DD, an iCalendar file (.ics) or the URL of one"
MOST_OCCURRENCES = 100_000
"""Of one event before now: daily since the year 1750."""
_TIMES = ("DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID")
_TOO_OFTEN = ("SECONDLY", "MINUTELY", "HOURLY")


@dataclass(frozen=True, slots=True)
class Freeze:
    """When nothing is to be changed."""

    text: str
    """As the drill says it."""
    first: date | None = None
    last: date | None = None
    """Of a range of dates, both inclusive."""
    events: tuple[_Series, ...] = ()
    ignored: int = 0
    """Events that are cancelled or marked as free time."""
    sha256: str = ""
    """Digest of the calendar's file."""
    stale: str = ""
    """Why a copy of the calendar was read, and how old it is."""
    unread: str = ""
    """Why nobody knows when it is."""

    def active(self, now: datetime, zone: tzinfo) -> str:
        """Why `now` (aware) is frozen, or ''. `zone` is where days begin that name none.

        Raises ValueError for a recurrence that cannot be followed.
        """
        if self.first is not None and self.last is not None:
            inside = self.first <= now.astimezone(zone).date() <= self.last
            return f"frozen from {self.first} to {self.last}" if inside else ""
        for series in self.events:
            if why := series.active(now, zone):
                return why
        return ""


@dataclass(frozen=True, slots=True)
class _Series:
    """An event with all its occurrences; one that does not recur has just one.

    Times are wall clock times of `zone` (None: of whoever asks), so that a weekly event keeps its
    hour when daylight saving time begins.
    """

    title: str
    zone: tzinfo | None
    start: datetime
    length: timedelta
    rules: tuple[Mapping[str, list[Any]], ...]
    more: tuple[datetime, ...]
    """Single further occurrences (RDATE)."""
    without: frozenset[datetime]
    """Occurrences that were taken out or moved."""

    def active(self, now: datetime, zone: tzinfo) -> str:
        here = self.zone or zone
        local = now.astimezone(here).replace(tzinfo=None)
        for start in self._starts(local, here):
            if start <= local < start + self.length and start not in self.without:
                until = start + self.length
                named = _name(here, now)
                return f"{self.title} lasts until {until:%Y-%m-%d %H:%M} {named}"
        return ""

    def _starts(self, local: datetime, here: tzinfo) -> Iterator[datetime]:
        """Those that may last at a time."""
        yield self.start
        yield from self.more
        for rule in self.rules:
            yield from self._recurring(rule, local, here)

    def _recurring(
        self, rule: Mapping[str, list[Any]], local: datetime, here: tzinfo
    ) -> Iterator[datetime]:
        from dateutil.rrule import rrulestr
        from icalendar import vRecur

        # All in wall clock time: an end in UTC, as RFC 5545 wants it, becomes one of the event's.
        ends = [_until(end, here) for end in rule.get("UNTIL", ())]
        text: Any = vRecur({**rule, **({"UNTIL": ends} if ends else {})})
        written = text.to_ical().decode()
        for n, start in enumerate(rrulestr(written, dtstart=self.start)):
            if start > local:
                return
            if n > MOST_OCCURRENCES:
                raise ValueError(
                    f"{self.title} recurs more than {MOST_OCCURRENCES:,} times before now; "
                    "give it a later start"
                )
            if start + self.length > local:
                yield start


def _name(zone: tzinfo, now: datetime) -> str:
    """A zone for people: its name, or how far from UTC it is where a calendar's has none."""
    named = getattr(zone, "key", None) or now.astimezone(zone).tzname()
    return named or f"(UTC{now.astimezone(zone):%z})"


def _until(end: date, here: tzinfo) -> datetime:
    if not isinstance(end, datetime):
        return datetime.combine(end, time(23, 59, 59))
    return end if end.tzinfo is None else end.astimezone(here).replace(tzinfo=None)


def is_url(text: str) -> bool:
    """Whether a freeze is a calendar at a URL, or a reference to one, which may be a secret."""
    return text.startswith(("https://", "http://", "webcal://", "env:", "file:"))


def read_freeze(text: str, folder: Path | None) -> Freeze:
    """The freeze that a guard names; a calendar's file is looked for in `folder`. Nothing is
    fetched: a calendar at a URL is `unread`.

    Raises ValueError with what was expected and what was found.
    """
    if is_url(text):
        if "@" in text.partition("://")[2].partition("/")[0]:
            raise ValueError("a password must not stand in a URL; write a reference to the URL")
        return Freeze(text, unread="it was not fetched")
    if text.endswith(".ics"):
        return _file(text, (folder or Path.cwd()) / text)
    days = re.fullmatch(r"(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)", text)
    try:
        first, last = (date.fromisoformat(day) for day in days.groups()) if days else (None, None)
    except ValueError:
        first = last = None
    if first is None or last is None:
        raise ValueError(f"expected {EXPECTED}, found {quoted(text)}")
    if last < first:
        raise ValueError(f"expected the first day before the last, found {quoted(text)}")
    return Freeze(text, first, last)


def fetch_freeze(text: str, clock: Clock | None = None) -> Freeze:
    """The freeze of a calendar at a URL; one that cannot be had is `unread`."""
    from drillkit.clients.calendars import fetch_calendar

    try:
        url = resolve(text, "guards: freeze") if is_reference(text) else text
        if not url.startswith(("https://", "http://", "webcal://")):
            raise UsageError("guards: freeze: expected a URL behind the reference")
        url = re.sub("^webcal:", "https:", url)
        found = fetch_calendar(url, clock or SystemClock())
        return replace(_calendar(text, found.raw), stale=found.stale)
    except (CallError, UsageError, ValueError) as why:
        return Freeze(text, unread=str(why))


def freezes_of(drill: Drill, folder: Path | None) -> Mapping[str, Freeze]:
    """The freezes of a drill's guards by their text, those at a URL fetched. Raises ValueError."""
    named = {guard.freeze for guard in drill.guards.start if guard.freeze is not None}
    return {
        text: fetch_freeze(text) if is_url(text) else read_freeze(text, folder) for text in named
    }


def digests_of(freezes: Mapping[str, Freeze]) -> dict[str, str]:
    """SHA-256 of every calendar, for the run's first record."""
    return {f"freeze {text}": each.sha256 for text, each in freezes.items() if each.sha256}


def _file(text: str, path: Path) -> Freeze:
    if not path.is_file():
        raise ValueError(f"no iCalendar file {quoted(text)} beside the drill")
    try:
        return _calendar(text, read_bytes(path))
    except SpecError as error:
        raise ValueError(f"{quoted(text)}: {error}") from error


def _calendar(text: str, raw: bytes) -> Freeze:
    from icalendar import Calendar

    try:
        calendars = Calendar.from_ical(raw.removeprefix(b"\xef\xbb\xbf"), multiple=True)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"{quoted(text)} is no iCalendar file: {error}") from error
    if not calendars:
        raise ValueError(
            f"{quoted(text)} is no iCalendar file: expected BEGIN:VCALENDAR to END:VCALENDAR"
        )
    events: list[Any] = [event for calendar in calendars for event in calendar.walk("VEVENT")]
    series, ignored = _all_series(events, text)
    return Freeze(text, events=series, ignored=ignored, sha256=hashlib.sha256(raw).hexdigest())


def _all_series(events: list[Event], text: str) -> tuple[tuple[_Series, ...], int]:
    """What counts of a calendar's events, and how many do not."""
    moved: dict[str, list[Event]] = {}
    for event in events:
        if event.get("RECURRENCE-ID") is not None:
            moved.setdefault(str(event.get("UID", "")), []).append(event)
    found: list[_Series] = []
    ignored = 0
    for event in events:
        if not _counts(event):
            ignored += 1
            continue
        single = event.get("RECURRENCE-ID") is not None
        exceptions = [] if single else moved.get(str(event.get("UID", "")), [])
        found.append(_series(event, exceptions, text))
    return tuple(found), ignored


def _counts(event: Event) -> bool:
    status = str(event.get("STATUS", "")).upper()
    return status != "CANCELLED" and str(event.get("TRANSP", "")).upper() != "TRANSPARENT"


def _series(event: Event, exceptions: list[Event], text: str) -> _Series:
    title = f"`{' '.join(str(event.get('SUMMARY') or 'an event without a title').split())[:100]}`"
    what = f"{quoted(text)}: {title}"
    for key, error in event.errors:
        if key in _TIMES:
            raise ValueError(f"{what}: {key} cannot be read: {error}")
    start = _moment(event, "DTSTART", what)
    if start is None:
        raise ValueError(f"{what}: expected DTSTART, found none")
    zone = start.tzinfo if isinstance(start, datetime) else None
    rules = _each(event.get("RRULE"))
    for rule in rules:
        if not isinstance(rule, Mapping) or not rule.get("FREQ"):
            raise ValueError(f"{what}: expected a rule such as FREQ=WEEKLY as RRULE")
        if (often := str((rule.get("FREQ") or [""])[0]).upper()) in _TOO_OFTEN:
            raise ValueError(f"{what}: expected to recur daily at most, found {often}")
    taken = [moment for entry in _each(event.get("EXDATE")) for moment in _moments(entry, what)]
    taken += [_replaced(exception, what) for exception in exceptions]
    more = [moment for entry in _each(event.get("RDATE")) for moment in _moments(entry, what)]
    return _Series(
        title,
        zone,
        _wall(start, zone),
        _length(event, start, what),
        tuple(rules),
        tuple(_wall(each, zone) for each in more),
        frozenset(_wall(each, zone) for each in taken),
    )


def _replaced(exception: Event, what: str) -> date:
    """The occurrence that another event stands for."""
    given = exception.get("RECURRENCE-ID")
    if str(given.params.get("RANGE", "")).upper() == "THISANDFUTURE":
        raise ValueError(
            f"{what}: an event that moves all later ones (RANGE=THISANDFUTURE) is not understood; "
            "end the old series and begin a new one"
        )
    moment = _moment(exception, "RECURRENCE-ID", what)
    assert moment is not None
    return moment


def _length(event: Event, start: date, what: str) -> timedelta:
    end = _moment(event, "DTEND", what)
    duration = event.get("DURATION")
    if end is None and duration is not None:
        length = _value(duration)
        if not isinstance(length, timedelta):
            raise ValueError(f"{what}: expected a duration such as PT8H as DURATION")
        return length
    if end is None:
        return timedelta() if isinstance(start, datetime) else timedelta(days=1)
    zone = start.tzinfo if isinstance(start, datetime) else None
    return _wall(end, zone) - _wall(start, zone)


def _wall(moment: date, zone: tzinfo | None) -> datetime:
    """A moment as the clocks of `zone` show it."""
    if not isinstance(moment, datetime):
        return datetime.combine(moment, time())
    if moment.tzinfo is None or zone is None:
        return moment.replace(tzinfo=None)
    return moment.astimezone(zone).replace(tzinfo=None)


def _moment(event: Event, key: str, what: str) -> date | None:
    given = event.get(key)
    return None if given is None else _known(given, key, what)


def _moments(entry: Any, what: str) -> Iterator[date]:
    """Those of an EXDATE or RDATE. Of a period, its begin."""
    for given in getattr(entry, "dts", ()):
        yield _known(given, "EXDATE or RDATE", what)


def _value(given: Any) -> Any:
    """What icalendar understood; None for what it did not."""
    try:
        return given.dt
    except (ValueError, AttributeError):
        return None


def _known(given: Any, key: str, what: str) -> date:
    moment = _value(given)
    moment = moment[0] if isinstance(moment, tuple) else moment
    if not isinstance(moment, date):
        raise ValueError(f"{what}: expected a date or a time as {key}, found {quoted(str(given))}")
    named = getattr(given, "params", {}).get("TZID")
    if named and isinstance(moment, datetime) and moment.tzinfo is None:
        raise ValueError(f"{what}: there is no time zone {quoted(str(named))}, found in {key}")
    return moment


def _each(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
