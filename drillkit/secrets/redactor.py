"""Hides secrets in text and data: values that are known, in every form that programs give them,
and what can be nothing else than a credential.
"""

from __future__ import annotations

import functools
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from drillkit.secrets.naming import WORDS, is_secret_name

HIDDEN = "[secret]"
SHORTEST = 4
"""Characters: shorter values are no secrets worth the name, and hiding them would garble
every text.
"""
SHORT = 8
"""Characters: a shorter value is hidden only where it stands for itself, not inside a word."""
NAME_READ = 40
"""Characters of a name before the word that makes it a secret's."""
BASE64_LEAST = 8
"""Characters of base64 that are told from chance."""
_TRIVIAL = frozenset({"true", "false", "null", "none", "http", "https", "localhost", "default"})
_REFERENCE = r"(?:(?:env|file|aws-secret):|\$[\w{(]|[<{%]|\[secret\])"
"""How what stands for a value begins: a reference, a shell's or a template's variable."""
_LONE_REFERENCE = re.compile(r"(?:env|file|aws-secret):\S.*|(?:\$\$?\{[^{}]*\})+", re.DOTALL)
_NAME = rf"[\w.-]{{0,40}}{WORDS}[\w.-]{{0,40}}"


@dataclass(frozen=True, slots=True)
class _Sign:
    """What can be nothing else than a credential."""

    needles: tuple[str, ...]
    """In lower case; without one of them in a text, nobody needs to look closer."""
    pattern: str
    instead: str = rf"\g<before>{HIDDEN}"

    def hide(self, text: str, lower: str) -> str:
        if not any(needle in lower for needle in self.needles):
            return text
        return _compiled(self.pattern).sub(self.instead, text)


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compiled when it is needed first: most commands need none."""
    return re.compile(pattern)


_SURE = (
    # -----BEGIN ... PRIVATE KEY----- up to its end
    _Sign(
        ("private key",),
        r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        HIDDEN,
    ),
    # https://user:password@host, and https://long-token@host
    _Sign(
        ("@",),
        rf"(?<=://)(?:[^/\s:@\"'<>]*:(?!{_REFERENCE})[^/\s@\"'<>]+|[^/\s:@\"'<>]{{16,}})(?=@)",
        HIDDEN,
    ),
    # Authorization: anything. Cookie: anything
    _Sign(
        ("authorization", "cookie", "x-api-", "x-auth-"),
        # `probes.web.headers.Authorization: ...` is a place in one of our own messages.
        r"(?i)(?P<before>(?<![\w.-])(?:(?:proxy-)?authorization|(?:set-)?cookie|x-(?:api|auth)-(?:key|token))"
        rf"[\"']?[ \t]{{0,4}}[:=][ \t]{{0,4}}[\"']?)(?!(?:[a-z]+[ \t]+)?{_REFERENCE})[^\s\"'\\][^\"'\\\r\n]*",  # noqa: E501
    ),
    # Bearer abc, Basic abc: a word of English has neither digits nor capitals
    _Sign(
        ("bearer", "basic"),
        r"(?P<before>\b(?:[Bb]earer|[Bb]asic|BEARER|BASIC)\s{1,4})"
        r"(?=[A-Za-z0-9+/=._~-]{0,200}[0-9A-Z+/=_]|[a-z.~-]{20})[A-Za-z0-9+/=._~-]{8,}",
    ),
    # ?access_token=abc
    _Sign(
        ("?", "&", ";"),
        rf"(?i)(?P<before>[?&;](?:{_NAME}|sig|key|auth|pwd)=)(?!{_REFERENCE})"
        r"[^&;\s\"'<>#\\]+",
    ),
    # JSON Web Tokens and AWS access keys, wherever they stand
    _Sign(("eyj",), r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*", HIDDEN),
    _Sign(("akia", "asia"), r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", HIDDEN),
)
# password=abc, "apiKey": "abc", --token abc, DB_PASSWORD: abc
_ASSIGNED = (
    # No open-ended run before the word: on a megabyte without spaces that would take for ever.
    rf"(?i)(?P<before>(?P<name>{WORDS}[\w-]{{0,40}})(?P<json>[\"']?)\s{{0,8}}[=:]\s{{0,8}}"
    rf"|--[\w-]{{0,40}}{WORDS}[\w-]{{0,40}}\s{{1,8}})"
    rf"(?P<quote>[\"']?)(?!{_REFERENCE}|\[|(?:true|false|null|none)\b)[^\s\"',;&}}]+(?P=quote)"
)
_OPTION = rf"(?i)--?[\w-]{{0,40}}{WORDS}[\w-]{{0,40}}"
_OPTION_WITH = rf"(?is)(?P<before>--?[\w-]{{0,40}}{WORDS}[\w-]{{0,40}}=)(?!{_REFERENCE}).+"


class Redactor:
    """Hides known values, and what looks like a credential in a URL, a header or under a
    secret's name. Fit for several threads.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._values: set[str] = set()
        self._forms: set[str] = set()
        self._known: re.Pattern[str] | None = None
        self.learn(values)

    def learn(self, values: Iterable[str]) -> None:
        """Hide these from now on, in every form, and each line of one with many."""
        fresh = {value for value in values if value not in self._values}
        if not fresh:
            return
        with self._lock:
            self._values |= fresh
            for value in fresh:
                for part in {value, *value.splitlines()}:
                    self._forms |= _forms(part)
            longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
            self._known = (
                re.compile("|".join(map(_pattern, longest_first))) if longest_first else None
            )

    def forget(self) -> None:
        """Know nothing any more, for tests."""
        with self._lock:
            self._values, self._forms, self._known = set(), set(), None

    @property
    def values(self) -> tuple[str, ...]:
        """What is known, for another process of the same run."""
        with self._lock:
            return tuple(sorted(self._values))

    def mentions(self, text: str) -> bool:
        """Whether a known value stands in the text, in any form."""
        return self._known is not None and self._known.search(text) is not None

    def text(self, text: str) -> str:
        """The text without known values and credentials."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        lower = text.lower()
        for sign in _SURE:
            text = sign.hide(text, lower)
        return text

    def foreign(self, text: str) -> str:
        """`text` for what others wrote, such as logs: values behind secrets' names go, too."""
        return _compiled(_ASSIGNED).sub(_hidden_value, self.text(text))

    def content(self, content: bytes) -> bytes:
        """`foreign` for a file; one that is no UTF-8 loses what can be told in its bytes."""
        try:
            return self.foreign(content.decode()).encode()
        except UnicodeDecodeError:
            return self.foreign(content.decode("latin-1")).encode("latin-1")

    def data(self, value: Any) -> Any:
        """Plain data (mappings, lists, scalars) without secrets: texts, keys, and values under
        secrets' names, unless they are references.
        """
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, list | tuple):
            return list(self._items(value))
        return value

    def _mapping(self, value: Mapping[Any, Any]) -> dict[Any, Any]:
        found = {}
        named = value.get("name")
        for key, inner in value.items():
            name = named if key == "value" and isinstance(named, str) else key
            hidden = isinstance(inner, str) and isinstance(name, str) and is_literal(name, inner)
            safe = self.text(key) if isinstance(key, str) else key
            found[safe] = HIDDEN if hidden else self.data(inner)
        return found

    def _items(self, items: list[Any] | tuple[Any, ...]) -> Iterator[Any]:
        """A list may be a command's arguments: what follows `--token` is one."""
        follows = False
        for item in items:
            if not isinstance(item, str):
                follows = False
                yield self.data(item)
            elif follows and not item.startswith("-") and not _LONE_REFERENCE.fullmatch(item):
                follows = False
                yield HIDDEN
            else:
                option = item.startswith("-")
                follows = option and _compiled(_OPTION).fullmatch(item) is not None
                if option:
                    item = _compiled(_OPTION_WITH).sub(rf"\g<before>{HIDDEN}", item)
                yield self.text(item)


KNOWN = Redactor()
"""What this process knows."""


def is_literal(name: str, value: str) -> bool:
    """Whether a value under that name is a secret itself, and no reference to one."""
    return (
        len(value) >= SHORTEST
        and is_secret_name(name)
        and value != HIDDEN
        and _LONE_REFERENCE.fullmatch(value) is None
    )


def _hidden_value(found: re.Match[str]) -> str:
    """What stands for an assigned value. JSON stays JSON."""
    if (name := found["name"]) is not None:
        written = found.string[max(0, found.start() - NAME_READ) : found.start()]
        beginning = _compiled(r"[\w-]*\Z").search(written)
        if not is_secret_name((beginning[0] if beginning else "") + name):
            return found[0]
    quote = found["quote"] or found["json"] or ""
    return f"{found['before']}{quote}{HIDDEN}{quote}"


def _pattern(form: str) -> str:
    if len(form) >= SHORT:
        return re.escape(form)
    return rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])"


def _forms(value: str) -> set[str]:
    """A value as programs show it: as it is, escaped, encoded."""
    plain = value.strip()
    if len(plain) < SHORTEST or plain.lower() in _TRIVIAL:
        return set()
    found = {plain}
    for text in {plain, value}:
        escaped = set(_escaped(text))
        for once in tuple(escaped):
            escaped |= set(_escaped(once))  # JSON inside JSON, the repr of a repr
        found |= escaped | set(_quoted(text))
    for text in {plain, value}:
        raw = text.encode(errors="surrogateescape")
        found |= {*_base64(raw), raw.hex(), raw.hex().upper()}
    return {form for form in found if len(form) >= SHORTEST}


def _escaped(text: str) -> Iterator[str]:
    import html

    yield repr(text)[1:-1]
    yield repr(text + "'\"")[1:-4]  # with its single quotes escaped
    yield ascii(text)[1:-1]
    yield repr(text.encode(errors="surrogateescape"))[2:-1]
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield html.escape(text)
    yield html.escape(text, quote=False)
    yield html.escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    yield html.escape(text).replace("&#x27;", "&apos;")
    yield html.escape(text).encode("ascii", "xmlcharrefreplace").decode()
    yield re.sub(r"\\u[0-9a-f]{4}", _in_capitals, json.dumps(text)[1:-1])  # Java, .NET
    yield re.sub(r"\\u00([0-9a-f]{2})", _in_capitals, json.dumps(text)[1:-1]).replace(
        "\\u00", "\\x"
    )  # YAML
    yield text.replace("'", "'\\''")  # a shell's words, as `set -x` shows them
    yield text.replace("'", "'\"'\"'")


def _in_capitals(found: re.Match[str]) -> str:
    return found[0][:2] + found[0][2:].upper()


def _quoted(text: str) -> Iterator[str]:
    from urllib.parse import quote, quote_plus

    raw = text.encode(errors="surrogateescape")
    for form in (quote(raw), quote(raw, safe=""), quote_plus(raw), quote(quote(raw, safe=""))):
        yield form
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), form)


def _base64(raw: bytes) -> Iterator[str]:
    """A value in base64: alone, and behind any prefix, such as `user:`."""
    import base64

    yield base64.b64encode(raw).decode()
    yield base64.urlsafe_b64encode(raw).decode()
    for before in (0, 1, 2):
        coded = base64.b64encode(b"\0" * before + raw).decode()
        # The first characters hold bits of the prefix too, the last ones of what follows.
        begin = (0, 2, 3)[before]
        end = (before + len(raw)) // 3 * 4 + ((before + len(raw)) % 3)
        core = coded[begin:end]
        if len(core) >= BASE64_LEAST:
            yield core
            yield core.translate(str.maketrans("+/", "-_"))
