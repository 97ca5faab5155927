"""A draw that anybody can repeat: which of several backups is tested, when chance is to say."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta


def position(seed: str, among: Sequence[str]) -> int:
    """The place, from 0, that is drawn out of `among`.

    SHA-256 over the seed and every name, each ended by a newline (UTF-8), read as one number, big
    end first, modulo how many there are: `printf '%s\\n' SEED NAME... | sha256sum`. What is drawn
    can be foretold by nobody who does not know the seed, and by everybody who does.

    Raises ValueError where there is nothing to draw from.
    """
    if not among:
        raise ValueError("expected something to draw from, found nothing")
    return _number((seed, *among)) % len(among)


def moment(seed: str, first: datetime, last: datetime) -> datetime:
    """A whole second after `first`, up to `last`: the same draw over `SEED FIRST LAST`, the two as
    ISO 8601, modulo the whole seconds between them and one more.

    Raises ValueError where `last` is before `first`.
    """
    seconds = int((last - first).total_seconds())
    if last < first:
        raise ValueError(f"expected a time after {first.isoformat()}, found {last.isoformat()}")
    number = _number((seed, first.isoformat(), last.isoformat()))
    return first + timedelta(seconds=number % (seconds + 1))


def _number(lines: Sequence[str]) -> int:
    text = "".join(f"{line}\n" for line in lines)
    return int.from_bytes(hashlib.sha256(text.encode(errors="backslashreplace")).digest(), "big")
