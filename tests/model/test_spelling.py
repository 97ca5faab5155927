"""A guess what somebody may have meant: slips of the pen alone, for a wrong guess misleads."""

from __future__ import annotations

import pytest

from drillkit.model.spelling import near

KEYS = [
    "drill",
    "owner",
    "limit",
    "cleanup_limit",
    "vars",
    "probes",
    "hypothesis",
    "steps",
    "on_failure",
    "window",
    "guards",
    "namespaces",
    "namespace",
    "urls",
    "uses",
    "approvals",
]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("ownr", "owner"),
        ("limt", "limit"),
        ("wnidow", "window"),
        ("hypotesiss", "hypothesis"),
        ("cleanUpLimit", "cleanup_limit"),
        ("on-failure", "on_failure"),
        ("cleanup", "cleanup_limit"),
        ("namespacs", "namespaces"),
    ],
)
def test_a_slip_of_the_pen_is_understood(word: str, meant: str) -> None:
    assert near(word, KEYS) == meant


@pytest.mark.parametrize(
    "word",
    ["url_approval", "tags", "name", "timeout", "o", "", "-", "stopped", "kind", "when", "用户"],
)
def test_a_word_that_merely_looks_alike_is_not_guessed_at(word: str) -> None:
    assert near(word, KEYS) is None


def test_of_dotted_names_every_part_is_near() -> None:
    known = ["target.approvals", "target.name", "target.urls.web", "target.values.NAME"]
    assert near("target.urls.wbe", known) == "target.urls.web"
    assert near("target.value.x", known) == "target.values.NAME"
    assert near("target.urls.orders", known) is None
    assert near("target.urls", ["target.approvals", "target.name"]) is None
    assert near("velero-restore", ["velero.restore"]) == "velero.restore"


def test_the_nearest_of_several_is_meant() -> None:
    assert near("namespacess", ["namespace", "namespaces"]) == "namespaces"
    assert near("clean", ["clean_up", "cleaner"]) is None


def test_a_word_that_is_too_long_for_a_name_is_not_guessed_at() -> None:
    assert near("x" * 10_000_000, ["x" * 99]) is None
    assert near("x" * 98, ["x" * 99]) == "x" * 99
