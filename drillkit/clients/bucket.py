"""One document in a bucket that several may write: by compare-and-swap, so that nothing is lost.

It belongs to no target and is no effect of a drill: whoever publishes means it to stay.
"""

from __future__ import annotations

from typing import Any

from drillkit.model.errors import Refused, UsageError

_CONNECT_S, _READ_S, _ATTEMPTS = 10, 15, 3
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")


class BucketObject:
    """`s3://BUCKET/KEY`, with the credentials and the endpoint of the environment."""

    def __init__(self, bucket: str, key: str) -> None:
        self._bucket, self._key = bucket, key
        self._etag: str | None = None

    def read(self) -> bytes | None:
        """What is there; None: nothing yet. Raises UsageError."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            found = _s3().get_object(Bucket=self._bucket, Key=self._key)
            content: bytes = found["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise self._said(error) from error
        except BotoCoreError as error:
            raise self._said(error) from error
        self._etag = found["ETag"]
        return content

    def write(self, content: bytes) -> None:
        """Put it there, unless somebody else has since `read`: Refused. Raises UsageError."""
        from botocore.exceptions import BotoCoreError, ClientError

        unchanged = {"IfMatch": self._etag} if self._etag else {"IfNoneMatch": "*"}
        try:
            _s3().put_object(
                Bucket=self._bucket,
                Key=self._key,
                Body=content,
                ContentType="application/json",
                **unchanged,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _TAKEN:
                raise Refused(
                    f"s3://{self._bucket}/{self._key} was written by somebody else meanwhile; "
                    "nothing was published, try again"
                ) from error
            raise self._said(error) from error
        except BotoCoreError as error:
            raise self._said(error) from error

    def _said(self, error: Exception) -> UsageError:
        return UsageError(f"s3://{self._bucket}/{self._key}: {error}")


def _s3() -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        retries={"total_max_attempts": _ATTEMPTS},
    )
    return boto3.client("s3", config=config)
