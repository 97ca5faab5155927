"""What ElastiCache knows: replication groups, snapshots, events."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from drillkit.sandbox.aws.cache.keys import CacheServer, Contents
from drillkit.sandbox.aws.knobs import Knobs
from drillkit.sandbox.aws.wire import QueryProtocol

Params = Mapping[str, Any]

ENGINE_VERSION = "7.1"


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(eq=False)
class Group:
    """A replication group: one shard, one data set, one port for all of its endpoints."""

    region: str
    attrs: dict[str, Any]
    tags: dict[str, str]
    members: list[str]
    server: CacheServer
    zones: dict[str, str]
    primary: str
    status: str = "creating"


@dataclass(eq=False)
class CacheSnapshot:
    region: str
    attrs: dict[str, Any]
    tags: dict[str, str]
    data: Contents = field(default_factory=dict)
    status: str = "creating"


class Cache:
    """The state.  Hold `lock` while touching it."""

    def __init__(self, account: str, knobs: Knobs, protocol: QueryProtocol) -> None:
        self.account = account
        self.knobs = knobs
        self.protocol = protocol
        self.lock = threading.RLock()
        self.groups: dict[tuple[str, str], Group] = {}
        self.snapshots: dict[tuple[str, str], CacheSnapshot] = {}
        self.events: list[tuple[str, dict[str, Any]]] = []

    def stop_all(self) -> None:
        for group in self.groups.values():
            group.server.cut()

    def arn(self, region: str, kind: str, name: str) -> str:
        return f"arn:aws:elasticache:{region}:{self.account}:{kind}:{name}"

    def event(self, region: str, source: str, kind: str, message: str) -> None:
        self.events.append(
            (
                region,
                {"SourceIdentifier": source, "SourceType": kind, "Message": message, "Date": now()},
            )
        )
        del self.events[:-500]

    def group(self, region: str, name: str) -> Group:
        found = self.groups.get((region, name.lower()))
        if found is None or self.knobs.hidden(name.lower()):
            raise self.protocol.fault(
                "ReplicationGroupNotFoundFault", f"ReplicationGroup {name} not found."
            )
        return found

    def snapshot(self, region: str, name: str) -> CacheSnapshot:
        found = self.snapshots.get((region, name.lower()))
        if found is None:
            raise self.protocol.fault("SnapshotNotFoundFault", f"Snapshot {name} not found.")
        return found

    def work(
        self,
        item: Group | CacheSnapshot,
        state: str,
        job: Callable[[], None],
        then: Callable[[], object] | None = None,
    ) -> None:
        """Does `job` in the background while the state holds, then makes the item available (or
        lets `then` end it).
        """
        item.status = state
        kind = "cache" if isinstance(item, Group) else "cache-snapshot"

        def go() -> None:
            started = time.monotonic()
            job()
            least = self.knobs.settings.slow_s.get(f"{kind}.{state}", 0.0)
            time.sleep(max(0.0, started + least - time.monotonic()))
            with self.lock:
                name = item.attrs[
                    "ReplicationGroupId" if isinstance(item, Group) else "SnapshotName"
                ]
                item.status = (
                    self.knobs.failure_for(kind, name) or "available"
                    if state == "creating"
                    else "available"
                )
                if then is not None:
                    then()

        threading.Thread(target=go, daemon=True).start()


def tags_of(params: Params) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in params.get("Tags") or []}
