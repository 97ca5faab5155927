"""Where teams keep what is to be done: issues in GitHub and Jira, made once for each item.

An issue carries the item's id, so that one that is there already is found, whoever made it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from drillkit.clients.http_get import fetch
from drillkit.clients.http_post import post_json
from drillkit.clients.proxies import is_loopback
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, UsageError
from drillkit.model.json_text import load_json
from drillkit.secrets import excerpt

GITHUB = "https://api.github.com"
LABEL = "drillkit-action"
TITLE = 200
"""Characters of a title: Jira takes 255, GitHub 256."""
LIMIT_S = 15.0
PAGE, PAGES = 50, 100
"""Issues that are asked for at once, and how often."""
ANSWER_BYTES = 16 << 20
_REPOSITORY = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")
_PROJECT = re.compile(r"[A-Z][A-Z0-9_]*")
_MARKER = re.compile(r"drillkit-action: (\S+)")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~])")


@dataclass(frozen=True, slots=True)
class Ticket:
    """An item as an issue tells it."""

    id: str
    title: str
    facts: tuple[tuple[str, str], ...]
    """(name, text) of what else is known."""
    due: date | None


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue as it is there."""

    address: str
    closed: str = ""
    """How it was closed, such as `completed` or `Done`; '' while it is open."""


class Tracker(Protocol):
    """One project of one tracker."""

    @property
    def name(self) -> str:
        """`github:OWNER/REPO` or `jira:PROJECT`, with the server where it is not the usual one."""

    def find(self, ticket: Ticket) -> Issue | None:
        """Its issue; None where there is none. Raises CallError."""

    def create(self, ticket: Ticket) -> str:
        """Make its issue and give the address. Raises CallError."""


class GitHub:
    """Issues of a repository (REST, 2022-11-28)."""

    def __init__(self, repository: str, token: str, url: str = GITHUB) -> None:
        """`url`: of the API; GitHub Enterprise has it at https://HOST/api/v3. Raises UsageError."""
        if not _REPOSITORY.fullmatch(repository):
            raise UsageError(f"expected a repository such as acme/shop, found `{repository[:100]}`")
        url = _server(url)
        self.name = f"github:{repository}" + (f" at {url}" if url != GITHUB else "")
        self._issues = f"{url}/repos/{repository}/issues"
        self._headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "Authorization": f"Bearer {token}",
        }
        self._known: dict[str, Issue] | None = None

    def find(self, ticket: Ticket) -> Issue | None:
        if self._known is None:
            self._known = self._all()
        return self._known.get(ticket.id)

    def _all(self) -> dict[str, Issue]:
        """(id of an item, its issue) of the issues that this made. They are listed, not searched:
        GitHub's search learns of new ones late.
        """
        found: dict[str, Issue] = {}
        for page in range(1, PAGES + 1):
            query = f"labels={LABEL}&state=all&per_page={PAGE}&page={page}"
            with _understood(self.name):
                issues = _get(f"{self._issues}?{query}", self._headers)
                for issue in issues:
                    for item in _MARKER.findall(str(issue["body"] or "")):
                        found.setdefault(item, _github_issue(issue))
            if len(issues) < PAGE:
                return found
        raise CallError(f"more than {PAGE * PAGES} issues have the label {LABEL}")

    def create(self, ticket: Ticket) -> str:
        lines = [_markdown(ticket.title), ""]
        lines += [f"- {name}: {_markdown(text)}" for name, text in ticket.facts]
        lines += ["", f"<!-- drillkit-action: {ticket.id} -->"]
        data = {"title": _title(ticket.title), "body": "\n".join(lines), "labels": [LABEL]}
        with _understood(self.name):
            return str(_post(self._issues, data, self._headers)["html_url"])


class Jira:
    """Issues of a project: of Jira Cloud (REST v3) where a user is given, else of Data Center (v2,
    with a personal access token).
    """

    def __init__(
        self, project: str, token: str, url: str, user: str = "", kind: str = "Task"
    ) -> None:
        """`kind`: its type of issue. Raises UsageError."""
        if not _PROJECT.fullmatch(project):
            raise UsageError(f"expected a project's key such as OPS, found `{project[:100]}`")
        self._url, self._project, self._kind = _server(url), project, kind
        self.name = f"jira:{project} at {self._url}"
        self._cloud = bool(user)
        login = base64.b64encode(f"{user}:{token}".encode()).decode()
        scheme = f"Basic {login}" if user else f"Bearer {token}"
        self._headers = {"Accept": "application/json", "Authorization": scheme}

    def find(self, ticket: Ticket) -> Issue | None:
        jql = f'project = "{self._project}" AND labels = "{_label(ticket.id)}"'
        place = "3/search/jql" if self._cloud else "2/search"
        query = f"jql={quote(jql, safe='')}&fields=status&maxResults=1"
        with _understood(self.name):
            found = _get(f"{self._url}/rest/api/{place}?{query}", self._headers)["issues"]
            if not found:
                return None
            status = found[0]["fields"]["status"]
            # Names of states are each team's own; their category is Jira's.
            done = status["statusCategory"]["key"] == "done"
            return Issue(self._address(found[0]), str(status["name"]) if done else "")

    def create(self, ticket: Ticket) -> str:
        lines = [ticket.title, *(f"{name}: {text}" for name, text in ticket.facts), ticket.id]
        fields: dict[str, Any] = {
            "project": {"key": self._project},
            "issuetype": {"name": self._kind},
            "summary": _title(ticket.title),
            "description": _document(lines) if self._cloud else "\n".join(map(_literal, lines)),
            "labels": [LABEL, _label(ticket.id)],
        }
        if ticket.due is not None:
            fields["duedate"] = ticket.due.isoformat()
        version = 3 if self._cloud else 2
        place = f"{self._url}/rest/api/{version}/issue"
        try:
            made = _post(place, {"fields": fields}, self._headers)
        except CallError as error:
            # Not every project's screen has a due date, and such a request made nothing. It stands
            # in the description, too.
            if "answered 400" not in str(error) or "duedate" not in str(error):
                raise
            del fields["duedate"]
            made = _post(place, {"fields": fields}, self._headers)
        with _understood(self.name):
            return self._address(made)

    def _address(self, issue: Mapping[str, Any]) -> str:
        return f"{self._url}/browse/{issue['key']}"


def _github_issue(found: Mapping[str, Any]) -> Issue:
    """`state_reason` is `completed`, `not_planned`, `duplicate` or, of old issues, nothing."""
    how = str(found.get("state_reason") or "closed").replace("_", " ")
    return Issue(str(found["html_url"]), how if found["state"] == "closed" else "")


@contextmanager
def _understood(name: str) -> Iterator[None]:
    """Raises CallError for an answer of another form than the tracker's."""
    try:
        yield
    except (KeyError, TypeError, IndexError) as error:
        why = excerpt(repr(error), 200)
        raise CallError(f"{name} answered with what no tracker answers: {why}") from error


def _server(url: str) -> str:
    parts = urlsplit(url)
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    if not safe or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise UsageError("expected a tracker's URL such as https://acme.atlassian.net, with https")
    return url.rstrip("/")


def _get(url: str, headers: Mapping[str, str]) -> Any:
    answer = fetch(url, LIMIT_S, headers=headers, most_bytes=ANSWER_BYTES)
    if answer.status != 200:
        said = excerpt(" ".join(answer.text.split()), 200)
        raise CallError(f"{urlsplit(url).hostname} answered {answer.status}, expected 200: {said}")
    return _decoded(answer.text, url)


def _post(url: str, data: Any, headers: Mapping[str, str]) -> Any:
    return _decoded(post_json(url, data, headers=headers, most_bytes=ANSWER_BYTES), url)


def _decoded(text: str, url: str) -> Any:
    try:
        return load_json(text)
    except ValueError as error:
        raise CallError(f"{urlsplit(url).hostname} answered with what is no JSON") from error


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TITLE else f"{line[: TITLE - 1]}…"


def _markdown(text: str) -> str:
    """Text as it stands: no markup, no mention that would call somebody."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split())).replace("@", "@\N{ZERO WIDTH SPACE}")


def _literal(text: str) -> str:
    """Text as it stands, in Jira's wiki markup."""
    return re.sub(r"([\\{}\[\]*_|!^~+-])", r"\\\1", text)


def _label(item: str) -> str:
    """Labels have no spaces, and JQL quotes with `"`."""
    return f"{LABEL}-{re.sub(r'[^A-Za-z0-9_-]', '-', item)}"


def _document(lines: list[str]) -> dict[str, Any]:
    """Atlassian Document Format: paragraphs of plain text."""
    paragraphs = [
        {"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in lines if line
    ]
    return {"type": "doc", "version": 1, "content": paragraphs}
