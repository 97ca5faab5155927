"""What a text would say if it were decoded: escapes undone, lines joined, base64 and the like read.

Programs wrap a value in layers that no list of forms can hold: base64 in base64, compressed, in a
dump of bytes. Each layer is undone here, and the plain value is looked for in what comes out.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Sequence

from drillkit.secrets.forms import compiled

DEEPEST = 4
"""Layers: Helm keeps a release compressed, in base64, in base64."""
UNPACKED_MOST = 16 * 1024 * 1024
"""Bytes that are unpacked for one text."""
WORD_LEAST = 12
"""Characters of a word in which a value may stand encoded."""
WORD_OF_SHORT = 8
"""The same where a short value is known."""
_BETWEEN = (
    # a line's end and the next one's indent, also in JSON
    r"\r?\n[ \t]*|(?:\\r)?\\n"
    # what a terminal does not show: colours, and letters without width
    r"|\x1b\[[0-9;?]*[A-Za-z]|[\0\xad\u200b-\u200d\u2060\ufeff]"
)
_ESCAPED = (
    r"|(?<!\\)\\+(?:x(?P<x>[0-9A-Fa-f]{2})|u(?P<u>[0-9A-Fa-f]{4})|(?P<octal>[0-3][0-7]{2}))"
    r"|%(?:25)*(?P<url>[0-9A-Fa-f]{2})|&(?:amp;)*#(?:[xX](?P<hex>[0-9A-Fa-f]{1,6})|(?P<n>\d{1,7}));"
)
_WORD = r"[A-Za-z0-9+/_-]{%d,}={0,2}"
_PAIR = r"(?:0x)?[0-9A-Fa-f]{2}"
_PAIRS = rf"{_PAIR}(?:(?:, ?| {{1,2}}|[:-])?{_PAIR}){{3,}}(?![G-Zg-z])"
"""Bytes as hex dumps, fingerprints and arrays show them."""
_NUMBERS = r"(?<![\d.])(?:\d{1,3}(?:, ?| {1,2})){3,}\d{1,3}(?![\d.])"
"""Bytes as a program prints an array of them."""
_SMALL, _DIGITS = "abcdefghijklmnopqrstuvwxyz-_/", "0123456789abcdef-"
_URL_SAFE = str.maketrans("-_", "+/")
_GZIP = b"\x1f\x8b\x08"


def bare(text: str) -> str:
    """A text without what may stand between the letters of a value, escapes undone."""
    return compiled(_BETWEEN + _ESCAPED).sub(_letter, text)


def places(text: str) -> list[tuple[int, int]]:
    """Where each letter of the bare text stands in the text itself."""
    found: list[tuple[int, int]] = []
    begin = 0
    for each in compiled(_BETWEEN + _ESCAPED).finditer(text):
        found += [(place, place + 1) for place in range(begin, each.start())]
        found += [each.span()] * len(_letter(each))
        begin = each.end()
    return found + [(place, place + 1) for place in range(begin, len(text))]


def _letter(found: re.Match[str]) -> str:
    """The letter that is escaped, '' for what stands between letters."""
    if (kind := found.lastgroup) is None:
        return ""
    number = int(found[kind], {"octal": 8, "n": 10}.get(kind, 16))
    return chr(number) if 0 < number < 0x110000 else ""


class Layers:
    """Looks into one text for a value that is encoded."""

    def __init__(self, holds: Callable[[str], bool], least: int) -> None:
        """`holds`: whether a value stands in a text as it is. `least`: characters of a word that
        may be one.
        """
        self._holds, self._least = holds, least
        self._left = UNPACKED_MOST

    def spans(self, text: str, depth: int = DEEPEST) -> Iterator[tuple[int, int]]:
        """Where a value stands encoded."""
        for pattern, read in (
            (_WORD % self._least, _of_word),
            (_PAIRS, _of_pairs),
            (_NUMBERS, _of_numbers),
        ):
            for found in compiled(pattern).finditer(text):
                if self._within(read(found[0]), depth):
                    yield found.span()

    def packed(self, raw: bytes) -> bool:
        """Whether a value stands in what was compressed."""
        return bool(unpacked := self._unpacked(raw)) and self._within([unpacked], DEEPEST)

    def _within(self, several: Sequence[bytes], depth: int) -> bool:
        """Whether a value stands in one of several readings, or in what these hold encoded."""
        if not several:
            return False
        text = b"\n".join(several).decode("latin-1")
        if self._holds(text):
            return True
        if "\0" in text and self._holds(text.replace("\0", "")):  # UTF-16
            return True
        if depth <= 1:
            return False
        unpacked = [found for raw in several if (found := self._unpacked(raw))]
        if self._within(unpacked, depth - 1):
            return True
        # What is no base64 after all is decoded to noise, in which there is none either.
        coded = compiled(_WORD % self._least).search(text) is not None
        return coded and any(True for _ in self.spans(text, depth - 1))

    def _unpacked(self, raw: bytes) -> bytes:
        """What was compressed by gzip or zlib, as far as it can be read."""
        begin = raw.find(_GZIP)
        if begin < 0 and not (
            raw[:1] == b"x" and len(raw) > 2 and (raw[0] * 256 + raw[1]) % 31 == 0
        ):
            return b""
        import zlib  # hardly anything is compressed

        reader = zlib.decompressobj(wbits=47)  # either header
        try:
            found = reader.decompress(raw[max(begin, 0) :], max(self._left, 1))
        except zlib.error:
            return b""
        self._left -= len(found)
        return found


def _of_word(found: str) -> Sequence[bytes]:
    """A word as base64. What stands in front of it without a space moves where its groups of four
    begin.
    """
    word = found.rstrip("=")
    # Base64 of that length has a capital: these are words, identifiers and digests.
    if not word.strip(_SMALL) or not word.strip(_DIGITS):
        return ()
    coded = word.translate(_URL_SAFE)
    parts = [coded[begin:] for begin in range(4)]
    # One character more than a multiple of four ends nothing.
    whole = [part[:-1] if len(part) % 4 == 1 else part for part in parts]
    return [base64.b64decode(part + "=" * (-len(part) % 4)) for part in whole]


def _of_pairs(found: str) -> Sequence[bytes]:
    digits = "".join(filter(str.isalnum, found.replace("0x", "")))
    return [bytes.fromhex(part[: len(part) // 2 * 2]) for part in (digits, digits[1:])]


def _of_numbers(found: str) -> Sequence[bytes]:
    numbers = map(int, compiled(r"\d+").findall(found))
    return [bytes(number if number < 256 else 0 for number in numbers)]
