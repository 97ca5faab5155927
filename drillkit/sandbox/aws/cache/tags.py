"""Tags of groups and snapshots."""

from __future__ import annotations

from typing import Any

from drillkit.sandbox.aws.cache.state import Cache, CacheSnapshot, Group, Params, tags_of


def _tagged(cache: Cache, arn: str) -> dict[str, str]:
    items: list[Group | CacheSnapshot] = [*cache.groups.values(), *cache.snapshots.values()]
    for item in items:
        if item.attrs["ARN"] == arn:
            return item.tags
    raise cache.protocol.fault("InvalidARNFault", f"no resource has the ARN {arn}")


def _tag_list(tags: dict[str, str]) -> dict[str, Any]:
    return {"TagList": [{"Key": key, "Value": value} for key, value in tags.items()]}


def list_tags(cache: Cache, region: str, params: Params) -> dict[str, Any]:
    return _tag_list(_tagged(cache, params["ResourceName"]))


def add_tags(cache: Cache, region: str, params: Params) -> dict[str, Any]:
    tags = _tagged(cache, params["ResourceName"])
    tags.update(tags_of(params))
    return _tag_list(tags)


def remove_tags(cache: Cache, region: str, params: Params) -> dict[str, Any]:
    tags = _tagged(cache, params["ResourceName"])
    for key in params["TagKeys"]:
        tags.pop(key, None)
    return _tag_list(tags)
