"""An empty cache is no restored data, whatever the drill expects of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from drillkit.clients import redis
from drillkit.judge.evidence import passes
from drillkit.model.evidence import Check
from drillkit.steps.elasticache_snapshot_restore import CacheRestoreArguments, _count


@pytest.mark.parametrize(("found", "purpose"), [(0, "step"), (3, "restored-data")])
def test_a_cache_without_keys_was_not_read(
    monkeypatch: pytest.MonkeyPatch, found: int, purpose: str
) -> None:
    monkeypatch.setattr(redis, "count_keys", lambda *_: found)
    seen: list[Check] = []
    act: Any = SimpleNamespace(
        target=SimpleNamespace(databases={}), observe=seen.append, mark=lambda moment: None
    )
    arguments = CacheRestoreArguments(source="cache", keys=0)
    _count(act, arguments, redis.Cache("127.0.0.1", 1))
    (check,) = seen
    assert passes(check)
    assert check.purpose == purpose
