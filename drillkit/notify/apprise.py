"""Everything else, by Apprise."""

from __future__ import annotations

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, UsageError
from drillkit.model.notice import Notice
from drillkit.notify.base import Notifier, secret
from drillkit.notify.words import plain

_SEVERE = {"met": "success", "violated": "warning", "unknown": "warning"}
_FAILURES = frozenset({"dirty", "overdue", "needs-person"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AppriseArguments:
    url: str
    """Reference to one of Apprise's URLs, which is a secret: `env:APPRISE_URL`, such as
    `matrixs://token@example.com` (https://github.com/caronc/apprise lists more than a hundred).
    """


class Apprise(Notifier[AppriseArguments]):
    """Whatever Apprise knows: Matrix, Opsgenie, Jira, Telegram, Signal and more than a hundred
    others. Needs the extra `notify`.
    """

    name = "apprise"
    Arguments = AppriseArguments
    secrets = frozenset({"url"})

    def send(self, arguments: AppriseArguments, notice: Notice) -> None:
        try:
            import apprise
        except ImportError as error:
            raise UsageError(
                "the notifier `apprise` needs a package: pip install 'drillkit[notify]'"
            ) from error
        door = apprise.Apprise()
        if not door.add(secret(arguments.url, "apprise.url")):
            raise UsageError("apprise.url: Apprise knows no such service, or the URL lacks a part")
        failed = notice.event in _FAILURES
        kind = "failure" if failed else _SEVERE.get(notice.event, "info")
        if not door.notify(title=notice.title, body=plain(notice), notify_type=kind):
            raise CallError("Apprise could not deliver the message")

    def place(self, arguments: AppriseArguments) -> str:
        # Of such a URL everything may be a secret but the service that it begins with.
        return secret(arguments.url, "apprise.url").partition("://")[0]


NOTIFIER = Apprise()
