"""Which name somebody may have meant. A guess that is wrong misleads: only slips of the pen are
guessed, never words that merely look alike.
"""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 100
"""Longer words are no names."""
ANY = "NAME"
"""The part of a dotted name that stands for whatever somebody called it."""
_SHORTEST_START = 3
_MOST = 3


def near(word: str, known: Iterable[str]) -> str | None:
    """The known name that ``word`` is a slip of; None if there is none.

    A slip leaves out, adds, changes or swaps a letter, two from eight letters on, three from twelve
    on; it writes other capitals or separators; or it is the first half of just one name. Of dotted
    names each part must be near.
    """
    if len(word) > LONGEST:
        return None
    names = list(dict.fromkeys(known))
    rated = [(slips, name) for name in names if (slips := _slips(word, name)) is not None]
    if rated:
        return min(rated, key=lambda each: each[0])[1]
    plain = _plain(word)
    begun = [name for name in names if _is_start(plain, _plain(name))]
    return begun[0] if len(begun) == 1 else None


def _slips(word: str, name: str) -> int | None:
    """How many slips lie between the two; None if they are too many for a slip."""
    parts, expected = word.split("."), name.split(".")
    if len(parts) == len(expected) > 1:
        each = [0 if b == ANY else _slips(a, b) for a, b in zip(parts, expected, strict=True)]
        known = [number for number in each if number is not None]
        return sum(known) if len(known) == len(each) else None
    a, b = _plain(word), _plain(name)
    if a == b:
        return 0 if a or word == name else None
    most = min(_MOST, max(1, min(len(a), len(b)) // 4))
    if min(len(a), len(b)) < 2 or abs(len(a) - len(b)) > most:
        return None
    found = _distance(a, b)
    return found if found <= most else None


def _plain(text: str) -> str:
    """Letters and digits alone, all small."""
    return "".join(each for each in text.casefold() if each.isalnum())


def _is_start(word: str, name: str) -> bool:
    return len(word) >= max(_SHORTEST_START, len(name) / 2) and name.startswith(word)


def _distance(a: str, b: str) -> int:
    """The optimal string alignment distance: letters left out, added, changed, neighbours swapped.

    Damerau, "A technique for computer detection and correction of spelling errors", 1964.
    """
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, above, row = row, before, [i]
        for j, y in enumerate(b, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                best = min(best, above[j - 2] + 1)
            row.append(best)
    return row[-1]
