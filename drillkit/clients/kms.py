"""The door to AWS KMS, for keys that sign and never leave it.

A key belongs to no target: whoever names it means it, so the credentials, the region and the
endpoint are those of the environment.
"""

from __future__ import annotations

from typing import Any

from drillkit.clients.aws_session import open_session
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import UsageError

_CONNECT_S, _READ_S = 3, 10


@dataclass(frozen=True, slots=True)
class KmsKey:
    """A key as KMS describes it."""

    client: Any
    """Of boto3; it waits for seconds, where one that nobody bounds may wait for minutes."""
    public: bytes
    """SubjectPublicKeyInfo, DER."""
    algorithms: frozenset[str]
    """What it signs by: `ECDSA_SHA_256`; none for a key that does not sign."""


def kms_key(key: str) -> KmsKey:
    """A key by its id, ARN or `alias/NAME`. Raises UsageError."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    config = Config(
        connect_timeout=_CONNECT_S, read_timeout=_READ_S, retries={"total_max_attempts": 2}
    )
    try:
        session = boto3.Session(botocore_session=open_session(None))
        client = session.client("kms", config=config)
        answer = client.get_public_key(KeyId=key)
    except (BotoCoreError, ClientError) as error:
        raise UsageError(
            f"the KMS key {key} cannot be used ({error}); it needs kms:GetPublicKey and kms:Sign"
        ) from error
    return KmsKey(client, answer["PublicKey"], frozenset(answer.get("SigningAlgorithms", ())))
