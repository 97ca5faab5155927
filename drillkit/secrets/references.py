"""References to secrets (`env:NAME`, `file:PATH`, `aws-secret:ID`), resolved at the last moment.

The same rules everywhere: one newline at the end is no part of the value, an error names what was
to be read and never shows it, and every value that is resolved is known to the redactor.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Protocol

from drillkit.environment import PUBLIC
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import UsageError
from drillkit.model.json_text import load_json
from drillkit.secrets.environment import remember
from drillkit.secrets.forms import compiled
from drillkit.secrets.redactor import KNOWN

SCHEMES = ("env", "file", "aws-secret")
_BEGINNINGS = tuple(f"{scheme}:" for scheme in SCHEMES)
LONGEST = 64 * 1024
"""Characters of a secret in a file; what is longer is some other file."""
_REFERENCE = r"(?:env:[A-Za-z_]\w*|(?:file|aws-secret):\S(?:[^\r\n]*\S)?)"
EXPECTED = "expected a reference such as env:NAME, file:PATH or aws-secret:ID"


class Vault(Protocol):
    """An account whose Secrets Manager can be read."""

    def secret_text(self, secret: str, what: str) -> str:
        """The text of a secret, by name or ARN; `what` it is for is named in errors.

        Raises CallError, UsageError for a secret that holds no text.
        """


@dataclass(frozen=True, slots=True)
class Login:
    """Who to be at a database. Its text form shows no password."""

    user: str
    password: str = field(repr=False)


def is_reference(text: str) -> bool:
    """Whether a text refers to a secret and so is none itself."""
    # Most texts are none, and telling so must not need a pattern.
    return text.startswith(_BEGINNINGS) and compiled(_REFERENCE).fullmatch(text) is not None


def resolve(
    reference: str,
    what: str,
    vault: Callable[[], Vault] | None = None,
    environ: Mapping[str, str] | None = None,
) -> str:
    """The value behind a reference. `what` is named in errors; `vault` opens the account where it
    is needed; `environ`: default this process's.

    Raises UsageError for what is no reference or leads nowhere, CallError when AWS refuses.
    """
    scheme, _, place = reference.partition(":")
    if scheme not in SCHEMES or not place:
        raise UsageError(f"{what}: {EXPECTED}")
    if scheme == "env":
        value = _from_environment(place, what, os.environ if environ is None else environ)
    elif scheme == "file":
        value = _from_file(place, what)
    elif vault is None:
        raise UsageError(
            f"{what}: Secrets Manager cannot be read for this; expected env:NAME or file:PATH"
        )
    else:
        value = vault().secret_text(place, what)
    value = value.removesuffix("\n").removesuffix("\r")
    if not (scheme == "env" and place in PUBLIC):
        KNOWN.learn((value,))
    return value


def resolve_all(
    values: Mapping[str, str], what: str = "", vault: Callable[[], Vault] | None = None
) -> dict[str, str]:
    """A mapping with the references among its values put in; other values stay as they are.

    `what` stands before each name in errors. Raises UsageError, CallError.
    """
    return {
        name: resolve(value, f"{what}{name}", vault)
        if value.partition(":")[0] in SCHEMES and value.partition(":")[2]
        else value
        for name, value in values.items()
    }


def learn(data: Any) -> None:
    """Know every value that plain data refers to, before anything can show it: what can be read
    here at once, from the environment and from files. What leads nowhere is told where it is used.
    """
    if isinstance(data, Mapping):
        for inner in data.values():
            learn(inner)
    elif isinstance(data, list | tuple):
        for inner in data:
            learn(inner)
    elif isinstance(data, str) and is_reference(data) and not data.startswith("aws-secret:"):
        with contextlib.suppress(UsageError):
            resolve(data, "a secret")


def hide(value: str) -> None:
    """Hide a value, from now on, wherever this run writes or shows something: one that nobody
    referred to, such as the token of a session that a login gave.
    """
    KNOWN.learn((value,))


def login(reference: str, what: str, vault: Callable[[], Vault]) -> Login:
    """Name and password behind a reference: `user:password`, or JSON as RDS keeps it.

    Raises UsageError, CallError.
    """
    value = resolve(reference, what, vault).strip()
    if value.startswith("{"):
        try:
            found = load_json(value)
            who = Login(str(found["username"]), str(found["password"]))
        except (ValueError, KeyError, TypeError):
            raise UsageError(
                f"{what}: expected JSON with `username` and `password` in the secret"
            ) from None
    else:
        user, colon, password = value.partition(":")
        if not colon or not user:
            raise UsageError(f"{what}: expected `user:password` behind the reference")
        who = Login(user, password)
    KNOWN.learn((who.password,))
    return who


def one_line(value: str, what: str) -> str:
    """The value, fit for a header: one line of printable ASCII.

    Raises UsageError, which does not show it.
    """
    if not value or not value.isascii() or not value.isprintable():
        raise UsageError(f"{what}: expected one line of printable ASCII, found something else")
    return value


def _from_environment(name: str, what: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise UsageError(
            f"{what}: expected a value in the environment variable {name}, found none; set it"
        )
    remember(name)
    return _text(environ[name], what, f"the environment variable {name}")


def _from_file(place: str, what: str) -> str:
    try:
        with open(os.path.expanduser(place), encoding="utf-8", newline="") as file:
            value = file.read(LONGEST + 1)
    except OSError as error:
        raise UsageError(f"{what}: {place} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, ValueError):
        raise UsageError(f"{what}: expected text in {place}, found something else") from None
    if len(value) > LONGEST:
        raise UsageError(
            f"{what}: expected a secret in {place}, found more than {LONGEST // 1024} KiB"
        )
    return value


def _text(value: str, what: str, where: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what}: expected UTF-8 text in {where}, found other bytes") from None
    return value
