"""Slack, by an incoming webhook."""

from __future__ import annotations

from typing import Any

from drillkit.clients.http_post import post_json
from drillkit.lazy_dataclass import dataclass
from drillkit.model.notice import Notice
from drillkit.notify.base import Notifier, host_of, secret
from drillkit.notify.words import NUMBERS, cut, facts, number

MOST_TEXT = 3000
"""Characters of a section; a header holds 150."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackArguments:
    url: str
    """Reference to the webhook's whole URL, which is a secret: `env:SLACK_WEBHOOK`."""


class Slack(Notifier[SlackArguments]):
    """A message in a Slack channel. Make an incoming webhook for the channel."""

    name = "slack"
    Arguments = SlackArguments
    secrets = frozenset({"url"})

    def send(self, arguments: SlackArguments, notice: Notice) -> None:
        post_json(secret(arguments.url, "slack.url"), payload(notice))

    def place(self, arguments: SlackArguments) -> str:
        return host_of(secret(arguments.url, "slack.url"))


def payload(notice: Notice) -> dict[str, Any]:
    """As Slack takes it: blocks, and a text for notifications."""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": cut(notice.title, 150)}},
        _section(_escaped(notice.headline)),
    ]
    if notice.numbers:
        shown = [f"• {_escaped(number(each))}" for each in notice.numbers[:NUMBERS]]
        blocks.append(_section("\n".join(shown)))
    if notice.advice:
        blocks.append(_section(_escaped(notice.advice)))
    if notice.link:
        blocks.append(_section(f"<{_escaped(notice.link)}|Report>"))
    about = " · ".join(f"{name}: {_escaped(value)}" for name, value in facts(notice))
    blocks.append(
        {"type": "context", "elements": [{"type": "mrkdwn", "text": cut(about, MOST_TEXT)}]}
    )
    return {"text": cut(f"{notice.title}. {notice.headline}", MOST_TEXT), "blocks": blocks}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, MOST_TEXT)}}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


NOTIFIER = Slack()
