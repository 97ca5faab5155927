"""A folder of reports on a page: what is told of which run, and what nobody can ask for."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drillkit.journal.file import Journal
from drillkit.journal.runs import RunLock
from drillkit.model.drill import Drill, Gameday, Step
from drillkit.model.records import HoldOpened, ListedStep, PhaseStarted, RunClosed, RunOpened
from drillkit.model.target import Target
from drillkit.report import write_reports
from tests.browser import browser, program
from tests.conftest import CommandLine

from .conftest import LIMIT_S, Visitor, until
from .test_page import foreign, violations

SECRET = "black-friday"
DRILL = Drill(
    drill="day",
    owner="sre",
    gameday=Gameday(),
    steps=(Step(name=SECRET, uses="chaostoolkit", secret=True),),
)
ENDED, RUNNING, CRASHED = "20260101-000000-aaaa", "20260102-000000-bbbb", "20260103-000000-cccc"
EMULATED = Target(name="room", emulated=("not everything",))


def begun(reports: Path, run: str, drill: Drill) -> Journal:
    folder = reports / drill.drill / run
    (folder / "attachments").mkdir(parents=True)
    (folder / "attachments" / "pods.txt").write_text("<script>alert(1)</script>")
    journal = Journal(folder / "journal.jsonl")
    listed = tuple(ListedStep(step.name, step.uses) for step in drill.steps)
    journal.append(RunOpened(run=run, drill=drill, target=EMULATED, operator="ann", steps=listed))
    return journal


class Library(Visitor):
    """`drillkit serve` over one run that has ended, one that goes on and one that has crashed."""

    def __init__(self, line: CommandLine) -> None:
        self.reports = line.folder / "reports"
        quiet = Drill(drill="quiet", owner="sre", steps=(Step(name="one", uses="wait"),))
        for run in (ENDED, CRASHED):
            journal = begun(self.reports, run, quiet)
            if run == ENDED:
                journal.append(RunClosed())
                write_reports(self.reports / "quiet" / run)
            journal.close()
        (self.reports / "quiet" / "outside").symlink_to(line.folder)
        (line.folder / "report.html").write_text("outside")
        for name in ("report.md", "verdict.json"):
            (self.reports / "quiet" / CRASHED / name).symlink_to(line.folder / "report.html")
        self.running = self.reports / "day" / RUNNING
        self.journal = begun(self.reports, RUNNING, DRILL)
        self.lock = RunLock.take(self.running)
        self.journal.append(PhaseStarted("steps"))
        self.journal.append(HoldOpened(next=(f"does {SECRET}",), secret=True), step=SECRET)
        self.process = line.start("serve", str(self.reports))
        assert self.process.stdout is not None
        self.link = self.process.stdout.readline().strip().partition(": ")[2]
        self.host, _, self.token = self.link.partition("//")[2].partition("/#")
        self.cookies = {"observer": self.enter(self.token)}

    def get(self, path: str) -> Any:
        return self.send("GET", path, None, {"Cookie": self.cookies["observer"]})

    def now(self, enough: str) -> str:
        return str(self.events("observer", lambda found: enough in str(found), path="/now"))

    def end(self, reports: bool) -> None:
        """The run ends."""
        self.journal.append(RunClosed())
        self.journal.close()
        if reports:
            write_reports(self.running)
        assert self.lock is not None
        self.lock.release()

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.said = self.process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    found = Library(CommandLine(tmp_path_factory.mktemp("library")))
    yield found
    found.close()
    assert found.process.returncode == 0, found.said
    assert found.token not in found.said[1]


def test_only_reports_of_runs_that_have_ended_are_given_and_to_nobody_else(
    library: Library,
) -> None:
    live, ended = f"/reports/day/{RUNNING}", f"/reports/quiet/{ENDED}"
    library.now(RUNNING)
    found = {
        "/": 200,
        "/library.js": 200,
        "/reports/": 200,
        f"{ended}/report.html": 200,
        f"{ended}/verdict.json": 200,
        f"{ended}/attachments/pods.txt": 200,
        f"{ended}/journal.jsonl": 404,
        f"{ended}/run.lock": 404,
        f"{ended}/attachments/..%2fjournal.jsonl": 404,
        f"{ended}/%2e%2e/report.html": 404,
        f"{ended}/attachments/../../../../report.html": 404,
        f"{live}/journal.jsonl": 404,
        f"{live}/attachments/pods.txt": 404,
        f"{live}/report.html": 404,
        f"/reports/quiet/{CRASHED}/report.md": 404,
        "/reports/quiet/outside/report.html": 404,
        "/reports/..%2f..%2f/x/report.html": 404,
        "/reports/%00/x/report.html": 404,
        "/live/day/nothing/": 303,
        f"/live/quiet/{ENDED}/events": 404,
        "/ask": 404,
    }
    assert {path: library.get(path).status for path in found} == found
    for path in found:
        answer = library.send("GET", path)
        assert answer.status in (401, 404) or path in ("/", "/library.js") or "/live/" in path, path
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert SECRET.encode() not in answer.body
    for path in ("/now", "/past", f"/live/day/{RUNNING}/events"):
        assert library.send("GET", path).status == 401
        assert library.send("GET", path, None, {"Host": "evil.example"}).status == 421
    stop = {"ask": "stop", "by": "eve"}
    headers = library.own(Cookie=library.cookies["observer"])
    for path in ("/ask", f"/live/day/{RUNNING}/ask", "/now", "/reports/"):
        assert library.send("POST", path, stop, headers).status in (404, 405)
    attached = library.get(f"{ended}/attachments/pods.txt")
    assert attached.headers["content-type"] == "text/plain; charset=utf-8"
    assert "sandbox" in attached.headers["content-security-policy"]


def test_a_surprise_of_a_run_that_goes_on_stands_nowhere(library: Library) -> None:
    events = library.events(
        "observer", lambda found: "'hold'" in str(found), path=f"/live/day/{RUNNING}/events"
    )
    past = json.loads(library.get("/past").body)
    told = [library.now("'secret': True"), str(events), str(past)]
    told.append(library.get("/reports/").body.decode())
    assert not any(SECRET in each for each in told)
    assert [(run["run"], bool(run["link"])) for run in past["runs"]] == [
        (CRASHED, False),
        (ENDED, True),
    ]


@pytest.mark.slow
@pytest.mark.skipif(program() is None, reason="needs a browser (Debian's chromium)")
def test_a_run_is_watched_until_it_ends_and_then_its_report_is_a_click_away(
    library: Library, tmp_path: Path
) -> None:
    with browser(tmp_path / "one") as page:
        page.shape(390, 800, dark=True)
        page.visit(library.link)
        page.until("document.querySelectorAll('#past tr').length === 2")
        page.until("document.querySelectorAll('#running a').length === 1")
        assert page.ask("document.documentElement.scrollWidth") <= 390
        assert page.ask("location.hash + document.referrer") == ""
        assert violations(page) == []
        assert foreign(page, library.host) == []
        page.ask("document.querySelector('#running a').click()")
        page.until("document.getElementById('hold-title')?.textContent.includes('surprise')")
        assert violations(page) == []
        assert page.ask("[...document.querySelectorAll('.facilitator')].every(e => e.hidden)")
        library.end(reports=True)
        page.until("!document.getElementById('report').hidden")
        page.ask("document.getElementById('report').click()")
        page.until("location.pathname.endsWith('/report.html')")
        page.until("document.title.startsWith('day: ')")
    until(lambda: len(json.loads(library.get("/past").body)["runs"]) == 3)
    assert SECRET in library.get(f"/reports/day/{RUNNING}/report.html").body.decode()
