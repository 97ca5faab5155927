"""Names whose values are taken for secrets."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

WORDS = (
    r"(?:pass(?!ed|es|ing|ive|enger|age)(?:word|wd|phrase)?|pwd|secret|token|api[-_]?key|access[-_]?key|private[-_]?key"
    r"|credentials?|cookie|session[-_]?key|signature)"
)
"""Pattern of the words that make a name a secret's, for use inside other patterns."""
_SECRET = (
    r"(?i)(?:pass(?:word|wd|phrase)?|pwd)(?:[-_.]?\d+)?$|secret|token|api[-_]?key|access[-_]?key"
    r"|canary[-_]?key|authorization|credential|private[-_]?key|cookie"
    r"|(?:^|[-_.])auth(?:[-_.](?:key|header))?$"
)
_ABOUT = (
    r"(?i)(?:name|namespace|ref|references?|file|path|folder|dir|id|arn|type|kind|count|size|url|uri"
    r"|version|seconds|minutes|days|_s|expiry|expires|ttl|mode|policy|class|status|rotation)s?$"
)
"""Ends of names that say something about a secret and do not hold it, such as `secretName`."""

_FOLDERS = frozenset({"PWD", "OLDPWD"})
"""Where a shell is and was."""


@functools.cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Compiled when they are needed first: most commands need none."""
    return re.compile(_SECRET), re.compile(_ABOUT)


@functools.lru_cache(4096)
def is_secret_name(name: str) -> bool:
    """Whether a value of that name (a key, a header, an environment variable) is a secret. Names
    of resources, such as `secret/shop/web`, are none.
    """
    if name in _FOLDERS:
        return False
    secret, about = _patterns()
    return "/" not in name and secret.search(name) is not None and about.search(name) is None


def is_word(value: str) -> bool:
    """Whether a value is a word like any other, and hiding it would say nothing of it."""
    return value.isalpha() and value.islower()


def named_literals(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Place and value of every string under a secret's name in nested data, references too."""
    if isinstance(value, Mapping):
        named = value.get("name")
        for key, inner in value.items():
            # `{name: DB_PASSWORD, value: ...}`, as lists of variables and headers have it
            name = named if key == "value" and isinstance(named, str) else key
            if isinstance(name, str) and isinstance(inner, str) and is_secret_name(name):
                yield (*path, key), inner
            else:
                yield from named_literals(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from named_literals(inner, (*path, index))
