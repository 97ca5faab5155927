"""What AWS' refusals mean. The only place where its error codes become drillkit's errors.

Whether an error passes by itself decides who tries again: `Throttled`, `Unavailable`, `Unreachable`
and `Unanswered` are retried by the caller; `WrongState` only where a transition is known to end;
the others never.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from drillkit.model.errors import (
    Absent,
    CallError,
    Conflict,
    Denied,
    Invalid,
    Throttled,
    Unanswered,
    Unavailable,
    Unreachable,
)


class Exists(Conflict):
    """Something of that name is there already. AWS has no client token for it: adopt it only if the
    tags are ours.
    """


class WrongState(Conflict):
    """The resource is in a transition, or in a state that does not allow the call."""


class Quota(Invalid):
    """A quota of the account is used up. Trying again does not help."""


class NoCapacity(CallError):
    """AWS has no such instance free now; another zone or class may have one."""


class NoKey(Denied):
    """The encryption key cannot be used."""


class NotRestorable(Invalid):
    """There is no backup that could give what was asked for."""


_THROTTLED = re.compile(
    r"Throttl|RequestLimitExceeded|TooManyRequests|SlowDown|PriorRequestNotComplete|BandwidthLimitExceeded"
)
_DENIED = re.compile(
    r"AccessDenied|Unauthorized|AuthFailure|ExpiredToken|InvalidClientTokenId|SignatureDoesNotMatch|"
    r"UnrecognizedClient|MissingAuthenticationToken|OptInRequired|InvalidSignature|RequestExpired|NotAuthorized"
)
_LATER = frozenset(
    {
        "InternalFailure",
        "InternalError",
        "InternalServerError",
        "ServiceUnavailable",
        "RequestTimeout",
    }
)
_CAPACITY = re.compile(r"^Insufficient(DB|Cache|Storage)\w*Capacity|^StorageTypeNotAvailable")
_QUOTA = re.compile(r"(QuotaExceeded|LimitExceeded|QuotaForCustomerExceeded)(Fault)?$")
_RESTORE = re.compile(
    r"^(InvalidRestoreFault|PointInTimeRestoreNotEnabled(Fault)?|InsufficientAvailableIPs\w*)$"
)
_STATE = re.compile(r"^Invalid\w*State(Fault)?$")
_EXISTS = re.compile(r"AlreadyExists(Fault)?$|AlreadyExistsFaultFault$")
_ABSENT = re.compile(r"NotFound(Fault)?(Message)?$|^ResourceNotFoundException$|^NoSuch")
_ADVICE: tuple[tuple[str, str], ...] = (
    (r"ExpiredToken|RequestExpired", "The session has ended: log in again and retry"),
    (
        r"InvalidClientTokenId|UnrecognizedClient|MissingAuthentication",
        "These credentials are not known: look at `profile`",
    ),
    (r"Signature", "The secret key is wrong, or this machine's clock is"),
    (
        r"^InvalidSubnet|InvalidVPCNetworkState|DBSubnetGroup",
        "Correct `subnet_group` of the target",
    ),
    (
        r"^InvalidRestoreFault",
        "Choose a time inside the restore window, and keep the backup retention longer",
    ),
    (r"^PointInTimeRestoreNotEnabled", "Set a backup retention above 0 on the source"),
    (r"StorageTypeNotAvailable", "Choose another storage type or instance class"),
)


def refusal(response: Mapping[str, Any], asked: str) -> CallError:
    """The error of an answer that is no success. `asked` for people: `restore rds
    instance/dr-x`.
    """
    error = response.get("Error") or {}
    code, said = (
        str(error.get("Code") or "Unknown"),
        str(error.get("Message") or "no reason given").strip(),
    )
    meta = response.get("ResponseMetadata") or {}
    status = int(meta.get("HTTPStatusCode") or 0)
    request = f", request {meta['RequestId']}" if meta.get("RequestId") else ""
    text = f"cannot {asked}: {said} ({code}{request})"
    advice = next((f". {what}" for pattern, what in _ADVICE if re.search(pattern, code)), "")
    return _kind(code, status, said, text, advice)


def _kind(code: str, status: int, said: str, text: str, advice: str) -> CallError:
    if _THROTTLED.search(code) or status == 429:
        return Throttled(f"{text}. Too many calls in this account; other tools share its limits")
    if "KMS" in code:
        return NoKey(
            f"{text}. Grant Decrypt, GenerateDataKey*, ReEncrypt*, DescribeKey and CreateGrant on "
            "the key"
        )
    if _QUOTA.search(code):
        return Quota(f"{text}. Raise this quota in Service Quotas, or remove what is not needed")
    if _CAPACITY.search(code):
        return NoCapacity(
            f"{text}. Try another zone or instance class; the same would happen in a disaster"
        )
    if _RESTORE.search(code):
        return NotRestorable(text + advice)
    if _DENIED.search(code) or status in (401, 403):
        return Denied(text + (advice or ". Grant that action to these credentials"))
    if _EXISTS.search(code):
        return Exists(text)
    if _STATE.search(code):
        return WrongState(text + advice)
    if _ABSENT.search(code):
        return Absent(text)
    if status == 501:
        # Practice accounts such as LocalStack answer so: it will not be served later, either.
        return Invalid(f"{text}. This endpoint does not serve it")
    if status >= 500 or code in _LATER:
        return Unavailable(text)
    return Invalid(text + advice)


def transport_error(error: Exception, asked: str, where: str) -> CallError:
    """The error of a request without an answer: whether it can have arrived decides what it
    is called.
    """
    from botocore import exceptions as they

    why = str(error).strip() or type(error).__name__
    if isinstance(
        error,
        they.NoCredentialsError | they.PartialCredentialsError | they.CredentialRetrievalError,
    ):
        return Denied(
            f"cannot {asked}: no usable credentials ({why}); log in, or set `profile` of the target"
        )
    if isinstance(error, they.TokenRetrievalError | they.SSOError | they.UnauthorizedSSOTokenError):
        return Denied(
            f"cannot {asked}: the single sign-on session has ended ({why}); run `aws sso login` "
            "and retry"
        )
    if isinstance(
        error, they.ParamValidationError | they.UnknownParameterError | they.MissingParametersError
    ):
        return Invalid(f"cannot {asked}: the request makes no sense: {why}")
    if isinstance(
        error, they.EndpointConnectionError | they.ConnectTimeoutError | they.ProxyConnectionError
    ):
        return Unreachable(
            f"cannot {asked}: {where} cannot be reached ({why}); is the network or a proxy in "
            "the way?"
        )
    if isinstance(error, they.SSLError):
        return Unreachable(
            f"cannot {asked}: no secure connection to {where} ({why}); is a proxy opening TLS?"
        )
    if isinstance(error, they.UnknownRegionError | they.NoRegionError | they.InvalidRegionError):
        return Invalid(f"cannot {asked}: {why}; correct `region` of the target")
    return Unanswered(
        f"cannot {asked}: no answer from {where} ({why}); the request may have arrived"
    )
