"""Files of a backup or a restore, fetched as Velero's own client does it: a DownloadRequest, then
a URL.

The URL is signed and so a secret of ten minutes: it stands in no message.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from drillkit.clients.proxies import proxy_of, via
from drillkit.clients.retry import patiently
from drillkit.clients.velero.resources import DOWNLOADS
from drillkit.clients.velero.state import phase_of
from drillkit.clients.velero.undo import DeleteDownload
from drillkit.clock import Clock, Deadline, DeadlineOver
from drillkit.journal.book import Planned
from drillkit.model.errors import Denied, Unanswered, Unavailable, Unreachable
from drillkit.model.json_text import load_json
from drillkit.secrets import excerpt

if TYPE_CHECKING:
    from drillkit.clients.kube import Kube

FileKind: TypeAlias = Literal[
    "RestoreResults",
    "RestoreLog",
    "RestoreResourceList",
    "RestoreItemOperations",
    "RestoreVolumeInfo",
    "BackupVolumeInfos",
    "BackupContents",
    "BackupLog",
    "BackupResults",
    "BackupResourceList",
]
PACKED_LIMIT = 32 << 20
"""Bytes of a file as it is sent; a longer one is refused."""
PLAIN_LIMIT = 256 << 20
"""Bytes of a file when unpacked."""
TIMEOUT_S = 30.0
EVERY_S = (0.05, 0.1, 0.25, 0.5, 1.0)
Opened: TypeAlias = Callable[[str], bytes | None]


def fetch(
    kube: Kube,
    plan: Planned[DeleteDownload],
    kind: FileKind,
    of: str,
    limit_s: float,
    open_url: Opened | None = None,
) -> bytes | None:
    """A file of the backup or restore `of`, unpacked; None where there is none.

    `limit_s` seconds for everything: a request for a location that is away stays New for ever.
    Raises DeadlineOver, CallError (Unreachable where the URL leads to where we cannot go: an
    address inside the cluster, say).
    """
    request = plan.undo
    deadline = Deadline.after(limit_s, kube.clock)
    kube.create(plan, {"spec": {"target": {"kind": kind, "name": of}}})
    url = _url(kube, request, kind, of, deadline)
    packed = patiently(
        lambda: (open_url or _get)(url),
        kube.clock,
        attempts=3,
        limit_s=deadline.left(),
        on=(Unavailable, Unanswered),
    )
    if packed is None:
        return None
    return packed if kind == "BackupContents" else unpacked(packed, f"{kind} of {of}")


def _url(kube: Kube, request: DeleteDownload, kind: str, of: str, deadline: Deadline) -> str:
    pauses = iter(EVERY_S)
    while True:
        found = kube.get(DOWNLOADS, request.name, request.namespace)
        if url := (found.get("status") or {}).get("downloadURL"):
            return str(url)
        if deadline.over:
            raise DeadlineOver(
                f"expected Velero to give a URL for {kind} of {of} in time; the request is "
                f"{phase_of(found) or 'not begun'}. Is the storage location available?"
            )
        _pause(kube.clock, min(next(pauses, EVERY_S[-1]), max(deadline.left(), 0.01)))


def _pause(clock: Clock, seconds: float) -> None:
    clock.sleep(seconds)


def _get(url: str) -> bytes | None:
    """The content behind a signed URL, None for 404. Raises CallError without the URL's signature
    in it.
    """
    import urllib.error
    import urllib.request
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2] + via(url)
    proxy = proxy_of(parts)
    proxies = {} if proxy is None else {parts.scheme: proxy}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    try:
        with opener.open(url, timeout=TIMEOUT_S) as answer:
            content: bytes = answer.read(PACKED_LIMIT + 1)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        kind = Denied if error.code in (401, 403) else Unavailable
        raise kind(f"{host} answered the download with {error.code} {error.reason}") from error
    except (urllib.error.URLError, OSError) as error:
        why = getattr(error, "reason", error)
        raise Unreachable(
            f"the storage at {host} cannot be reached from here: {why}; is it an address inside "
            "the cluster? Give the storage location a publicUrl"
        ) from error
    if len(content) > PACKED_LIMIT:
        raise Unavailable(
            f"expected a file of {PACKED_LIMIT >> 20} MiB at most from {host}, found a longer one"
        )
    return content


def unpacked(packed: bytes, what: str) -> bytes:
    """Gunzip, bounded. Raises Unanswered for what is no gzip or too long."""
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        plain = stream.decompress(packed, PLAIN_LIMIT)
    except zlib.error as error:
        raise Unanswered(f"{what}: expected gzip, found something else ({error})") from error
    if stream.unconsumed_tail:
        raise Unanswered(
            f"{what}: expected {PLAIN_LIMIT >> 20} MiB at most when unpacked, found more"
        )
    return plain


def as_json(content: bytes, what: str) -> Any:
    """JSON of a file. Raises Unanswered."""
    try:
        return load_json(content)
    except ValueError as error:
        raise Unanswered(f"{what}: expected JSON, found {excerpt(content, 60)!r}") from error


def told(results: Mapping[str, Any], *, limit: int = 5) -> str:
    """The first few errors or warnings of a results file's half, as one line."""
    found = [str(text) for group in ("velero", "cluster") for text in results.get(group) or ()]
    for namespace, texts in sorted((results.get("namespaces") or {}).items()):
        found += [f"{namespace}: {text}" for text in texts]
    more = f"; and {len(found) - limit} more" if len(found) > limit else ""
    return "; ".join(found[:limit]) + more
