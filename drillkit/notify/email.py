"""E-mail, by SMTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, Unreachable, UsageError
from drillkit.model.notice import Notice
from drillkit.notify.base import Notifier, secret
from drillkit.notify.words import cut, plain

if TYPE_CHECKING:
    from email.message import EmailMessage
    from smtplib import SMTP

_TIMEOUT_S = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailArguments:
    to: tuple[str, ...]
    """Who gets it."""
    from_: str
    """Sender's address."""
    server: str
    """`mail.example.com:587`."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is encrypted; `none` for a relay on this machine."""
    user: str | None = None
    """Who to log in as."""
    password: str | None = None
    """Reference to the password: `env:SMTP_PASSWORD`."""


class Email(Notifier[EmailArguments]):
    """A mail of plain text through a server of yours."""

    name = "email"
    Arguments = EmailArguments
    secrets = frozenset({"password"})

    def send(self, arguments: EmailArguments, notice: Notice) -> None:
        import smtplib

        host, port = _server(arguments)
        try:
            with _opened(arguments, host, port) as session:
                if arguments.user is not None and arguments.password is not None:
                    session.login(arguments.user, secret(arguments.password, "email.password"))
                refused = session.send_message(message(arguments, notice))
        except smtplib.SMTPException as error:
            raise CallError(f"{host} did not take the mail: {type(error).__name__}") from None
        except OSError as error:
            raise Unreachable(f"{host} cannot be reached: {type(error).__name__}") from None
        if refused:
            raise CallError(f"{host} did not take the mail for {', '.join(sorted(refused))}")

    def place(self, arguments: EmailArguments) -> str:
        return ", ".join(arguments.to)


def _server(arguments: EmailArguments) -> tuple[str, int]:
    host, _, port = arguments.server.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(
            f"email.server: expected HOST:PORT such as mail.example.com:587, found "
            f"{arguments.server}"
        )
    return host, int(port)


def _opened(arguments: EmailArguments, host: str, port: int) -> SMTP:
    """A session, encrypted as asked: never less."""
    import smtplib
    import ssl

    context = ssl.create_default_context()
    if arguments.security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT_S, context=context)
    session = smtplib.SMTP(host, port, timeout=_TIMEOUT_S)
    if arguments.security == "starttls":
        session.starttls(context=context)
    return session


def message(arguments: EmailArguments, notice: Notice) -> EmailMessage:
    """The mail. It says that no person wrote it, so that no absence note answers."""
    from email.message import EmailMessage
    from email.utils import format_datetime, make_msgid

    mail = EmailMessage()
    mail["Subject"] = cut(" ".join(notice.title.split()), 200)
    mail["From"] = arguments.from_
    mail["To"] = ", ".join(arguments.to)
    mail["Date"] = format_datetime(notice.at)
    mail["Message-ID"] = make_msgid(domain="drillkit")
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(plain(notice))
    return mail


NOTIFIER = Email()
