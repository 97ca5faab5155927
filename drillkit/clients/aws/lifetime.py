"""Until when the credentials of an AWS account are good."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drillkit.model.lifetime import Lifetime

_ENDS = ("x_security_token_expires", "aws_expiration", "expiration")
"""How tools that write a session into the credentials file name its end (saml2aws, gsts,
aws-mfa).
"""
_SSO = "sso"
_GIVEN = frozenset({"env", "shared-credentials-file", "config-file", "boto-config", "explicit"})
"""Where botocore finds credentials that somebody has put there. All others it renews itself."""


def lifetime(session: Any) -> Lifetime | None:
    """Of what a botocore session signs with; None for keys that do not end, or where there are
    none.

    Raises what botocore does where a profile is broken.
    """
    found = session.get_credentials()
    if found is None:
        return None
    method = str(found.method)
    what = f"the AWS session of {_profile(session)} ({method})"
    if method == _SSO:
        return _of_sso(session, what)
    if method not in _GIVEN:
        return Lifetime(what, None, f"botocore ({method})")
    if not found.token:
        return None
    # botocore tells the end of what it found in the environment in no other way.
    ends = getattr(found, "_expiry_time", None)
    return Lifetime(what, ends if ends is not None else _in_file(session))


def _profile(session: Any) -> str:
    return f"profile {session.profile or 'default'}"


def _settings(session: Any) -> Mapping[str, Any]:
    settings: Mapping[str, Any] = session.get_scoped_config()
    return settings


def _in_file(session: Any) -> datetime | None:
    settings = _settings(session)
    return next((end for key in _ENDS if (end := _moment(settings.get(key))) is not None), None)


def _of_sso(session: Any, what: str) -> Lifetime:
    """A session of IAM Identity Center ends with the token that somebody logged in for, unless that
    one can be renewed.
    """
    from botocore.exceptions import BotoCoreError
    from botocore.utils import JSONFileCache, SSOTokenLoader

    settings = _settings(session)
    name = settings.get("sso_session")
    url = str(settings.get("sso_start_url") or "")
    if name:
        sessions = session.full_config.get("sso_sessions") or {}
        url = str((sessions.get(name) or {}).get("sso_start_url") or "")
    folder = Path(os.path.expanduser("~")) / ".aws" / "sso" / "cache"
    token: Mapping[str, Any] = {}
    with contextlib.suppress(BotoCoreError, OSError, ValueError, KeyError, TypeError):
        token = SSOTokenLoader(cache=JSONFileCache(str(folder)))(url, session_name=name)
    renewed = f"botocore ({_SSO})" if name and token.get("refreshToken") else ""
    return Lifetime(what, _moment(token.get("expiresAt")), renewed)


def _moment(value: Any) -> datetime | None:
    """A date as ISO 8601 has it; without a zone it is UTC."""
    with contextlib.suppress(TypeError, ValueError):
        found = datetime.fromisoformat(str(value).removesuffix("UTC"))
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return None
