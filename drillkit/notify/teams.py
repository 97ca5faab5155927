"""Microsoft Teams, by a workflow."""

from __future__ import annotations

from typing import Any

from drillkit.clients.http_post import post_json
from drillkit.lazy_dataclass import dataclass
from drillkit.model.notice import Notice
from drillkit.model.verdict import Holds
from drillkit.notify.base import Notifier, host_of, secret
from drillkit.notify.words import NUMBERS, cut, facts, number

_COLORS = {"met": "good", "violated": "attention", "dirty": "attention", "overdue": "attention"}
_MOST = 1500
"""Characters of one text: a whole card holds 28 KB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamsArguments:
    url: str
    """Reference to the workflow's whole URL, which is a secret: `env:TEAMS_WORKFLOW`."""


class Teams(Notifier[TeamsArguments]):
    """A card in a Teams channel or chat. Make a workflow "Post to a channel when a webhook request
    is received": the connectors of Office 365 are no more.
    """

    name = "teams"
    Arguments = TeamsArguments
    secrets = frozenset({"url"})

    def send(self, arguments: TeamsArguments, notice: Notice) -> None:
        post_json(secret(arguments.url, "teams.url"), payload(notice))

    def place(self, arguments: TeamsArguments) -> str:
        return host_of(secret(arguments.url, "teams.url"))


def payload(notice: Notice) -> dict[str, Any]:
    """An Adaptive Card in the envelope that workflows take."""
    body: list[dict[str, Any]] = [
        {
            "type": "TextBlock",
            "text": cut(notice.title, _MOST),
            "size": "large",
            "weight": "bolder",
            "wrap": True,
            "color": _COLORS.get(notice.event, "default"),
        },
        _text(notice.headline),
        {
            "type": "FactSet",
            "facts": [{"title": name, "value": value} for name, value in facts(notice)],
        },
    ]
    for each in notice.numbers[:NUMBERS]:
        color = "attention" if each.holds is not Holds.MET else "good"
        body.append({**_text(number(each)), "color": color, "spacing": "none"})
    if notice.advice:
        body.append(_text(notice.advice))
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if notice.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Report", "url": notice.link}]
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


def _text(text: str) -> dict[str, Any]:
    return {"type": "TextBlock", "text": cut(text, _MOST), "wrap": True}


NOTIFIER = Teams()
