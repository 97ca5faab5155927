"""A piece of what others wrote, for one of our messages."""

from __future__ import annotations

from drillkit.secrets.encoding import cut_note, encodable
from drillkit.secrets.redactor import KNOWN

MARGIN = 16 * 1024
"""Characters beyond what is kept that are looked at: a secret that the cut goes through is hidden
as a whole.
"""


def excerpt(text: str | bytes, kept: int, *, end: bool = False) -> str:
    """The first (`end`: the last) `kept` characters, without secrets.

    They are hidden before it is cut: half of one is none that is known, and would be shown.
    """
    window = text[-(kept + MARGIN) :] if end else text[: kept + MARGIN]
    written = window.decode(errors="replace") if isinstance(window, bytes) else window
    hidden = KNOWN.foreign(encodable(written))
    return hidden[-kept:] if end else hidden[:kept]


def shortened(text: str, kept: int) -> str:
    """The text, or its excerpt with a note of how much was cut."""
    if len(text) <= kept:
        return text
    return f"{excerpt(text, kept)}{cut_note(kept, len(text))}"
