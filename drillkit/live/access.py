"""Who may see a page, and who may ask for something on it.

A link carries a token behind `#`, which browsers send to nobody. The page exchanges it for a cookie
that scripts cannot read and that other sites' requests do not carry. Cookies follow from the
tokens alone, so they outlive the server's process.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from typing import Literal, TypeAlias

from drillkit.lazy_dataclass import dataclass
from drillkit.secrets import KNOWN

Right: TypeAlias = Literal["facilitator", "observer"]
TOKEN_BYTES = 32


def new_token() -> str:
    """A token that nobody guesses. Whoever has it is let in, so it is a secret like any other."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    KNOWN.learn((token,))
    return token


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_in_url(host: str) -> str:
    """An address as URLs write it."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


@dataclass(frozen=True, slots=True)
class Access:
    """The tokens of one page and the names that it answers to."""

    tokens: Mapping[Right, str]
    hosts: frozenset[str]
    """Of the Host header, with port, in lower case. A name that is not among them was made to lead
    here by somebody else (DNS rebinding)."""
    scheme: Literal["http", "https"]

    @classmethod
    def of(cls, tokens: Mapping[Right, str], host: str, port: int, *, tls: bool) -> Access:
        """Of a server on `host`, which is `0.0.0.0` or `::` for all of its addresses."""
        names = {host_in_url(host.lower())}
        if is_loopback(host):
            names |= {"localhost", "127.0.0.1", "[::1]"}
        found = {f"{name}:{port}" for name in names}
        default = 443 if tls else 80
        return cls(
            tokens,
            frozenset(found | (names if port == default else set())),
            "https" if tls else "http",
        )

    def cookie_of(self, right: Right) -> str:
        """What the cookie of this right says."""
        key = self.tokens[right].encode()
        return f"{right}.{hmac.new(key, b'drillkit page', hashlib.sha256).hexdigest()}"

    def right_of_token(self, token: str) -> Right | None:
        """The right that a link's token gives."""
        given, found = token.encode(), None
        for right, known in self.tokens.items():
            if hmac.compare_digest(given, known.encode()):
                found = right
        return found

    def right_of_cookie(self, cookie: str) -> Right | None:
        """The right of a browser that has been let in."""
        given, found = cookie.encode(), None
        for right in self.tokens:
            if hmac.compare_digest(given, self.cookie_of(right).encode()):
                found = right
        return found

    def knows_host(self, host: str) -> bool:
        """Whether a request was meant for this page."""
        return host.lower() in self.hosts

    def is_own(self, host: str, origin: str | None, site: str | None) -> bool:
        """Whether a request that changes something comes from this page: from its `Origin`, and, if
        the browser says so, from no other site (`Sec-Fetch-Site`).
        """
        return origin == f"{self.scheme}://{host.lower()}" and site in (None, "same-origin")
