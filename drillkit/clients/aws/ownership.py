"""What marks an AWS resource as a run's own.

Two tags decide together: the run's id, and the resource's own name. Restores and copies inherit
tags, so the run's id alone would make a copy of a copy look like ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

RUN = "drillkit:run"
OF = "drillkit:of"
EXPIRES = "drillkit:expires"


def tags(run: str, name: str, expires: str) -> list[dict[str, str]]:
    """Tags of a resource that a run creates, as AWS takes them. `expires`: until when it is meant
    to live (ISO).
    """
    found = {RUN: run, OF: name, **({EXPIRES: expires} if expires else {})}
    return [{"Key": key, "Value": value} for key, value in found.items()]


def as_mapping(tag_list: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """AWS' list of tags as a mapping."""
    return {str(tag.get("Key")): str(tag.get("Value") or "") for tag in tag_list or ()}


def carries_marks(found: Mapping[str, str], run: str, name: str) -> bool:
    """Whether the tags of a resource of that name make it this run's."""
    return found.get(RUN) == run and found.get(OF) == name
