"""The secrets inside a secret: a server that is given `Bearer abc` or a URL with a token in its
path may repeat no more than that token.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from drillkit.secrets.forms import compiled
from drillkit.secrets.naming import is_secret_name, is_word

LEAST = 8
"""Characters of a part: a shorter one may be any word."""
_SCHEME = r"(?i)(bearer|basic|token|apikey|api-key|key|digest|splunk|geniekey)\s+(\S+)"
_PAIR = r"([\w.-]+)\s*=\s*('[^']*'|\"[^\"]*\"|[^\s;&]+)"
_DATABASES = ("postgres", "mysql", "mariadb", "redis", "mongodb", "amqp", "sqlserver", "oracle")
_LOGIN = r"[^\s:/@]+:([^\s:/@]+)"


def parts_of(value: str) -> Iterator[str]:
    """What of a secret is secret by itself: the token behind `Bearer`, the password of a login, a
    connection string or a URL, tokens in a URL's path and query, what stands under secrets' names
    in JSON.
    """
    yield from (part for part in _parts(value.strip()) if len(part) >= LEAST)


def _parts(value: str) -> Iterator[str]:
    if scheme := compiled(_SCHEME).fullmatch(value):
        yield scheme[2]
        if scheme[1].lower() == "basic":
            yield from _of_login(_decoded(scheme[2]))
    elif value.startswith(("{", "[")):
        yield from _of_json(value)
    elif "://" in value:
        yield from _of_url(value)
    else:
        yield from _of_login(value)
    for name, given in compiled(_PAIR).findall(value):
        if is_secret_name(name):
            yield given.strip("'\"")


def secrets_in(variables: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What is secret in variables, by name and value: what has a secret's name, and passwords in
    URLs. Words, references and places of files are left: many a setting has such a name.
    """
    for name, value in variables:
        if "://" in value:
            yield from (part for part in password_of(value) if len(part) >= LEAST)
        elif len(value) >= LEAST and is_secret_name(name) and not _is_setting(value):
            yield value


def _is_setting(value: str) -> bool:
    return is_word(value) or value.startswith("$(") or os.path.exists(value)


def password_of(url: str) -> Iterator[str]:
    """The password in a URL, as it stands there and as it is meant."""
    from urllib.parse import unquote, urlsplit  # few secrets are URLs

    try:
        password = urlsplit(url).password
    except ValueError:
        return
    if password:
        yield from (password, unquote(password))


def _of_login(text: str) -> Iterator[str]:
    if found := compiled(_LOGIN).fullmatch(text):
        yield found[1]


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return ""


def _of_url(text: str) -> Iterator[str]:
    from urllib.parse import parse_qsl, unquote, urlsplit  # few secrets are URLs

    try:
        url = urlsplit(text)
    except ValueError:
        return
    yield from password_of(text)
    if url.username and not url.password:
        yield url.username
    if url.scheme.startswith(_DATABASES):
        return  # its path is the name of a database
    for part in url.path.split("/"):
        if any(letter.isdigit() for letter in part) or len(part) >= 2 * LEAST:
            yield from (part, unquote(part))
    yield from (given for _, given in parse_qsl(url.query))


def _of_json(text: str) -> Iterator[str]:
    try:
        yield from _under_names(json.loads(text))
    except (ValueError, RecursionError):
        return


def _under_names(data: Any) -> Iterator[str]:
    if isinstance(data, Mapping):
        for name, inner in data.items():
            if isinstance(inner, str) and is_secret_name(str(name)):
                yield inner
            else:
                yield from _under_names(inner)
    elif isinstance(data, list):
        for inner in data:
            yield from _under_names(inner)
