"""What can be the key of a label or an annotation, and what a label's value."""

from __future__ import annotations

import re

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_LONGEST = 63
_LONGEST_PREFIX = 253


def is_qualified(key: str) -> bool:
    """A name, or a name behind a domain and a slash."""
    prefix, slash, name = key.rpartition("/")
    fits = bool(_QUALIFIED.fullmatch(name)) and len(name) <= _LONGEST
    return fits and (
        not slash or (bool(SUBDOMAIN.fullmatch(prefix.lower())) and len(prefix) <= _LONGEST_PREFIX)
    )


def is_label_value(value: str) -> bool:
    """Empty, or a name without a domain."""
    return not value or (len(value) <= _LONGEST and bool(_QUALIFIED.fullmatch(value)))
