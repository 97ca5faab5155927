"""Takes values out of text that somebody may have put a secret into. Pure.

What a pattern cannot know it cannot take out: attachments stay with the run's folder for
that reason.
"""

from __future__ import annotations

import re

GONE = "<redacted>"
_WORDS = r"(?:pass(?:word|wd|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credentials?)"
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # -----BEGIN ... PRIVATE KEY----- up to its end
    (
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S
        ),
        GONE,
    ),
    # https://user:password@host
    (
        re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s/:@]+:)[^\s/@]+(?=@)", re.I),
        rf"\g<before>{GONE}",
    ),
    # Authorization: Bearer abc
    (
        re.compile(r"(?P<before>\b(?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{8,}", re.I),
        rf"\g<before>{GONE}",
    ),
    # JSON Web Tokens and AWS access keys, wherever they stand
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), GONE),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), GONE),
    # password=abc, "apiKey": "abc", --token abc, DB_PASSWORD: abc
    (
        re.compile(
            # No open-ended run before the word: on a megabyte without spaces that would take
            # for ever.
            rf"(?P<before>{_WORDS}[\w-]{{0,40}}[\"']?\s{{0,8}}[=:]\s{{0,8}}|--[\w-]{{0,40}}{_WORDS}[\w-]{{0,40}}\s{{1,8}})"
            r"(?P<quote>[\"']?)(?!<redacted>)[^\s\"',;&}]+(?P=quote)",
            re.I,
        ),
        rf"\g<before>{GONE}",
    ),
)


def redact(text: str) -> str:
    """`text` without what looks like a secret's value."""
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text
