"""Any history that the judge takes is rendered, and nothing in it becomes code."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drillkit.judge import judge
from drillkit.model.records import History, Record
from drillkit.report import render
from tests.golden.stories import STORIES, history_of

HASH = "0" * 64
SCRIPT = "<script>alert(1)</script>"
SHORT = [name for name in STORIES if name != "long"]
HISTORIES = {name: history_of(name) for name in SHORT}
JUNK: tuple[Any, ...] = (
    None,
    "",
    "x",
    SCRIPT,
    "\x00\x1b[31m\ud800",
    -1,
    0,
    1e308,
    True,
    [],
    [None],
    {},
    {"x": SCRIPT},
    [[1.0, True]],
)


def rendered(history: History) -> Mapping[str, str]:
    found = render(history, judge(history), HASH)
    for name in ("report.md", "report.html"):
        assert "<script" not in found[name].lower()
        assert "onerror=i" not in found[name] or "<img" not in found[name]
    ET.fromstring(found["junit.xml"])
    return found


@pytest.mark.parametrize("name", SHORT)
def test_a_history_cut_anywhere_is_rendered(name: str) -> None:
    history = HISTORIES[name]
    for end in range(1, len(history), 7):
        rendered(history[:end])


def _changed(record: Record, path: list[int], junk: Any) -> Record:
    """A record with something inside it replaced."""

    def change(value: Any, rest: list[int]) -> Any:
        if not rest or not isinstance(value, dict | list) or not value:
            return junk
        if isinstance(value, dict):
            key = list(value)[rest[0] % len(value)]
            return {**value, key: change(value[key], rest[1:])}
        at = rest[0] % len(value)
        return [*value[:at], change(value[at], rest[1:]), *value[at + 1 :]]

    return replace(record, data=change(dict(record.data) or {"x": ""}, path))


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(SHORT),
    damage=st.lists(
        st.tuples(
            st.integers(0, 10_000),
            st.lists(st.integers(0, 50), min_size=1, max_size=4),
            st.sampled_from(JUNK),
        ),
        min_size=1,
        max_size=6,
    ),
    gone=st.sets(st.integers(1, 200), max_size=5),
    kind=st.sampled_from(["", "undo.planned", "phase.started", "no.such.kind"]),
)
def test_a_damaged_history_is_rendered(
    name: str, damage: list[Any], gone: set[int], kind: str
) -> None:
    history = list(HISTORIES[name])
    for at, path, junk in damage:
        at %= len(history)
        history[at] = _changed(history[at], path, junk)
    if kind:
        at = damage[0][0] % len(history)
        history[at] = replace(history[at], kind=kind)
    rendered(tuple(r for i, r in enumerate(history) if i not in gone))


@settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=60))
def test_a_text_anywhere_stays_a_text(text: str) -> None:
    """Put into every place at once where a drill, a cluster or a person brings text of
    their own.
    """
    history = tuple(replace(r, data=_said(r.data, text + SCRIPT)) for r in HISTORIES["evil"])
    rendered(history)


def _said(value: Any, text: str) -> Any:
    if isinstance(value, str):
        return value.replace(SCRIPT, text)
    if isinstance(value, Mapping):
        return {str(_said(k, text)): _said(v, text) for k, v in value.items()}
    return [_said(v, text) for v in value] if isinstance(value, list | tuple) else value


def test_evidence_of_another_version_is_left_out_and_said_so() -> None:
    found = rendered(HISTORIES["newer"])
    assert "Hologram" in found["report.md"]
    assert "3 of 60 requests lost" in found["report.md"]
    assert "unknown evidence" in found["report.html"]


def test_a_drill_of_another_version_keeps_its_name_and_what_was_observed() -> None:
    first, *rest = HISTORIES["met"]
    newer = replace(first, data={**first.data, "drill": {**first.data["drill"], "mood": "brave"}})
    verdict = judge((newer, *rest))
    assert (verdict.drill, verdict.exit_code) == ("pod-delete", 3)
    found = rendered((newer, *rest))
    assert found["report.md"].startswith("# pod-delete: unknown")
    assert "web fails: 3 bad, an outage of 0.2 s to 0.4 s" in found["report.md"]
    assert "mood: brave" in found["report.html"]


def test_a_secret_is_a_reference() -> None:
    assert "env:PROMETHEUS_TOKEN" in rendered(HISTORIES["refused"])["report.html"]


def test_everything_that_was_judged_is_in_every_report() -> None:
    for name in ("met", "violated", "not-believed", "restore"):
        verdict = judge(HISTORIES[name])
        found = rendered(HISTORIES[name])
        everything = [
            *verdict.gates,
            *verdict.bounds,
            *(j for s in verdict.steps for j in s.judged),
        ]
        for judged in everything:
            for part in (judged.expected, judged.observed):
                page = found["report.html"].replace("\N{NO-BREAK SPACE}", " ")
                assert part.replace(">", "&gt;").replace("'", "&#39;") in page, judged
                assert part.replace(">", "&gt;") in found["report.md"], judged
        for undo in verdict.undos:
            assert undo.resource in found["report.html"]
