"""Names that a step gives to what it makes."""

from __future__ import annotations

import hashlib
import re

from drillkit.steps.base import Act

LIMIT = 63
"""Of a label's value and of a namespace's name: no name needs to be cut by anybody else."""


def named(act: Act, *parts: str) -> str:
    """`<run>-<step>-<part>...`, shortened where it would be too long, as a name in Kubernetes
    may be.
    """
    text = "-".join((act.run.id, act.name, *parts)).lower()
    text = re.sub(r"[^a-z0-9]+", "-", text).strip("-")
    if len(text) <= LIMIT:
        return text
    return f"{text[: LIMIT - 9].rstrip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def file_name(act: Act, what: str) -> str:
    """Name of a file among the run's attachments."""
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', act.name)}-{what}"
