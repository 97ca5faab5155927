"""What has happened to groups, for whoever asks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from drillkit.sandbox.aws.cache.state import Cache, Params, now


def describe_events(cache: Cache, region: str, params: Params) -> dict[str, Any]:
    since = params.get("StartTime", now() - timedelta(minutes=params.get("Duration", 60)))
    return {
        "Events": [
            event
            for home, event in cache.events
            if home == region
            and event["Date"] >= since
            and params.get("SourceIdentifier", event["SourceIdentifier"])
            == event["SourceIdentifier"]
            and params.get("SourceType", event["SourceType"]) == event["SourceType"]
        ]
    }
