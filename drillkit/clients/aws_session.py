"""Whose keys sign what is asked of a target's account."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from drillkit.lazy_dataclass import dataclass
from drillkit.secrets import KNOWN
from drillkit.secrets.naming import is_word

if TYPE_CHECKING:
    from drillkit.model.target import AwsTarget


def open_session(target: AwsTarget | None, profile: str | None = None) -> Any:
    """A botocore session that is led by the target, and by the operator's environment only in what
    the target leaves open. Nothing is read yet. Without a target, `profile` is whose keys are used,
    else the environment's. The keys that it signs with are known as secrets.
    """
    from botocore.session import Session

    # A profile that is given here goes before keys of the environment; one of the environment's
    # does not.
    session = Session(profile=target.read_profile if target is not None else profile)
    if target is not None and target.credentials_file:
        session.set_config_variable("credentials_file", target.credentials_file)
    session.register("before-sign", _learn_signer)
    return session


def learn(credentials: Any) -> None:
    """Know the secrets among a session's credentials, which programs that are given them may
    print, and error bodies repeat. Keys of roles change: it costs nothing to know them again.
    """
    given = (credentials.secret_key, credentials.token)
    # Emulators take any word, such as `test`: to hide that would garble every text.
    KNOWN.learn(value for value in given if value and not is_word(value))


def _learn_signer(**request: Any) -> None:
    credentials = getattr(request["request_signer"], "_credentials", None)
    if credentials is not None:
        learn(credentials.get_frozen_credentials())


_KEYS = frozenset({"aws_access_key_id", "aws_secret_access_key", "aws_session_token"})
_ELSEWHERE = frozenset({"endpoint_url", "services"})
"""Where calls go, which the target says."""


@dataclass(frozen=True, slots=True)
class ProfileFiles:
    """The two files of an AWS configuration, with what one profile needs and nothing else."""

    config: str
    credentials: str


def profile_alone(session: Any) -> ProfileFiles:
    """What a botocore session has read of its profile, of those that it borrows from, and of its
    login. Raises BotoCoreError.
    """
    read = session.full_config
    profiles: Mapping[str, Mapping[str, Any]] = read.get("profiles") or {}
    chain: dict[str, Mapping[str, Any]] = {}
    name = session.profile or "default"
    while name in profiles and name not in chain:
        chain[name] = profiles[name]
        name = str(chain[name].get("source_profile") or "")
    logins = sorted({str(s["sso_session"]) for s in chain.values() if s.get("sso_session")})
    config = [
        _section(_titled("profile", name), said, _KEYS | _ELSEWHERE) for name, said in chain.items()
    ]
    known: Mapping[str, Mapping[str, Any]] = read.get("sso_sessions") or {}
    config += [_section(_titled("sso-session", name), known.get(name) or {}) for name in logins]
    keys = {name: {k: said[k] for k in _KEYS & set(said)} for name, said in chain.items()}
    credentials = [_section(name, said) for name, said in keys.items() if said]
    return ProfileFiles("".join(config), "".join(credentials))


def _titled(sort: str, name: str) -> str:
    return name if (sort, name) == ("profile", "default") else f"{sort} {shlex.quote(name)}"


def _section(title: str, said: Mapping[str, Any], without: Collection[str] = ()) -> str:
    """A section as AWS' tools read it."""
    lines = [
        line for key, value in said.items() if key not in without for line in _lines(key, value)
    ]
    return "\n".join([f"[{title}]", *lines, "", ""])


def _lines(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield f"{key} ="
        yield from (f"  {inner} = {each}" for inner, each in value.items())
    else:
        yield f"{key} = {value}"
