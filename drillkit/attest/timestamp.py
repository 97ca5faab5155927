"""Time stamps of RFC 3161: somebody else's word that a document existed at a time.

By rfc3161-client (extra `timestamp`), which makes requests and checks answers; the request itself
is one POST.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from drillkit.clients.proxies import login_of, proxies_for, via
from drillkit.model.errors import UsageError

_EXTRA = "time stamps need the extra `timestamp`: pip install 'drillkit[timestamp]'"
_LIMIT_S = 15.0
_MOST_BYTES = 1 << 20


def stamp(content: bytes, url: str) -> bytes:
    """The answer of a time-stamping authority about these bytes (DER). Of its URL, which may hold a
    login or a key, no error shows more than the host. Raises UsageError.
    """
    import requests

    client = _client()
    request = client.TimestampRequestBuilder().data(content).build()
    headers = {"Content-Type": "application/timestamp-query"}
    where = f"{urlsplit(url).hostname or 'without a host'}{via(url)}"
    try:
        with requests.post(
            url,
            data=request.as_bytes(),
            headers=headers,
            timeout=_LIMIT_S,
            stream=True,
            proxies=proxies_for(url),
            auth=login_of(url),
        ) as answer:
            answer.raise_for_status()
            token: bytes = answer.raw.read(_MOST_BYTES, decode_content=True)
    except requests.HTTPError as error:
        said = f"answered {error.response.status_code}, expected a time stamp"
        raise UsageError(f"the time-stamping authority {where} {said}") from None
    except requests.RequestException as error:
        said = f"gave no answer: {type(error).__name__}"
        raise UsageError(f"the time-stamping authority {where} {said}") from None
    _decoded(token, where)
    return token


def stamped_at(content: bytes, token: bytes, authorities: Path) -> datetime:
    """When an authority that one of these root certificates (PEM) vouches for saw these bytes.

    Raises UsageError when the token is of other bytes or of another authority.
    """
    client = _client()
    from cryptography import x509

    answer = _decoded(token, "the token")
    try:
        roots = x509.load_pem_x509_certificates(authorities.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{authorities}: expected root certificates as PEM; {error}") from error
    builder = client.VerifierBuilder()
    for root in roots:
        builder = builder.add_root_certificate(root)
    try:
        builder.build().verify_message(answer, content)
    except (client.VerificationError, ValueError) as error:
        raise UsageError(f"the time stamp does not hold: {error}") from error
    at: datetime = answer.tst_info.gen_time
    return at.astimezone(UTC)


def _decoded(token: bytes, where: str) -> Any:
    client = _client()
    try:
        answer = client.decode_timestamp_response(token)
        granted = (client.PKIStatus.GRANTED, client.PKIStatus.GRANTED_WITH_MODS)
        if answer.status not in granted:
            raise ValueError(f"it was not granted: {answer.status_string}")
    except ValueError as error:
        raise UsageError(f"{where}: no time stamp ({error})") from error
    return answer


def _client() -> Any:
    try:
        import rfc3161_client
    except ImportError as error:
        raise UsageError(_EXTRA) from error
    return rfc3161_client
