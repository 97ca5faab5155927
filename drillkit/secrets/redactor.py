"""Hides secrets in text and data: values that are known, in every form that programs give them,
and what can be nothing else than a credential.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from drillkit.lazy_dataclass import dataclass
from drillkit.secrets.encoded import WORD_LEAST, WORD_OF_SHORT, Layers, bare, places
from drillkit.secrets.forms import SHORT, SHORTEST, Form, compiled, forms_of
from drillkit.secrets.naming import WORDS, is_secret_name
from drillkit.secrets.parts import parts_of

HIDDEN = "[secret]"
MARK = "\ufdd0"
"""Stands for what is hidden while a text is looked through; no letter of any language."""
NAME_READ = 40
"""Characters of a name before the word that makes it a secret's."""
_REFERENCE = r"(?:(?:env|file|aws-secret):|\$[\w{(]|[<{%]|\[secret\])"
"""How what stands for a value begins: a reference, a shell's or a template's variable."""
_LONE_REFERENCE = r"(?s:(?:env|file|aws-secret):\S.*|(?:\$\$?\{[^{}]*\})+)"
_NAME = rf"[\w.-]{{0,40}}{WORDS}[\w.-]{{0,40}}"


@dataclass(frozen=True, slots=True)
class _Sign:
    """What can be nothing else than a credential."""

    needles: tuple[str, ...]
    """In lower case; without one of them in a text, nobody needs to look closer."""
    pattern: str
    instead: str | Callable[[re.Match[str]], str] = rf"\g<before>{HIDDEN}"

    def hide(self, text: str, lower: str) -> str:
        if not any(needle in lower for needle in self.needles):
            return text
        return compiled(self.pattern).sub(self.instead, text)


def _hidden_assignment(found: re.Match[str]) -> str:
    quote = found["quote"]
    hidden = is_secret_name(found["name"])
    return f"{found['before']}{quote}{HIDDEN}{quote}" if hidden else found[0]


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
    # Authorization: anything. Cookie: anything. X-Vault-Token: anything
    _Sign(
        ("authorization", "cookie", "x-", "-token"),
        # `probes.web.headers.Authorization: ...` is a place in one of our own messages.
        r"(?i)(?P<before>(?<![\w./-])(?:(?:proxy-)?authorization|(?:set-)?cookie|x-(?:[a-z0-9]+-){0,3}(?:key|token|secret|password)|(?:private|deploy|job)-token)"
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
    # PGPASSWORD=abc psql
    _Sign(
        ("=",),
        rf"(?<![\w$.-])(?P<before>(?P<name>[A-Z][A-Z0-9_]{{2,60}})=)(?P<quote>[\"']?)(?!{_REFERENCE}|[`/~.])"
        rf"[^\s\"',;&|}}`]{{{SHORTEST},}}(?P=quote)",
        _hidden_assignment,
    ),
    # curl -u user:abc
    _Sign(
        ("curl",),
        r"(?P<before>\bcurl\b[^\n|;&]{0,200}?\s(?:-u|-U|--user|--proxy-user)[\s,=\"']{1,4}"
        rf"[^\s:\"']{{1,60}}:)(?!{_REFERENCE}|`)[^\s\"',\]]+",
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
_LOGIN_OPTIONS = ("-u", "-U", "--user", "--proxy-user")
_LOGIN_OF = rf"[^\s:]+:(?!{_REFERENCE}|`).+"
_OPTION = rf"(?i)--?[\w-]{{0,40}}{WORDS}[\w-]{{0,40}}"
_OPTION_WITH = rf"(?is)(?P<before>--?[\w-]{{0,40}}{WORDS}[\w-]{{0,40}}=)(?!{_REFERENCE}).+"


class Redactor:
    """Hides known values, and what looks like a credential in a URL, a header or under a
    secret's name. Fit for several threads.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._values: set[str] = set()
        self._forms: tuple[Form, ...] = ()
        self._traces: frozenset[str] = frozenset()
        self._least = WORD_LEAST
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
                    known |= dict.fromkeys(forms_of(part))
            # Of one value, too, the longer form first: a shorter one would leave its end.
            self._forms = tuple(sorted(known, key=_longest_first))
            self._traces = frozenset(form.trace for form in self._forms)
            if any(form.length < SHORT for form in self._forms):
                self._least = WORD_OF_SHORT

    def forget(self) -> None:
        """Know nothing any more, for tests."""
        with self._lock:
            self._values, self._forms, self._traces = set(), (), frozenset()
            self._least = WORD_LEAST

    @property
    def values(self) -> tuple[str, ...]:
        """What is known, for another process of the same run."""
        with self._lock:
            return tuple(sorted(self._values))

    def mentions(self, text: str) -> bool:
        """Whether a known value stands in the text, in any form."""
        return bool(self._forms) and self._known(text) != text

    def traces(self, lines: Iterable[str]) -> int:
        """How many traces of known values there are in lines that are read as one: so often they
        may stand there. Quick, and blind for what is encoded more than once.
        """
        if not self._traces:
            return 0
        lower = "".join(lines).lower()
        return sum(lower.count(trace) for trace in self._traces if trace)

    def _within(self, text: str) -> Iterator[Form]:
        """What may stand in a text. Most texts hold no trace of any secret, and finding that out
        is a hundred times faster than looking for every form.
        """
        lower = text.lower()
        seen = {trace for trace in self._traces if trace in lower}
        return (form for form in self._forms if form.trace in seen) if seen else iter(())

    def _known(self, text: str) -> str:
        """The text without known values, however they are written."""
        # What was hidden once is not hidden again, be the secret the word `secret` itself.
        found = text.replace(HIDDEN, MARK)
        for form in self._within(found):
            found = form.hide(found, MARK)
        left, end = [], 0
        for first, last in self._deeper(found):
            left += [found[end:first], MARK]
            end = last
        return "".join([*left, found[end:]]).replace(MARK, HIDDEN)

    def _deeper(self, text: str) -> Iterator[tuple[int, int]]:
        """Where values stand that are broken over lines, escaped letter by letter or wrapped in
        layers of encodings.
        """
        read = bare(text)
        spans = [*self._layers().spans(read)]
        if read != text:
            spans += [span for form in self._within(read) for span in form.spans(read)]
        if not spans:
            return
        where = places(text)
        for first, last in _joined(spans):
            yield where[first][0], where[last - 1][1]

    def _layers(self) -> Layers:
        return Layers(self._holds, self._least)

    def _holds(self, text: str) -> bool:
        return any(form.stands_in(text) for form in self._within(text))

    def text(self, text: str) -> str:
        """The text without known values and credentials."""
        if self._forms:
            text = self._known(text)
        lower = text.lower()
        for sign in _SURE:
            text = sign.hide(text, lower)
        return text

    def foreign(self, text: str) -> str:
        """`text` for what others wrote, such as logs: values behind secrets' names go, too."""
        return compiled(_ASSIGNED).sub(_hidden_value, self.text(text))

    def content(self, content: bytes) -> bytes:
        """`foreign` for a file; one that is no UTF-8 loses what can be told in its bytes, a
        compressed one that holds a known value everything.
        """
        try:
            return self.foreign(content.decode()).encode()
        except UnicodeDecodeError:
            if self._layers().packed(content):
                return HIDDEN.encode()
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
        """A list may be a command's arguments: what follows `--token` is one, and what follows
        curl's `--user` holds one.
        """
        follows = login = False
        curl = bool(items) and isinstance(items[0], str) and items[0].endswith("curl")
        for item in items:
            if not isinstance(item, str):
                follows = login = False
                yield self.data(item)
            elif login and compiled(_LOGIN_OF).match(item):
                login = False
                yield f"{item.partition(':')[0]}:{HIDDEN}"
            elif (
                follows
                and not item.startswith("-")
                and not compiled(_LONE_REFERENCE).fullmatch(item)
            ):
                follows = False
                yield HIDDEN
            else:
                option = item.startswith("-")
                follows = option and compiled(_OPTION).fullmatch(item) is not None
                login = curl and item in _LOGIN_OPTIONS
                if option:
                    item = compiled(_OPTION_WITH).sub(rf"\g<before>{HIDDEN}", item)
                yield self.text(item)


KNOWN = Redactor()
"""What this process knows."""


def _longest_first(form: Form) -> tuple[int, int, str, str]:
    return -form.length, -max(len(form.letters), len(form.pattern)), form.letters, form.pattern


def _joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The spans in order, those that touch as one."""
    begin = end = -1
    for first, last in sorted(spans):
        if first <= end:
            end = max(end, last)
            continue
        if begin >= 0:
            yield begin, end
        begin, end = first, last
    if begin >= 0:
        yield begin, end


def is_literal(name: str, value: str) -> bool:
    """Whether a value under that name is a secret itself, and no reference to one."""
    return (
        len(value) >= SHORTEST
        and is_secret_name(name)
        and value != HIDDEN
        and compiled(_LONE_REFERENCE).fullmatch(value) is None
    )


def _hidden_value(found: re.Match[str]) -> str:
    """What stands for an assigned value. JSON stays JSON."""
    if (name := found["name"]) is not None:
        written = found.string[max(0, found.start() - NAME_READ) : found.start()]
        beginning = compiled(r"[\w-]*\Z").search(written)
        if not is_secret_name((beginning[0] if beginning else "") + name):
            return found[0]
    quote = found["quote"] or found["json"] or ""
    return f"{found['before']}{quote}{HIDDEN}{quote}"
