"""Hides secrets in text and data: values that are known, in every form that programs give them,
and what can be nothing else than a credential.
"""

from __future__ import annotations

import base64
import functools
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from drillkit.lazy_dataclass import dataclass
from drillkit.secrets.naming import WORDS, is_secret_name
from drillkit.secrets.parts import parts_of

HIDDEN = "[secret]"
SHORTEST = 4
"""Characters: shorter values are no secrets worth the name, and hiding them would garble
every text.
"""
SHORT = 8
"""Characters: a shorter value is hidden only where it stands for itself, not inside a word."""
NAME_READ = 40
"""Characters of a name before the word that makes it a secret's."""
CASELESS = 12
"""Characters of a value with digits that is hidden in capitals and small letters, too."""
BASE64_LEAST = 8
"""Characters of base64 that are told from chance."""
FOLDED = 32
"""Characters of a line that may have been broken off; nobody folds at less."""
_FOLD = re.compile(r"(\r?\n[ \t]*|(?:\\r)?\\n)")
"""A line's end, also in JSON."""
_BLANK = re.compile(r"[\s\"'<>]")
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
        self._forms: tuple[_Form, ...] = ()
        self._traces: frozenset[str] = frozenset()
        self.learn(values)

    def learn(self, values: Iterable[str]) -> None:
        """Hide these from now on, in every form, each line of one with many, and what of it is a
        secret by itself.
        """
        fresh = {value for value in values if value not in self._values}
        if not fresh:
            return
        with self._lock:
            self._values |= fresh
            known = dict.fromkeys(self._forms)
            for value in fresh:
                for part in {value, *value.splitlines(), *parts_of(value)}:
                    known |= dict.fromkeys(_forms(part))
            # Of one value, too, the longer form first: a shorter one would leave its end.
            self._forms = tuple(
                sorted(known, key=lambda form: (-form.length, -len(form.pattern), form.pattern))
            )
            self._traces = frozenset(form.trace for form in self._forms)

    def forget(self) -> None:
        """Know nothing any more, for tests."""
        with self._lock:
            self._values, self._forms, self._traces = set(), (), frozenset()

    @property
    def values(self) -> tuple[str, ...]:
        """What is known, for another process of the same run."""
        with self._lock:
            return tuple(sorted(self._values))

    def mentions(self, text: str) -> bool:
        """Whether a known value stands in the text, in any form."""
        return (known := self._within(text)) is not None and known.search(text) is not None

    def _within(self, text: str) -> re.Pattern[str] | None:
        """What may stand in a text. Most texts hold no trace of any secret, and finding that out
        is a hundred times faster than looking for every form.
        """
        lower = text.lower()
        seen = {trace for trace in self._traces if trace in lower}
        if not seen:
            return None
        return _any_of(tuple(form.pattern for form in self._forms if form.trace in seen))

    def _unfolded(self, text: str) -> str:
        """The text without what is known and was folded: `base64` and its like break a line at
        column 76 or 64, wherever that is.
        """
        found, begin = [], 0
        for start, end in _runs(text):
            whole = _FOLD.sub("", text[start:end])
            if self.mentions(whole):
                found += [text[begin:start], HIDDEN]
                begin = end
        return "".join([*found, text[begin:]]) if found else text

    def text(self, text: str) -> str:
        """The text without known values and credentials."""
        if self._forms:
            if (known := self._within(text)) is not None:
                text = known.sub(HIDDEN, text)
            text = self._unfolded(text)
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


def _runs(text: str) -> Iterator[tuple[int, int]]:
    """Begin and end of each word that may go on in the next line: that line is so long that
    somebody may have folded it.
    """
    begin, start = 0, -1
    ends = [(fold.start(), fold.end()) for fold in _FOLD.finditer(text)]
    for end, following in [*ends, (len(text), len(text))]:
        line = text[begin:end]
        blank = _BLANK.search(line)
        if start >= 0 and (blank or len(line) < FOLDED):
            yield start, begin + blank.start() if blank else end
            start = -1
        if start < 0 and len(line) >= FOLDED:
            start = end - len(_BLANK.split(line)[-1])
        begin = following


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


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to write a value."""

    trace: str
    """Stands in every text that this does, in small letters."""
    pattern: str
    length: int


@functools.lru_cache(64)
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


def _forms(value: str) -> Iterator[_Form]:
    """A value as programs show it: as it is, escaped in any way, encoded."""
    plain = value.strip()
    if len(plain) < SHORTEST or plain.lower() in _TRIVIAL:
        return
    if not (plain.isascii() and plain.isalnum()):
        # The longest part that everybody writes alike is the trace of all the rest.
        trace = max(_PLAIN.findall(plain), key=len, default="").lower()
        yield _Form(trace, _alone(plain, "".join(map(_spelled, plain))), len(plain))
    for text in {plain, value}:
        hexed = text.encode(errors="surrogateescape").hex()
        yield _Form(hexed, f"(?i:{hexed})", len(plain))
    for form in _encoded(value, plain):
        if len(form) >= SHORTEST:
            yield _Form(form.lower(), _alone(form, re.escape(form)), len(plain))


def _alone(form: str, pattern: str) -> str:
    """The pattern; of a short form, only where it stands for itself."""
    if len(form) >= SHORT:
        return pattern
    return rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"


def _encoded(value: str, plain: str) -> set[str]:
    found = {plain}
    if len(plain) >= CASELESS and any(letter.isdigit() for letter in plain):
        found |= {plain.lower(), plain.upper()}
    for text in {plain, value}:
        raw = text.encode(errors="surrogateescape")
        found |= set(_base64(raw))
        found.add(base64.b32encode(raw).decode().rstrip("="))
        found |= {"".join(f"%{byte:02{x}}" for byte in raw) for x in "xX"}
    return found


_PLAIN = re.compile(r"[A-Za-z0-9]+")
_NAMED = {'"': "quot", "'": "apos", "&": "amp", "<": "lt", ">": "gt"}
_BACK = r"(?:\\|%(?:25)*5[Cc]){0,16}"
"""Backslashes in front of a letter: JSON in JSON in a repr doubles them each time."""


@functools.lru_cache(1024)
def _spelled(letter: str) -> str:
    """A letter as it is, and as JSON, HTML, URLs, shells, SQL, CSV, YAML and programming languages
    write it. Letters and digits of ASCII are written by all as they are.
    """
    if letter.isascii() and letter.isalnum():
        return letter
    raw = letter.encode(errors="surrogateescape")
    found = [re.escape(letter), "".join(rf"%(?:25)*(?i:{byte:02x})" for byte in raw)]
    found += (
        [rf"u(?i:{unit:04x})" for unit in _units(letter)]
        if len(_units(letter)) == 1
        else [
            "".join(rf"{_BACK}u(?i:{unit:04x})" for unit in _units(letter)),
            rf"U(?i:{ord(letter):08x})",
        ]
    )
    found += ["".join(rf"{_BACK}x(?i:{byte:02x})" for byte in raw)]
    found += [
        "".join(rf"{_BACK}{byte:03o}" for byte in raw),
        "".join(f"={byte:02X}" for byte in raw),
    ]
    named = rf"|{_NAMED[letter]}" if letter in _NAMED else ""
    found.append(rf"&(?:amp;)*(?:#0*{ord(letter)}|#[xX]0*(?i:{ord(letter):x}){named});")
    if not letter.isascii():
        found += [rf"x(?i:{ord(letter):02x})"] if ord(letter) < 256 else []
        found += [re.escape(raw.decode("latin-1")), "[?\ufffd]{1,4}"]
    return rf"{_BACK}(?:{'|'.join([*found, *_SPELLINGS.get(letter, ())])})"


_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "'": ("''", r"'\\''", "'\"'\"'"),
    '"': ('""',),
    "\\": (r"\\",),
    "\n": (r"\r?\n\s*", "n", "r", r"\r"),
    "\t": ("t",),
    "\r": ("r", ""),
    " ": (r"\s+", r"\+"),
}
"""More of some: doubled, named, and where a text is folded."""


def _units(letter: str) -> list[int]:
    """The letter in UTF-16."""
    raw = letter.encode("utf-16-be", errors="surrogatepass")
    return [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]


def _base64(raw: bytes) -> Iterator[str]:
    """A value in base64: alone, and behind any prefix, such as `user:`."""
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
