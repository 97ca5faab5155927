"""The demo shop under Velero's care: a daily schedule, its first backup, and a signed heartbeat in
the namespace.

A heartbeat is the ConfigMap `drillkit-heartbeat`; its signature is the HMAC-SHA256 of
`<microseconds since the epoch>:<token>` under the key in the Secret of the same name.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta

from drillkit.sandbox.kube.errors import ApiError
from drillkit.sandbox.kube.objects import NAMESPACES, Object
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.velero.names import BACKUPS, CONFIG_MAPS, NAMESPACE, SCHEDULE_NAME, SCHEDULES

SHOP = "shop"
SCHEDULE = "shop-daily"
HEARTBEAT = "drillkit-heartbeat"
SECRETS = ("", "secrets")
EVERY_S = 1.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def beat(key: bytes, at: datetime) -> dict[str, str]:
    """A heartbeat of a moment."""
    token = secrets.token_hex(8)
    said = f"{(at - _EPOCH) // timedelta(microseconds=1)}:{token}"
    return {
        "at": at.isoformat(),
        "token": token,
        "signature": hmac.new(key, said.encode(), hashlib.sha256).hexdigest(),
    }


def furnish(store: Store, key: bytes) -> None:
    """The heartbeat, the schedule and its first backup; nothing where there is no shop."""
    if store.get(NAMESPACES, "", SHOP) is None:
        return
    now = store.now()
    meta = {"name": HEARTBEAT, "labels": {"drillkit.dev/canary": "heartbeat"}}
    secret = {"metadata": meta, "data": {"key": base64.b64encode(key).decode()}}
    store.create(SECRETS, secret, SHOP)
    store.create(CONFIG_MAPS, {"metadata": meta, "data": beat(key, now)}, SHOP)
    template = {"includedNamespaces": [SHOP], "ttl": "720h0m0s"}
    store.create(
        SCHEDULES,
        {"metadata": {"name": SCHEDULE}, "spec": {"schedule": "0 3 * * *", "template": template}},
        NAMESPACE,
    )
    backup: Object = {
        "metadata": {"name": f"{SCHEDULE}-{now:%Y%m%d%H%M%S}", "labels": {SCHEDULE_NAME: SCHEDULE}},
        "spec": template,
    }
    store.create(BACKUPS, backup, NAMESPACE)


async def keep_beating(store: Store, key: bytes) -> None:
    """A heartbeat every second for as long as the shop and its heartbeat are there."""
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            store.patch(CONFIG_MAPS, SHOP, HEARTBEAT, {"data": beat(key, store.now())})
        except ApiError:
            return
