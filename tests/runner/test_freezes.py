"""Freezes: ranges of days, and calendars as Outlook and Google export them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from drillkit.clock import SystemClock
from drillkit.journal.file import read
from drillkit.journal.runs import JOURNAL
from drillkit.model.drill import Drill, Guard, Guards, Step
from drillkit.model.records import StepEnded
from drillkit.model.target import Target
from drillkit.model.verdict import Holds
from drillkit.runner.execute import execute
from drillkit.runner.request import Request
from drillkit.runner.run_start import new_names
from drillkit.runner.start_guards import decisions
from drillkit.spec.freezes import Freeze, digests_of, fetch_freeze, read_freeze
from drillkit.steps.command import CommandArguments
from drillkit.steps.wait import WaitArguments

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def freeze(folder: Path, *events: str, before: str = "") -> Freeze:
    """A calendar's freeze, its lines ended as RFC 5545 wants it."""
    body = "".join(f"BEGIN:VEVENT\n{event.strip()}\nEND:VEVENT\n" for event in events)
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\n{before}{body}END:VCALENDAR\n"
    (folder / "f.ics").write_bytes(text.replace("\n", "\r\n").encode())
    return read_freeze("f.ics", folder)


def active(frozen: Freeze, when: str, zone: ZoneInfo = BERLIN) -> bool:
    return frozen.active(at(when), zone) != ""


def test_a_range_of_days_is_that_of_the_zone() -> None:
    days = read_freeze("2026-12-20..2027-01-02", None)
    assert days.active(at("2026-12-20T00:00+01:00"), BERLIN) == (
        "frozen from 2026-12-20 to 2027-01-02"
    )
    assert not active(days, "2026-12-19T23:30", ZoneInfo("UTC"))
    assert active(days, "2026-12-19T23:30", BERLIN), "it is the 20th in Berlin"
    assert active(days, "2027-01-02T22:59")
    assert not active(days, "2027-01-02T23:00")


@pytest.mark.parametrize(
    "text", ["christmas", "2026-12-20", "2026-13-01..2026-13-02", "2026-12-24..2026-12-20"]
)
def test_what_is_no_range_of_days_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        read_freeze(text, None)


def test_an_event_of_outlook_counts_in_its_windows_zone_with_folded_lines(tmp_path: Path) -> None:
    found = freeze(
        tmp_path,
        """
DTSTART;TZID="W. Europe Standard Time":20261127T180000
DTEND;TZID="W. Europe Standard Time":20261201T080000
SUMMARY:Freeze of the shop around the sale week\\, no changes at all pl
 ease""",
    )
    assert not active(found, "2026-11-27T16:59")
    assert found.active(at("2026-11-27T17:00"), BERLIN) == (
        "`Freeze of the shop around the sale week, no changes at all please` lasts until "
        "2026-12-01 08:00 Europe/Berlin"
    )
    assert not active(found, "2026-12-01T07:00")
    assert len(digests_of({"f.ics": found})["freeze f.ics"]) == 64


def test_a_zone_that_the_file_itself_defines_is_used(tmp_path: Path) -> None:
    zone = """BEGIN:VTIMEZONE
TZID:Our own zone
BEGIN:STANDARD
DTSTART:16010101T000000
TZOFFSETFROM:+0500
TZOFFSETTO:+0500
END:STANDARD
END:VTIMEZONE
"""
    event = "DTSTART;TZID=Our own zone:20261127T180000\nDTEND;TZID=Our own zone:20261127T190000"
    found = freeze(tmp_path, event, before=zone)
    told = found.active(at("2026-11-27T13:30"), BERLIN)
    assert told.endswith("lasts until 2026-11-27 19:00 (UTC+0500)")
    assert not active(found, "2026-11-27T14:00")


def test_an_all_day_event_counts_in_the_zone_of_the_window(tmp_path: Path) -> None:
    found = freeze(tmp_path, "DTSTART;VALUE=DATE:20261128\nDTEND;VALUE=DATE:20261129")
    assert active(found, "2026-11-27T23:00")
    assert not active(found, "2026-11-27T23:00", ZoneInfo("UTC"))
    assert not active(found, "2026-11-28T23:00")
    without_end = freeze(tmp_path, "DTSTART;VALUE=DATE:20261128")
    assert active(without_end, "2026-11-28T22:59")
    assert not active(without_end, "2026-11-28T23:00")


WEEKLY = """
UID:w
DTSTART;TZID=Europe/Berlin:20260107T090000
DTEND;TZID=Europe/Berlin:20260107T170000
RRULE:FREQ=WEEKLY;BYDAY=WE{more}
{exdate}"""


def test_a_weekly_event_keeps_its_hour_over_daylight_saving_time(tmp_path: Path) -> None:
    found = freeze(tmp_path, WEEKLY.format(more="", exdate="SUMMARY:w"))
    assert active(found, "2026-01-21T08:30"), "09:30 in winter"
    assert active(found, "2026-07-22T07:30"), "09:30 in summer"
    assert not active(found, "2026-07-22T15:00")
    assert not active(found, "2026-07-23T08:00"), "a Thursday"


def test_occurrences_that_were_taken_out_do_not_count(tmp_path: Path) -> None:
    for exdate in (
        "EXDATE;TZID=Europe/Berlin:20260114T090000",
        "EXDATE:20260114T080000Z",
        "EXDATE;TZID=Europe/Berlin:20260121T090000,20260114T090000",
    ):
        found = freeze(tmp_path, WEEKLY.format(more="", exdate=exdate))
        assert not active(found, "2026-01-14T10:00")
        assert active(found, "2026-01-28T10:00")


@pytest.mark.parametrize("end", ["20260121T080000Z", "20260121", "20260121T090000"])
def test_a_series_ends_with_its_until_however_it_is_written(tmp_path: Path, end: str) -> None:
    found = freeze(tmp_path, WEEKLY.format(more=f";UNTIL={end}", exdate="SUMMARY:w"))
    assert active(found, "2026-01-21T10:00")
    assert not active(found, "2026-01-28T10:00")


def test_a_moved_and_a_cancelled_occurrence_replace_their_own(tmp_path: Path) -> None:
    found = freeze(
        tmp_path,
        WEEKLY.format(more="", exdate="SUMMARY:w"),
        """
UID:w
RECURRENCE-ID;TZID=Europe/Berlin:20260114T090000
DTSTART;TZID=Europe/Berlin:20260115T090000
DTEND;TZID=Europe/Berlin:20260115T170000""",
        """
UID:w
RECURRENCE-ID;TZID=Europe/Berlin:20260121T090000
DTSTART;TZID=Europe/Berlin:20260121T090000
STATUS:CANCELLED""",
    )
    assert not active(found, "2026-01-14T10:00")
    assert active(found, "2026-01-15T10:00")
    assert not active(found, "2026-01-21T10:00")
    assert active(found, "2026-01-28T10:00")


def test_cancelled_events_and_free_time_do_not_count(tmp_path: Path) -> None:
    day = "DTSTART:20261128T000000Z\nDURATION:PT24H\n"
    found = freeze(tmp_path, f"{day}STATUS:CANCELLED", f"{day}TRANSP:TRANSPARENT")
    assert not active(found, "2026-11-28T12:00")
    assert found.ignored == 2
    assert active(freeze(tmp_path, day), "2026-11-28T12:00")


@pytest.mark.parametrize(
    ("events", "what"),
    [
        ("DTSTART:soon", "DTSTART cannot be read"),
        ("DTSTART:20261128T000000Z\nDURATION:long", "DURATION cannot be read"),
        ("DTSTART:20261128T000000Z\nRRULE:often", "such as FREQ=WEEKLY as RRULE"),
        ("DTSTART:20261128T000000Z\nEXDATE:never", "EXDATE cannot be read"),
        ("SUMMARY:x", "expected DTSTART, found none"),
        ("DTSTART;TZID=Nowhere/Else:20261128T000000", "there is no time zone 'Nowhere/Else'"),
        ("DTSTART:20261128T000000Z\nRRULE:FREQ=SECONDLY", "recur daily at most, found SECONDLY"),
        (
            "DTSTART:20261128T000000Z\nRECURRENCE-ID;RANGE=THISANDFUTURE:20261128T000000Z\nUID:a\n"
            "END:VEVENT\nBEGIN:VEVENT\nUID:a\nDTSTART:20261101T000000Z\nRRULE:FREQ=DAILY",
            "THISANDFUTURE",
        ),
    ],
)
def test_what_cannot_be_followed_is_told(tmp_path: Path, events: str, what: str) -> None:
    with pytest.raises(ValueError, match=r"'f\.ics'") as caught:
        freeze(tmp_path, events)
    assert what in str(caught.value)


@pytest.mark.parametrize("raw", [b"", b"hello", b"BEGIN:VCALENDAR", b"\xff\xfe\x00", b"a: b\n"])
def test_a_file_that_is_no_calendar_is_told(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "f.ics").write_bytes(raw)
    with pytest.raises(ValueError, match=r"is no iCalendar file"):
        read_freeze("f.ics", tmp_path)


def test_a_rule_that_never_comes_true_takes_no_time(tmp_path: Path) -> None:
    rule = "DTSTART:19000101T000000Z\nDURATION:P1D\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=31"
    assert not active(freeze(tmp_path, rule), "2026-02-28T12:00")


def test_an_event_over_several_days_counts_on_each_of_them(tmp_path: Path) -> None:
    rule = "DTSTART;VALUE=DATE:20251220\nDTEND;VALUE=DATE:20260103\nRRULE:FREQ=YEARLY"
    found = freeze(tmp_path, rule)
    first = at("2026-12-20T00:00+01:00")
    assert all(found.active(first + timedelta(days=n), BERLIN) for n in range(14))
    assert not found.active(first + timedelta(days=14), BERLIN)
    assert not found.active(first - timedelta(seconds=1), BERLIN)


CALENDAR = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nDTSTART:20261127T180000Z\r\n"
    "DTEND:20261127T200000Z\r\nSUMMARY:Sale\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


@dataclass
class Calendars:
    """A server of calendars at a secret address."""

    body: bytes = CALENDAR.encode()
    status: int = 200
    asked: list[str | None] = field(default_factory=list)
    """`If-None-Match` of each request."""


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Calendars]:
    found = Calendars()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.headers.get("If-None-Match"))
            status = 304 if found.status == 200 and found.asked[-1] == '"1"' else found.status
            body = found.body if status != 304 else b""
            self.send_response(status)
            self.send_header("ETag", '"1"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setenv("DRILLKIT_HOME", str(tmp_path / "home"))
    url = f"http://127.0.0.1:{server.server_address[1]}/calendar/private-4711/basic.ics"
    monkeypatch.setenv("FREEZE", url)
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


class Later(SystemClock):
    """The system's clock, some time ahead."""

    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self.ahead = ahead

    def now(self) -> float:
        return super().now() + self.ahead.total_seconds()


def test_a_calendar_at_a_url_is_fetched_once_and_kept_for_when_its_server_is_away(
    served: Calendars, tmp_path: Path
) -> None:
    assert read_freeze("env:FREEZE", None).unread == "it was not fetched", "validate asks nobody"
    found = fetch_freeze("env:FREEZE")
    assert active(found, "2026-11-27T19:00")
    assert (found.unread, found.stale) == ("", "")
    assert len(digests_of({"env:FREEZE": found})["freeze env:FREEZE"]) == 64
    assert fetch_freeze("env:FREEZE") == found
    assert served.asked == [None, '"1"'], "what has not changed is not sent again"
    (kept,) = (tmp_path / "home" / "calendars").iterdir()
    assert "4711" not in kept.name + kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0

    for status, body, why in (
        (503, b"", "the answer is 503"),
        (302, b"", "redirects are not followed"),
        (200, b"<html>", "found something else"),
        (200, b"BEGIN:VCALENDAR" + b" " * (4 << 20), "sent more than 4,194,304 bytes"),
    ):
        served.status, served.body, served.asked = status, body, []
        # Another address has no copy; nor has it an ETag.
        if status == 200:
            (tmp_path / "home" / "calendars" / kept.name).write_text(
                kept.read_text().replace('\\"1\\"', '\\"2\\"')
            )
        old = fetch_freeze("env:FREEZE", Later(timedelta(days=2)))
        assert active(old, "2026-11-27T19:00")
        assert old.stale.startswith("a copy of 2 d ago")
        assert why in old.stale
        gone = fetch_freeze("env:FREEZE", Later(timedelta(days=8)))
        assert why in gone.unread
        assert "8 d old, which is more than 7 d" in gone.unread
        assert "4711" not in old.stale + gone.unread
    (tmp_path / "home" / "calendars" / kept.name).write_text("{")
    served.status, served.body = 503, b""
    assert "503" in fetch_freeze("env:FREEZE").unread, "a copy that is damaged is none"


def test_a_calendar_that_cannot_be_read_keeps_whoever_disturbs_users_from_starting() -> None:
    def decided(uses: str, freeze: Freeze) -> tuple[Holds, str]:
        drill = Drill(
            drill="d",
            steps=(Step(name="s", uses=uses),),
            guards=Guards(start=(Guard(freeze="env:FREEZE"),)),
        )
        at_noon = at("2026-11-27T12:00")
        (found,) = decisions(
            drill, at_noon, {"env:FREEZE": freeze}, lambda guard: pytest.fail("asked")
        )
        return found.holds, found.why

    unread = Freeze("env:FREEZE", unread="it hangs")
    assert decided("command", unread) == (Holds.UNKNOWN, "its calendar cannot be read: it hangs")
    assert decided("wait", unread)[0] is Holds.MET
    stale = Freeze("env:FREEZE", stale="a copy of 2d ago")
    assert decided("command", stale) == (Holds.MET, "a copy of 2d ago")


def test_a_freeze_that_begins_in_the_middle_lets_nobody_be_disturbed_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRILLKIT_HOME", str(tmp_path / "home"))
    first, second = tmp_path / "first", tmp_path / "second"
    undone = tmp_path / "undone"

    class Jumps(SystemClock):
        """Ten days pass while the first step runs."""

        def now(self) -> float:
            return super().now() + (864_000 if first.exists() else 0)

    day = (datetime.now(UTC) + timedelta(days=10)).date()
    text = f"{day - timedelta(days=1)}..{day + timedelta(days=1)}"
    touch = {
        "one": CommandArguments(run=("touch", str(first)), undo=("touch", str(undone))),
        "restore": WaitArguments(for_=timedelta(seconds=0.01)),
        "two": CommandArguments(run=("touch", str(second))),
    }
    kinds = {"one": "command", "restore": "wait", "two": "command"}
    drill = Drill(
        drill="lab",
        steps=tuple(Step(name=name, uses=uses) for name, uses in kinds.items()),
        guards=Guards(start=(Guard(freeze=text),)),
    )
    finished = execute(
        Request(
            drill=drill,
            source=b"",
            target=Target(name="lab"),
            names=new_names("lab"),
            reports=tmp_path / "reports",
            bind=lambda step, outputs: touch[step.name],
            find_experiment=lambda name: pytest.fail(name),
            digests={},
            freezes={text: read_freeze(text, None)},
        ),
        Jumps(),
    )
    ended = {
        record.step: record.entry
        for record in read(finished.folder / JOURNAL)
        if isinstance(record.entry, StepEnded)
    }
    assert {name: entry.outcome for name, entry in ended.items()} == {
        "one": "ok",
        "restore": "ok",
        "two": "skipped",
    }
    assert ended["two"].why.startswith("a freeze has begun: frozen from")
    assert undone.exists()
    assert not second.exists()
    assert finished.verdict.exit_code == 3
