"""Objects in a bucket of S3, or of anything that speaks its protocol.

A bucket belongs to no target and is no effect of a drill: whoever names it means it to stay. So
the credentials, the region and the endpoint are those of the environment.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from drillkit.clients.aws.errors import refusal, transport_error
from drillkit.clients.aws_session import open_session
from drillkit.clock import now_utc
from drillkit.journal.files import make_folder, write_file
from drillkit.journal.objects import ListedObject, StoredObject
from drillkit.journal.runs import COPIED, home
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, Conflict, Refused, UsageError
from drillkit.model.json_text import load_json
from drillkit.model.units import parse_duration

_CONNECT_S, _READ_S = 3, 10
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
_RETENTION: Mapping[str, str] = {"governance": "GOVERNANCE", "compliance": "COMPLIANCE"}
_VERBS = {
    "put_object": "write",
    "get_object": "read",
    "delete_object": "remove",
    "list_objects_v2": "list",
}
_OPTIONS = ("endpoint", "region", "profile", "retain", "mode")
_opening = threading.Lock()
"""botocore's default session is not for several threads."""


@dataclass(frozen=True, slots=True)
class BucketUrl:
    """`s3://BUCKET/PREFIX?endpoint=URL&region=NAME&profile=NAME&retain=365d&mode=governance`."""

    bucket: str
    prefix: str
    """Without slashes at its ends; may be ''."""
    endpoint: str | None = None
    """None: as the environment says (AWS_ENDPOINT_URL_S3), else AWS."""
    region: str | None = None
    profile: str | None = None
    """Of the AWS configuration; None: as the environment says. What is here goes before keys of the
    environment, which may be those of the target.
    """
    retain: timedelta | None = None
    """Object Lock: what is put cannot be deleted for so long."""
    mode: str = "governance"
    """Of the Object Lock: governance or compliance."""
    text: str = ""
    """As it was typed."""

    @classmethod
    def parse(cls, text: str) -> BucketUrl:
        """Raises UsageError."""
        url = urlsplit(text)
        options = dict(parse_qsl(url.query, keep_blank_values=True))
        wrong = sorted(set(options) - set(_OPTIONS))
        mode = options.get("mode", "governance")
        if "@" in url.netloc or "@" in options.get("endpoint", ""):
            raise UsageError(
                "expected s3://BUCKET/PREFIX without credentials: they are those of the environment"
            )
        if url.scheme != "s3" or not url.netloc or wrong:
            raise UsageError(
                f"{text}: expected s3://BUCKET/PREFIX, with at most ?{'=...&'.join(_OPTIONS)}=..."
            )
        if mode not in _RETENTION:
            raise UsageError(f"{text}: expected mode=governance or mode=compliance")
        try:
            retain = parse_duration(options["retain"]) if "retain" in options else None
        except ValueError as error:
            raise UsageError(f"{text}: retain: {error}") from error
        return cls(
            url.netloc,
            url.path.strip("/"),
            options.get("endpoint"),
            options.get("region"),
            options.get("profile"),
            retain,
            mode,
            text,
        )

    @property
    def place(self) -> str:
        """For people, and the same for the same place: `s3://BUCKET/PREFIX`."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def elsewhere(self) -> str:
        """As another machine is told it, whose AWS configuration has other profiles."""
        url = urlsplit(self.text)
        kept = [pair for pair in parse_qsl(url.query) if pair[0] != "profile"]
        return url._replace(query=urlencode(kept, safe="/:")).geturl()


class Bucket:
    """`ObjectStore` below a `BucketUrl`. Every request goes out once; who asks tries again."""

    def __init__(self, url: BucketUrl) -> None:
        self.url = url
        self._root = f"{url.prefix}/" if url.prefix else ""
        self._client: Any = None

    @property
    def place(self) -> str:
        """See `ObjectStore.place`."""
        return self.url.place

    def put(self, key: str, content: bytes, *, over: str | None = None) -> str:
        """See `ObjectStore.put`."""
        free: dict[str, Any] = {"IfMatch": over} if over else {"IfNoneMatch": "*"}
        answer = self._send("put_object", key, Body=content, **free, **self._lock(over))
        return str(answer["ETag"])

    def replace(self, key: str, content: bytes) -> str:
        """See `ObjectStore.replace`."""
        answer = self._send("put_object", key, Body=content, **self._lock(None))
        return str(answer["ETag"])

    def mark(self, key: str) -> None:
        """See `ObjectStore.mark`."""
        self._send("put_object", key, Body=b"")

    def unmark(self, key: str) -> None:
        """See `ObjectStore.unmark`."""
        self._send("delete_object", key)

    def get(self, key: str) -> StoredObject | None:
        """See `ObjectStore.get`."""
        from botocore.exceptions import BotoCoreError

        asked = f"read {self._said(key)}"
        try:
            found = self._send("get_object", key)
            content: bytes = found["Body"].read()
        except _NotThere:
            return None
        except BotoCoreError as error:  # while the body came
            raise transport_error(error, asked, self.url.place) from error
        now = found["ResponseMetadata"]["HTTPHeaders"].get("date")
        return StoredObject(content, str(found["ETag"]), _age_s(found["LastModified"], now))

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """See `ObjectStore.list`."""
        more: dict[str, str] = {}
        while True:
            page = self._send("list_objects_v2", None, Prefix=self._root + prefix, **more)
            for each in page.get("Contents") or []:
                yield ListedObject(each["Key"].removeprefix(self._root), each["ETag"])
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def _lock(self, over: str | None) -> dict[str, Any]:
        """What is written over again and again is kept by nobody."""
        if self.url.retain is None or over is not None:
            return {}
        until = now_utc() + self.url.retain
        return {
            "ObjectLockMode": _RETENTION[self.url.mode],
            "ObjectLockRetainUntilDate": until,
        }

    def _said(self, key: str | None) -> str:
        return f"{self.url.place}/{key}" if key else self.url.place

    def _send(self, operation: str, key: str | None, **params: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        verb = _VERBS[operation]
        asked = f"{verb} {self._said(key)}"
        named = {} if key is None else {"Key": self._root + key}
        try:
            call = getattr(self._s3(), operation)
            answer: dict[str, Any] = call(Bucket=self.url.bucket, **named, **params)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _TAKEN:
                raise Conflict(f"cannot {asked}: somebody else wrote it ({code})") from error
            if code in ("NoSuchKey", "404") and "Body" not in params:
                raise _NotThere(asked) from error
            if code == "NoSuchKey":  # a condition on what is not there
                raise Conflict(f"cannot {asked}: it is gone ({code})") from error
            raise refusal(error.response, asked) from error
        except (BotoCoreError, ValueError) as error:
            raise transport_error(error, asked, self.url.place) from error
        return answer

    def _s3(self) -> Any:
        with _opening:
            if self._client is None:
                self._client = _client(self.url)
        return self._client


class _NotThere(CallError):
    """There is no such object."""


def _age_s(modified: datetime, now: str | None) -> float:
    from email.utils import parsedate_to_datetime

    there = parsedate_to_datetime(now) if now else now_utc()
    return max(0.0, (there - modified).total_seconds())


def _moment(text: Any) -> datetime:
    from botocore.utils import parse_timestamp

    if isinstance(text, str) and text.endswith("Z"):
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(text)
    found: datetime = parse_timestamp(text)
    return found


def _client(url: BucketUrl) -> Any:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ProfileNotFound

    checksums: Any = "when_supported" if url.retain is not None else "when_required"
    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        retries={"total_max_attempts": 1},
        max_pool_connections=32,
        # Object Lock needs a checksum; many that only speak the protocol know none of the new ones.
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
        # Of others than AWS most have no name for each bucket.
        s3={"addressing_style": "path"} if url.endpoint or _endpoint_set() else {},
    )
    session = open_session(None, url.profile)
    # Each of thousands of listed objects has a date; botocore's own parser takes most of the time.
    parsers = session.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=_moment)
    try:
        return boto3.Session(botocore_session=session).client(
            "s3", endpoint_url=url.endpoint, region_name=url.region, config=config
        )
    except ProfileNotFound as error:
        raise UsageError(
            f"{url.place}: the AWS configuration has no profile `{url.profile}`; name another one, "
            "or leave `profile=` out for the environment's"
        ) from error


def _endpoint_set() -> bool:
    return any(os.environ.get(name) for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"))


def copy_of(url: BucketUrl) -> Path:
    """The folder of this machine that holds the copy of what is there, ready for use. Raises
    OSError.
    """
    where = f"{url.endpoint or ''} {url.place}"
    name = f"{url.bucket}-{hashlib.sha256(where.encode()).hexdigest()[:12]}"
    folder = home() / "s3" / name
    make_folder(folder)
    note = json.dumps({"url": url.text}).encode() + b"\n"
    if not (folder / COPIED).is_file() or (folder / COPIED).read_bytes() != note:
        write_file(folder / COPIED, note, durable=True)
    return folder


def bucket_of(reports: Path) -> Bucket | None:
    """The bucket that a folder of reports is the copy of; None: it is no copy. Raises UsageError
    when nobody can say.
    """
    note = reports / COPIED
    try:
        return Bucket(BucketUrl.parse(load_json(note.read_text(encoding="utf-8"))["url"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{note} should name the bucket that this folder is the copy of, and cannot be read: "
            f"{error}. Name the bucket with --out s3://..., which writes it anew"
        ) from error


class BucketObject:
    """One document that several may write, by compare-and-swap, so that nothing is lost."""

    def __init__(self, bucket: str, key: str) -> None:
        self._place = f"s3://{bucket}/{key}"
        self._bucket, self._key = Bucket(BucketUrl(bucket, "")), key
        self._etag: str | None = None

    def read(self) -> bytes | None:
        """What is there; None: nothing yet. Raises UsageError."""
        try:
            found = self._bucket.get(self._key)
        except CallError as error:
            raise UsageError(f"{self._place}: {error}") from error
        self._etag = found.etag if found is not None else None
        return found.content if found is not None else None

    def write(self, content: bytes) -> None:
        """Put it there, unless somebody else has since `read`: Refused. Raises UsageError."""
        try:
            self._bucket.put(self._key, content, over=self._etag)
        except Conflict as error:
            raise Refused(
                f"{self._place} was written by somebody else meanwhile; nothing was published, "
                "try again"
            ) from error
        except CallError as error:
            raise UsageError(f"{self._place}: {error}") from error
