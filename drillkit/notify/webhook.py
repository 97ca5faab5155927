"""Any HTTP receiver, by CloudEvents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any
from urllib.parse import quote

from drillkit.clients.http_post import post_json
from drillkit.lazy_dataclass import dataclass
from drillkit.model.codec import to_data
from drillkit.model.notice import Notice
from drillkit.notify.base import Notifier, host_of, secret


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookArguments:
    url: str
    """Where it goes: a URL, or a reference to one that is a secret."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """More request headers; a value may be a reference: `Authorization: env:HOOK_TOKEN`."""


class Webhook(Notifier[WebhookArguments]):
    """A CloudEvent 1.0 as JSON (`application/cloudevents+json`), its type `dev.drillkit.EVENT`."""

    name = "webhook"
    Arguments = WebhookArguments

    def send(self, arguments: WebhookArguments, notice: Notice) -> None:
        headers = {
            name: secret(value, f"webhook.headers.{name}")
            for name, value in arguments.headers.items()
        }
        post_json(
            secret(arguments.url, "webhook.url"),
            cloud_event(notice),
            headers=headers,
            media_type="application/cloudevents+json",
        )

    def place(self, arguments: WebhookArguments) -> str:
        return host_of(secret(arguments.url, "webhook.url"))


def cloud_event(notice: Notice) -> dict[str, Any]:
    """The envelope and, as its data, everything that the message knows."""
    data: dict[str, Any] = to_data(notice)
    del data["at"]
    return {
        "specversion": "1.0",
        "id": notice.key,
        "source": f"/drillkit/{quote(notice.drill)}/{quote(notice.target)}",
        "type": f"dev.drillkit.{notice.event}",
        "subject": notice.run or notice.drill,
        "time": notice.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data,
    }


NOTIFIER = Webhook()
