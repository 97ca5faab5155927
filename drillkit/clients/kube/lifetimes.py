"""Until when the credentials of a kubeconfig are good, read from what they are."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drillkit.clients.kube.kubeconfig import plugin_of
from drillkit.lazy_dataclass import dataclass
from drillkit.model.json_text import load_json
from drillkit.model.lifetime import Lifetime

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _VERSION, _UTC_TIME = 0x30, 0xA0, 0x17
_LONG = 0x80
"""A length of 128 bytes and more stands in as many bytes as the lower bits say."""
_BEFORE_VALIDITY = 3
"""Serial number, algorithm and issuer."""


@dataclass(frozen=True, slots=True)
class Issued:
    """What an exec plugin gave last (`status` of an ExecCredential)."""

    until: datetime | None
    """`expirationTimestamp`, or when the certificate ends; None where nothing tells."""
    lasting: bool = False
    """Whether it is used to the end of the connection, and nothing gets another."""


def lifetimes(kubeconfig: Mapping[str, Any], issued: Issued | None = None) -> Iterator[Lifetime]:
    """Of the only user of a kubeconfig. What never ends is left out, and what is no credential that
    is known here. `issued`: what its exec plugin gave.
    """
    for entry in kubeconfig.get("users") or ():
        user = entry.get("user") or {}
        who = f"user {entry.get('name')} (context {kubeconfig.get('current-context')})"
        if plugin := plugin_of(user):
            yield _of_plugin(plugin, who, issued or Issued(None))
            continue
        if path := user.get("tokenFile"):
            if (ends := _token_end(_content(path))) is not None:
                yield Lifetime(f"the token of {who}", ends, f"whoever writes {path}")
        elif (ends := _token_end(str(user.get("token") or ""))) is not None:
            yield Lifetime(f"the token of {who}", ends)
        if (ends := _certificate_end(user)) is not None:
            yield Lifetime(f"the client certificate of {who}", ends)


def _of_plugin(plugin: str, who: str, issued: Issued) -> Lifetime:
    if issued.lasting:
        return Lifetime(f"the client certificate that `{plugin}` gave {who}", issued.until)
    # A token of EKS lasts 15 minutes, and another is fetched as often as one is needed.
    renewing = f"`{plugin}`, as long as it is logged in itself"
    return Lifetime(f"what `{plugin}` gives {who}", issued.until, renewing)


def _content(path: str) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return Path(path).read_text(encoding="utf-8").strip()
    return ""  # whoever connects with it is told why


def _token_end(token: str) -> datetime | None:
    """`exp` of a JSON Web Token (RFC 7519); None for other tokens, and for those that never end."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    with contextlib.suppress(ValueError, TypeError, KeyError, OverflowError, OSError):
        claims = load_json(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC)
    return None


def _certificate_end(user: Mapping[str, Any]) -> datetime | None:
    with contextlib.suppress(OSError, ValueError, TypeError, IndexError, binascii.Error):
        if given := user.get("client-certificate-data"):
            return not_after(base64.b64decode(given))
        if path := user.get("client-certificate"):
            return not_after(Path(path).read_bytes())
    return None


def not_after(pem: bytes) -> datetime:
    """When the first certificate of a PEM file ends (RFC 5280, 4.1.2.5).

    Raises ValueError, IndexError where it holds none.
    """
    found = _PEM.search(pem)
    if found is None:
        raise ValueError("expected a certificate in PEM, found none")
    der = base64.b64decode(found[1])
    _, certificate, _ = _value(der, 0)
    _, body, _ = _value(certificate, 0)
    at = 0
    tag, _, after = _value(body, at)
    if tag == _VERSION:
        at = after
    for _ in range(_BEFORE_VALIDITY):
        _, _, at = _value(body, at)
    tag, validity, _ = _value(body, at)
    if tag != _SEQUENCE:
        raise ValueError("expected when the certificate is valid, found something else")
    _, _, at = _value(validity, 0)
    tag, text, _ = _value(validity, at)
    written = text.decode("ascii")
    # Two digits of a year mean 1950 to 2049, in X.509.
    century = ""
    if tag == _UTC_TIME:
        century = "19" if written[:2] >= "50" else "20"
    return datetime.strptime(century + written, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _value(der: bytes, at: int) -> tuple[int, bytes, int]:
    """Tag and content of the value that stands there, and where the next one does."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length >= _LONG:
        count = length - _LONG
        length = int.from_bytes(der[start : start + count], "big")
        start += count
    return tag, der[start : start + length], start + length
