"""The ways in which programs write a value down: as it is, escaped in any way, encoded."""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Iterator, Mapping

from drillkit.lazy_dataclass import dataclass

SHORTEST = 4
"""Characters: shorter values are no secrets worth the name, and hiding them would garble
every text.
"""
SHORT = 8
"""Characters: a shorter value is hidden only where it stands for itself, not inside a word."""
CASELESS = 12
"""Characters of a value with digits that is hidden in capitals and small letters, too."""
BASE64_LEAST = 8
"""Characters of base64 that are told from chance."""
PIECE = 500
"""Characters of a value that are looked for at once: a pattern of many takes seconds to compile."""
_TRIVIAL = frozenset({"true", "false", "null", "none", "http", "https", "localhost", "default"})
_PLAIN = r"[A-Za-z0-9]+"
_NAMED = {'"': "quot", "'": "apos", "&": "amp", "<": "lt", ">": "gt"}
_BACK = r"(?:\\|%(?:25)*5[Cc]){0,16}"
"""Backslashes in front of a letter: JSON in JSON in a repr doubles them each time."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a value."""

    trace: str
    """Stands in every text that this does, in small letters."""
    letters: str
    """To the letter; '' where that is not enough to tell it from a part of a word."""
    pattern: str
    """Every spelling of it; '' where there is but the one."""
    length: int
    """Characters of the value."""

    def hide(self, text: str, instead: str) -> str:
        """The text with something instead of it."""
        if self.letters:
            text = text.replace(self.letters, instead)
        # Compiling the spellings of a long value takes longer than looking for traces of them.
        if self.pattern and self.trace in text.lower():
            text = compiled(self.pattern).sub(instead, text)
        return text

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where it stands in a text that holds its trace."""
        pattern = self.pattern or re.escape(self.letters)
        for found in compiled(pattern).finditer(text):
            yield found.span()

    def stands_in(self, text: str) -> bool:
        """Whether it stands in a text that holds its trace."""
        if self.letters and self.letters in text:
            return True
        return bool(self.pattern) and compiled(self.pattern).search(text) is not None


@functools.lru_cache(1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """Compiled when it is needed first: most commands need none."""
    return re.compile(pattern)


def forms_of(value: str) -> Iterator[Form]:
    """A value as programs show it. Nothing of one that is too short or too common."""
    plain = value.strip()
    if len(plain) < SHORTEST or plain.lower() in _TRIVIAL:
        return
    if not (plain.isascii() and plain.isalnum()):
        for piece in _pieces(plain):
            # The longest part that everybody writes alike is the trace of all the rest.
            trace = max(compiled(_PLAIN).findall(piece), key=len, default="").lower()
            pattern = _alone(piece, "".join(map(_spelled, piece)))
            yield Form(trace, piece if len(piece) >= SHORT else "", pattern, len(piece))
    for form in _encoded(value, plain):
        if len(form) >= SHORT:
            yield Form(form.lower(), form, "", len(plain))
        elif len(form) >= SHORTEST:
            yield Form(form.lower(), "", _alone(form, re.escape(form)), len(plain))


def _pieces(plain: str) -> Iterator[str]:
    if len(plain) <= 2 * PIECE:
        yield plain
        return
    for begin in range(0, len(plain) - PIECE, PIECE):
        last = begin + 2 * PIECE >= len(plain)
        yield plain[begin:] if last else plain[begin : begin + PIECE]


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
        found |= {raw.hex(), raw.hex().upper()}
        found |= set(_base64(raw))
        found.add(base64.b32encode(raw).decode().rstrip("="))
        found |= {"".join(f"%{byte:02{x}}" for byte in raw) for x in "xX"}
    return found


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
    "'": ("''", rf"'{_BACK}''", rf"'{_BACK}\"'{_BACK}\"'"),
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
    for coded in (base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()):
        yield from {coded, coded.rstrip("=")}
    for before in (0, 1, 2):
        coded = base64.b64encode(b"\0" * before + raw).decode()
        # The first characters hold bits of the prefix too, the last ones of what follows.
        begin = (0, 2, 3)[before]
        end = (before + len(raw)) // 3 * 4 + ((before + len(raw)) % 3)
        core = coded[begin:end]
        if len(core) >= BASE64_LEAST:
            yield core
            yield core.translate(str.maketrans("+/", "-_"))
