"""Probes of a steady state that hold whatever there is to be seen decide nothing."""

from __future__ import annotations

from typing import Any

import pytest

from drillkit.clients.chaostoolkit.validity import decides_nothing

HTTP = {"type": "http", "url": "http://web/health"}
PROGRAM = {"type": "process", "path": "kubectl", "arguments": "get pods"}
PYTHON = {"type": "python", "module": "shop.probes", "func": "orders"}
WIDE = [-(10**12), 10**12]


def path(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "jsonpath", "path": text, **more}


@pytest.mark.parametrize(
    ("tolerance", "provider"),
    [
        ({"type": "regex", "pattern": ".*", "target": "stdout"}, PROGRAM),
        ({"type": "regex", "pattern": "ok|", "target": "body"}, HTTP),
        ({"type": "range", "range": [float("-inf"), float("inf")]}, PYTHON),
        ({"type": "range", "range": WIDE, "target": "status"}, HTTP),
        (WIDE, PYTHON),
        (path("$"), PYTHON),
        (path("$.*"), HTTP),
        (path("$.status"), HTTP),
        (path("$.stdout", count=1), PROGRAM),
        ({"type": "probe", "provider": HTTP}, PROGRAM),
        (0, {"type": "process", "path": "true"}),
        (0, {"type": "process", "path": "sh", "arguments": ["-c", "echo ok"]}),
        (
            {"type": "regex", "pattern": "ok", "target": "stdout"},
            {"type": "process", "path": "echo ok"},
        ),
    ],
)
def test_what_holds_whatever_is_seen_decides_nothing(tolerance: Any, provider: Any) -> None:
    assert decides_nothing({"name": "it", "tolerance": tolerance, "provider": provider})


@pytest.mark.parametrize(
    ("tolerance", "provider"),
    [
        ({"type": "regex", "pattern": "^ok", "target": "body"}, HTTP),
        ({"type": "range", "range": [0, 200], "target": "status"}, HTTP),
        ([200, 204], HTTP),
        ([0, 5], PYTHON),
        (True, PYTHON),
        (0, PROGRAM),
        (path("$.status", expect=200), HTTP),
        (path("$.items[*]", target="body"), HTTP),
        (path("$.status", target="body"), HTTP),
        (path("$[*]", count=3), PYTHON),
        ({"type": "probe", "provider": PYTHON}, HTTP),
        (0, {"type": "process", "path": "test", "arguments": "-e x"}),
    ],
)
def test_what_can_be_missed_decides(tolerance: Any, provider: Any) -> None:
    assert not decides_nothing({"name": "it", "tolerance": tolerance, "provider": provider})


@pytest.mark.parametrize("odd", [None, [], "x", {"type": "process"}])
def test_a_provider_of_another_shape_is_not_looked_into(odd: Any) -> None:
    assert decides_nothing({"name": "it", "tolerance": 0, "provider": odd}) in (True, False)
