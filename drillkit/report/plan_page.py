"""A plan as a page, for whoever decides on changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from drillkit.model.permissions import AwsAction, Permission
from drillkit.report.index_page import environment


def plan_page(plan: Mapping[str, Any], takes: str, terms: Iterable[tuple[str, str]]) -> str:
    """HTML that needs nothing from elsewhere.

    Args:
        plan: as `plan --json` prints it.
        takes: how long, in words.
        terms: what is measured, must hold and aborts it: title and text.
    """
    made = environment()
    made.filters["moment"] = _moment
    return made.get_template("plan.html.j2").render(
        p={**plan, "steps": [_whole(step) for step in plan["steps"]]},
        takes=takes,
        terms=list(terms),
        permissions=list(_permissions(plan)),
    )


def _whole(step: Mapping[str, Any]) -> dict[str, Any]:
    """With what is left out where it is empty."""
    lists = ("effects", "targets", "must", "notes", "fails", "problems", "programs")
    return {**{key: [] for key in lists}, "group": "", **step}


def _permissions(plan: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(for what, permissions, why): verbs on the same thing, and actions for the same, together."""
    several = [("every run", plan["needs"])]
    several += [(step["step"], step.get("permissions", ())) for step in plan["steps"]]
    for of, permissions in several:
        verbs: dict[tuple[str, str], list[str]] = {}
        for each in permissions:
            verb, what = _parted(each)
            verbs.setdefault((what, str(each.get("reason", ""))), []).append(verb)
        for (what, why), found in verbs.items():
            yield of, f"{', '.join(found)} {what}".strip(), why


def _parted(permission: Mapping[str, Any]) -> tuple[str, str]:
    """Verb and thing; an action of AWS is both."""
    if "action" in permission:
        return str(AwsAction(**permission)), ""
    verb, _, what = str(Permission(**permission)).partition(" ")
    return verb, what


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"
