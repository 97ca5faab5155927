"""A message in words, for every receiver that shows text to people."""

from __future__ import annotations

from drillkit.model.notice import Notice, Number

NUMBERS = 10
"""So many are shown; the report has them all."""


def cut(text: str, most: int) -> str:
    """At most so many characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def number(each: Number) -> str:
    """`web during the steps: longest gap: 7 s (expected at most 5 s): violated`."""
    return f"{each.what}: {each.found} (expected {each.expected}): {each.holds}"


def facts(notice: Notice) -> list[tuple[str, str]]:
    """What it is about, by name."""
    found = [
        ("Drill", notice.drill),
        ("Target", notice.target),
        ("Run", notice.run),
        ("Owner", notice.owner),
        ("Operator", notice.operator),
        ("At", f"{notice.at:%Y-%m-%d %H:%M:%S} UTC"),
    ]
    return [(name, value) for name, value in found if value]


def plain(notice: Notice) -> str:
    """The whole message as text."""
    lines = [notice.headline, ""]
    lines += [f"{name}: {value}" for name, value in facts(notice)]
    if notice.numbers:
        lines += ["", *(f"- {number(each)}" for each in notice.numbers[:NUMBERS])]
    if notice.advice:
        lines += ["", notice.advice]
    if notice.link:
        lines += ["", f"Report: {notice.link}"]
    return "\n".join(lines)
