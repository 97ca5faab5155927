"""A dead-man service, which tells when a drill was not made."""

from __future__ import annotations

from drillkit.clients.http_post import post
from drillkit.lazy_dataclass import dataclass
from drillkit.model.notice import ENDINGS, Notice
from drillkit.notify.base import Notifier, host_of, secret
from drillkit.notify.words import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatArguments:
    success: str
    """Where a run that ended met is reported: a URL, or a reference to one. Such services give
    each check a URL of its own: `env:HEARTBEAT_URL`.
    """
    start: str | None = None
    """Where its start is reported. Default: `success` with `/start` at its end."""
    failure: str | None = None
    """Where any other end is reported. Default: `success` with `/fail` at its end."""


class Heartbeat(Notifier[HeartbeatArguments]):
    """A sign of life for a service such as Healthchecks: it is called at the start of a run and at
    its end, and raises the alarm when neither comes. A refused start is no sign of life unless
    `events` names it.
    """

    name = "heartbeat"
    Arguments = HeartbeatArguments
    events = frozenset({"started", *ENDINGS})
    default = events - {"refused"}

    def send(self, arguments: HeartbeatArguments, notice: Notice) -> None:
        post(where(arguments, notice), plain(notice).encode())

    def place(self, arguments: HeartbeatArguments) -> str:
        return host_of(secret(arguments.success, "heartbeat.success"))


def where(arguments: HeartbeatArguments, notice: Notice) -> str:
    """The URL for this event. Raises UsageError."""
    success = secret(arguments.success, "heartbeat.success")
    if notice.event == "met":
        return success
    if notice.event == "started":
        key, given, end = "start", arguments.start, "start"
    else:
        key, given, end = "failure", arguments.failure, "fail"
    if given is not None:
        return secret(given, f"heartbeat.{key}")
    return f"{success.rstrip('/')}/{end}"


NOTIFIER = Heartbeat()
