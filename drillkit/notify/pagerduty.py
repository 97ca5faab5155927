"""PagerDuty, by its Events API v2."""

from __future__ import annotations

from typing import Any

from drillkit.clients.http_post import post_json
from drillkit.lazy_dataclass import dataclass
from drillkit.model.notice import ENDINGS, Notice
from drillkit.notify.base import Notifier, host_of, secret
from drillkit.notify.words import NUMBERS, cut, facts, number

INCIDENTS = frozenset({"dirty", "overdue"})
MOST_SUMMARY = 1024
MOST_KEY = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDutyArguments:
    routing_key: str
    """Reference to the integration key of a service: `env:PAGERDUTY_KEY`."""
    url: str = "https://events.pagerduty.com"
    """Where events go; `https://events.eu.pagerduty.com` in the EU's region."""


class PagerDuty(Notifier[PagerDutyArguments]):
    """Change events when a run starts and ends, which page nobody; an incident only when something
    was left behind (`dirty`) or a drill was not made (`overdue`).
    """

    name = "pagerduty"
    Arguments = PagerDutyArguments
    secrets = frozenset({"routing_key"})
    events = frozenset({"started", "overdue", *ENDINGS})
    default = events

    def send(self, arguments: PagerDutyArguments, notice: Notice) -> None:
        key = secret(arguments.routing_key, "pagerduty.routing_key")
        path, data = request(notice)
        post_json(f"{arguments.url.rstrip('/')}{path}", {"routing_key": key, **data})

    def place(self, arguments: PagerDutyArguments) -> str:
        return host_of(arguments.url)


def request(notice: Notice) -> tuple[str, dict[str, Any]]:
    """(path, body without the key): an incident or a change event."""
    details: dict[str, Any] = {name.lower(): value for name, value in facts(notice)}
    details["numbers"] = [number(each) for each in notice.numbers[:NUMBERS]]
    if notice.advice:
        details["next"] = notice.advice
    payload: dict[str, Any] = {
        "summary": cut(f"{notice.title}. {notice.headline}", MOST_SUMMARY),
        "source": f"drillkit/{notice.drill}/{notice.target}",
        "timestamp": notice.at.isoformat(timespec="seconds"),
        "custom_details": details,
    }
    links = [{"href": notice.link, "text": "Report"}] if notice.link else []
    if notice.event not in INCIDENTS:
        return "/v2/change/enqueue", {"payload": payload, "links": links}
    payload["severity"] = "critical" if notice.event == "dirty" else "warning"
    return "/v2/enqueue", {
        "event_action": "trigger",
        "dedup_key": cut(f"drillkit/{notice.key}", MOST_KEY),
        "client": "drillkit",
        "payload": payload,
        "links": links,
    }


NOTIFIER = PagerDuty()
