"""Text that every file, pipe and terminal can take, cut where it is too long."""

from __future__ import annotations


def encodable(text: str) -> str:
    """The text with lone surrogates (what Python makes of bytes that are no UTF-8) as `\\udc..`."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()
    return text


def capped(text: str, kept: int) -> str:
    """The beginning of a text of more than `kept` characters, and how much of it was cut."""
    if len(text) <= kept:
        return text
    return text[:kept] + cut_note(kept, len(text))


def cut_note(kept: int, total: int) -> str:
    """What stands behind a text that was cut."""
    return f"... [cut: the first {kept:,} of {total:,} characters]"
