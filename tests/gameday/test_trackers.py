"""What is to be done becomes issues elsewhere, each once, whatever happens in between."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from drillkit.model.evidence import Note
from tests.conftest import CommandLine

from .test_actions import noted

TOKEN = "tok-5f1d2c9a77aa"
LATE = Note("ann", "raise the alarm *sooner*, @all\n<b>", "action-item", "jan", date(2027, 1, 31))
ITEM = "r1#2"


class Tracker:
    """As much of GitHub and Jira as is asked for."""

    def __init__(self) -> None:
        self.issues: list[dict[str, Any]] = []
        self.logins: set[str] = set()
        self.closed: set[int] = set()
        """Numbers of issues that somebody has closed."""
        self.due = True
        """Whether issues may have a due date."""
        self.fails = 0
        """What the next request is answered."""
        self.odd: Any = None
        """What the next request is answered with."""

    def get(self, path: str, query: dict[str, list[str]]) -> Any:
        if path == "/repos/acme/shop/issues":
            assert query["labels"] == ["drillkit-action"]
            assert query["state"] == ["all"]
            size, page = int(query["per_page"][0]), int(query["page"][0])
            return [self._github(n) for n in range(len(self.issues))][(page - 1) * size :][:size]
        assert path in ("/rest/api/3/search/jql", "/rest/api/2/search")
        labels = [issue["fields"]["labels"] for issue in self.issues]
        [wanted] = query["jql"]
        found = [n for n, each in enumerate(labels) if f'labels = "{each[1]}"' in wanted]
        assert query["fields"] == ["status"]
        done = {True: ("Erledigt", "done"), False: ("To Do", "new")}
        return {
            "issues": [
                {
                    "key": f"OPS-{n}",
                    "fields": {
                        "status": {
                            "name": done[n in self.closed][0],
                            "statusCategory": {"key": done[n in self.closed][1]},
                        }
                    },
                }
                for n in found
            ]
        }

    def post(self, path: str, data: Any) -> tuple[int, Any]:
        if not self.due and "duedate" in data.get("fields", ()):
            return 400, {"errors": {"duedate": "Field 'duedate' cannot be set."}}
        self.issues.append(data)
        if path == "/repos/acme/shop/issues":
            return 201, self._github(len(self.issues) - 1)
        assert path in ("/rest/api/3/issue", "/rest/api/2/issue")
        return 201, {"key": f"OPS-{len(self.issues) - 1}"}

    def _github(self, n: int) -> dict[str, Any]:
        body = self.issues[n].get("body")
        state = {"state": "closed" if n in self.closed else "open"}
        how = {"state_reason": "not_planned" if n in self.closed else None}
        found = {"body": body, "html_url": f"https://gh/{n}", "filler": "x" * 50_000}
        return {**found, **state, **how}


@pytest.fixture
def served() -> Iterator[tuple[Tracker, str]]:
    tracker = Tracker()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, status: int, data: Any) -> None:
            tracker.logins.add(self.headers["Authorization"])
            self.send_response(tracker.fails or status)
            tracker.fails = 0
            self.end_headers()
            self.wfile.write(json.dumps(tracker.odd or data).encode())

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._answer(200, tracker.get(parts.path, parse_qs(parts.query)))

        def do_POST(self) -> None:
            data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(*tracker.post(self.path, data))

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield tracker, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def exported(drillkit: CommandLine, *arguments: str) -> tuple[int, str]:
    env = {"GITHUB_TOKEN": TOKEN, "JIRA_TOKEN": TOKEN}
    ran = drillkit("actions", *arguments, env=env)
    assert TOKEN not in ran.said
    return ran.code, ran.said


def test_each_open_item_becomes_one_issue_however_often_it_is_exported(
    drillkit: CommandLine, served: tuple[Tracker, str]
) -> None:
    tracker, url = served
    tracker.issues = [{"body": "somebody's own"}] * 50
    noted(drillkit, "r1", LATE)
    github = ("--github", "acme/shop", "--url", url)
    tracker.fails = 502
    code, said = exported(drillkit, *github)
    assert code == 3
    assert "export again, nothing is made twice" in said
    tracker.odd = {"message": "no list"}
    assert exported(drillkit, *github)[0] == 3
    tracker.odd = None
    assert exported(drillkit, *github) == (0, f"{ITEM}  made: https://gh/50\n")
    assert exported(drillkit, *github) == (0, f"{ITEM}  is there already: https://gh/50\n")
    listed = drillkit("actions")
    assert "https://gh/50" in listed.out
    # It ended before it could write that down, or it was another machine.
    (drillkit.folder / "reports/actions.jsonl").unlink()
    assert exported(drillkit, *github) == (0, f"{ITEM}  is there already: https://gh/50\n")
    [issue] = tracker.issues[50:]
    assert issue["title"] == "raise the alarm *sooner*, @all <b>"
    assert issue["labels"] == ["drillkit-action"]
    assert "raise the alarm \\*sooner\\*, @\u200ball \\<b\\>" in issue["body"]
    assert "- owner: jan\n- due: 2027-01-31\n" in issue["body"]
    assert tracker.logins == {f"Bearer {TOKEN}"}
    drillkit("actions", "--close", ITEM, "--why", "done")
    assert exported(drillkit, *github) == (0, "nothing is to be done\n")


@pytest.mark.parametrize("cloud", [True, False])
def test_jira_gets_each_item_once_with_its_due_date_where_it_takes_one(
    drillkit: CommandLine, served: tuple[Tracker, str], cloud: bool
) -> None:
    tracker, url = served
    tracker.due = cloud
    noted(drillkit, "r1", LATE)
    jira = ("--jira", "OPS", "--url", url, *(("--user", "ann@example.com") if cloud else ()))
    assert exported(drillkit, *jira) == (0, f"{ITEM}  made: {url}/browse/OPS-0\n")
    (drillkit.folder / "reports/actions.jsonl").unlink()
    assert exported(drillkit, *jira) == (0, f"{ITEM}  is there already: {url}/browse/OPS-0\n")
    [fields] = [issue["fields"] for issue in tracker.issues]
    assert fields["project"] == {"key": "OPS"}
    assert fields["issuetype"] == {"name": "Task"}
    assert fields["labels"] == ["drillkit-action", "drillkit-action-r1-2"]
    assert fields.get("duedate") == ("2027-01-31" if cloud else None)
    assert "due: 2027" in json.dumps(fields["description"]).replace("\\\\-", "-")
    if cloud:
        login = base64.b64encode(f"ann@example.com:{TOKEN}".encode()).decode()
        assert tracker.logins == {f"Basic {login}"}
        assert fields["description"]["type"] == "doc"
    else:
        assert tracker.logins == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("where", "how", "address", "by"),
    [
        (("--github", "acme/shop"), "not planned", "https://gh/0", "github:acme/shop at {url}"),
        (("--jira", "OPS"), "Erledigt", "{url}/browse/OPS-0", "jira:OPS at {url}"),
    ],
)
def test_an_issue_that_is_closed_there_closes_its_item_when_asked_to_look(
    drillkit: CommandLine,
    served: tuple[Tracker, str],
    where: tuple[str, ...],
    how: str,
    address: str,
    by: str,
) -> None:
    tracker, url = served
    address, by = address.format(url=url), by.format(url=url)
    noted(drillkit, "r1", LATE)
    sync = ("--sync", *where, "--url", url)
    assert exported(drillkit, *sync) == (
        0,
        f"{ITEM}  has no issue there; without --sync one is made\n",
    )
    assert tracker.issues == []
    exported(drillkit, *sync[1:])
    assert exported(drillkit, *sync) == (0, f"{ITEM}  is still open: {address}\n")
    tracker.fails = 502
    code, said = exported(drillkit, *sync)
    assert code == 3
    assert f"{by} was not read" in said
    assert ITEM in drillkit("actions").out
    tracker.closed = {0}
    why = f"its issue is closed ({how}): {address}"
    assert exported(drillkit, *sync) == (0, f"{ITEM}  is closed: {why}\n")
    tracker.fails = 500  # whoever asks is told so
    assert drillkit("actions").out == "nothing is to be done\n"
    assert f"closed by {by}: {why}" in drillkit("actions", "--all").out
    assert exported(drillkit, *sync) == (0, "nothing is to be done\n")
    assert tracker.fails == 500


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--github", "acme"), "expected a repository"),
        (("--github", "a/b", "--jira", "OPS"), "not both"),
        (("--jira", "OPS"), "expected a tracker's URL"),
        (("--sync",), "say which tracker knows"),
        (("--jira", "OPS", "--url", "http://jira.example.com"), "with https"),
        (("--jira", "o p", "--url", "https://jira.example.com"), "a project's key"),
        (("--github", "a/b", "--token", TOKEN), "expected a reference"),
        (("--github", "a/b", "--token", "env:NOT_SET"), "NOT_SET"),
    ],
)
def test_what_cannot_be_exported_to_is_told_and_asked_of_nobody(
    drillkit: CommandLine, arguments: tuple[str, ...], expected: str
) -> None:
    noted(drillkit, "r1", LATE)
    code, said = exported(drillkit, *arguments)
    assert code == 2
    assert expected in said
