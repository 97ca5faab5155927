"""Durations, rates, shares and counts as people write them, and back."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import ClassVar

from drillkit.lazy_dataclass import dataclass

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")

LONGEST = timedelta(days=36500)
"""No duration is longer: a century."""


def parse_duration(text: str) -> timedelta:
    """`90s`, `10m`, `1h30m`, `250ms` as a timedelta. Raises ValueError for anything else, a bare
    number included.
    """
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"expected a duration such as 90s, 10m or 1h30m, found {text!r}")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"expected a duration of at most {LONGEST.days}d, found {text[:40]!r}")
    return timedelta(seconds=seconds)


def format_duration(length: timedelta | float) -> str:
    """Shortest honest form of a duration (timedelta or seconds): `0.35 s`, `12.4 s`,
    `2 min`, `1 h 30 min`.
    """
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    if seconds < 10:
        return f"{seconds:.2f}".rstrip("0").rstrip(".") + " s"
    if seconds < 120 and seconds % 60:
        return f"{seconds:.1f}".rstrip("0").rstrip(".") + " s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [
        f"{n} {unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")) if n
    ]
    return " ".join(parts[:2])


def how_many(count: int, one: str, several: str = "") -> str:
    """`1 run`, `5,000 runs`. `several`: where it is not `one` with an `s`."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def written_duration(length: timedelta) -> str:
    """A timedelta as a drill writes it: the inverse of `parse_duration`."""
    millis = round(length.total_seconds() * 1000)
    parts: list[str] = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, millis = divmod(millis, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often something is due."""

    text: str
    """`monthly` and its like, or the five fields of a cron expression."""

    WORDS: ClassVar[tuple[str, ...]] = ("daily", "weekly", "monthly", "quarterly", "yearly")

    @classmethod
    def parse(cls, text: str) -> Cadence:
        """`monthly`, `0 3 * * MON`. Whether such an expression ever fires is looked at elsewhere.
        Raises ValueError.
        """
        if text not in cls.WORDS and len(text.split()) != 5:
            raise ValueError(
                f"expected {', '.join(cls.WORDS)} or a cron expression such as `0 3 * * MON`, "
                f"found {text!r}"
            )
        return cls(text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second."""

    per_s: float

    @classmethod
    def parse(cls, text: str) -> Rate:
        """`20/s`, `600/m`. Raises ValueError."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)/(s|m)", text)
        if not found or float(found[1]) <= 0:
            raise ValueError(f"expected a rate such as 20/s or 600/m, found {text!r}")
        return cls(float(found[1]) / _UNITS[found[2]])

    def __str__(self) -> str:
        return f"{self.per_s:g}/s"


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole; 0.5 % is `Share(0.005)`."""

    of_one: float

    @classmethod
    def parse(cls, text: str) -> Share:
        """`0.5%`. Raises ValueError."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text)
        if not found or float(found[1]) > 100:
            raise ValueError(f"expected a percentage such as 0.5%, found {text!r}")
        return cls(float(found[1]) / 100)

    def __str__(self) -> str:
        return f"{self.of_one * 100:.6g}%"


@dataclass(frozen=True, slots=True)
class OutOf:
    """At most `bad` of `total`."""

    bad: int
    total: int

    @classmethod
    def parse(cls, text: str) -> OutOf:
        """`2 of 200`. Raises ValueError."""
        found = re.fullmatch(r"(\d+) of (\d+)", text)
        if not found or not 0 <= int(found[1]) < int(found[2]):
            raise ValueError(f"expected a count such as `2 of 200`, found {text!r}")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.bad} of {self.total}"


@dataclass(frozen=True, slots=True)
class Amount:
    """How many of those that match: a number, or a percentage of them (rounded down, but at
    least one).
    """

    count: int | None = None
    share: Share | None = None

    @classmethod
    def parse(cls, text: str) -> Amount:
        """`2` or `50%`. Raises ValueError."""
        if text.isdecimal() and int(text) > 0:
            return cls(count=int(text))
        if text.endswith("%"):
            share = Share.parse(text)
            if share.of_one > 0:
                return cls(share=share)
        raise ValueError(
            f"expected a number above zero or a percentage such as 50%, found {text!r}"
        )

    def of(self, total: int) -> int:
        """The number this is of `total` things."""
        if self.count is not None:
            return self.count
        assert self.share is not None
        return max(1, int(total * self.share.of_one + 1e-9)) if total else 0

    def __str__(self) -> str:
        return str(self.count) if self.count is not None else str(self.share)
