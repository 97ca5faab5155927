"""References to secrets (`env:NAME`, `file:PATH`, `aws-secret:ID`), resolved at the last moment. No
value is shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drillkit.clients.command import resolved
from drillkit.model.errors import UsageError

if TYPE_CHECKING:
    from drillkit.clients.aws import Aws

SCHEMES = ("env", "file", "aws-secret")


@dataclass(frozen=True, slots=True)
class Login:
    """Who to be at a database. Its text form shows no password."""

    user: str
    password: str = field(repr=False)


def reveal(reference: str, what: str, aws: Callable[[], Aws]) -> str:
    """The value behind a reference. `what` is named in errors; `aws` opens the account where it
    is needed.

    Raises UsageError for what is no reference or leads nowhere, CallError when AWS refuses.
    """
    scheme, _, rest = reference.partition(":")
    if scheme not in SCHEMES or not rest:
        raise UsageError(
            f"{what}: expected a reference such as env:NAME, file:PATH or aws-secret:ID"
        )
    if scheme != "aws-secret":
        return resolved({what: reference})[what]
    region = rest.split(":")[3] if rest.startswith("arn:") else ""
    answer = (
        aws()
        .door("secretsmanager", region)
        .read("GetSecretValue", f"read the secret of {what}", SecretId=rest)
    )
    value = answer.get("SecretString")
    if not isinstance(value, str):
        raise UsageError(f"{what}: expected text in the secret, found none")
    return value


def login(reference: str, what: str, aws: Callable[[], Aws]) -> Login:
    """Name and password behind a reference: `user:password`, or JSON as RDS keeps it. Raises
    UsageError, CallError.
    """
    value = reveal(reference, what, aws).strip()
    if value.startswith("{"):
        try:
            found = json.loads(value)
            return Login(str(found["username"]), str(found["password"]))
        except (ValueError, KeyError, TypeError):
            raise UsageError(
                f"{what}: expected JSON with `username` and `password` in the secret"
            ) from None
    user, colon, password = value.partition(":")
    if not colon or not user:
        raise UsageError(f"{what}: expected `user:password` behind the reference")
    return Login(user, password)
