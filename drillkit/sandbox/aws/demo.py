"""The demo shop's database: an instance with orders in it, somebody who keeps ordering, and a
signed heartbeat.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import itertools
import secrets
import threading
import time
from typing import Any

from drillkit.sandbox.aws.knobs import Knobs
from drillkit.sandbox.aws.postgres.server import HOST, PgServer

INSTANCE = "microservices-dev-db"
CLUSTER = "microservices-dev-aurora"
CACHE_GROUP = "microservices-dev-cache"
DATABASE = "shop"
USER = "app"
TAGS = [
    {"Key": "Environment", "Value": "dev"},
    {"Key": "backup", "Value": "daily"},
    {"Key": "team", "Value": "platform"},
]
SESSIONS = {b"session:%d" % number: b"customer%d" % number for number in range(1, 201)}
HEARTBEAT = "drillkit_heartbeat"
BEAT_S = 1.0
ROWS = 5000
MOST_WRITTEN = 200_000  # then the writer rests: a forgotten sandbox must not fill the disk
ITEMS = (
    "espresso cup",
    "desk lamp",
    "notebook",
    "backpack",
    "water bottle",
    "keyboard",
    "headphones",
)

SCHEMA = f"""
create table customers (id bigint generated always as identity primary key, email text not null unique);
create table orders (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customers(id),
    item text not null,
    quantity int not null,
    created_at timestamptz not null default clock_timestamp()
);
create index orders_created_at on orders (created_at);
create table {HEARTBEAT} (at timestamptz not null primary key, token text not null, signature text not null);
alter table {HEARTBEAT} owner to {USER};
alter table customers owner to {USER};
alter table orders owner to {USER};
insert into customers (email) select 'customer' || n || '@example.com' from generate_series(1, 200) n;
insert into orders (customer_id, item, quantity, created_at)
    select 1 + n % 200, (array[{", ".join(f"'{item}'" for item in ITEMS)}])[1 + n % {len(ITEMS)}], 1 + n % 3,
           clock_timestamp() - make_interval(secs => ({ROWS} - n) * 60)
    from generate_series(1, {ROWS}) n;
"""  # noqa: E501


CACHE_REQUEST: dict[str, Any] = {
    "ReplicationGroupId": CACHE_GROUP,
    "ReplicationGroupDescription": "the shop's sessions",
    "NumCacheClusters": 2,
    "AutomaticFailoverEnabled": True,
    "MultiAZEnabled": True,
    "Tags": TAGS,
}


def _common(password: str) -> dict[str, Any]:
    return {
        "MasterUsername": USER,
        "MasterUserPassword": password,
        "BackupRetentionPeriod": 7,
        "DeletionProtection": True,
        "StorageEncrypted": False,
        "Tags": TAGS,
    }


def instance_request(password: str) -> dict[str, Any]:
    """The CreateDBInstance that makes the shop's database: Multi-AZ, protected, backed up,
    not public.
    """
    return _common(password) | {
        "DBInstanceIdentifier": INSTANCE,
        "Engine": "postgres",
        "DBName": DATABASE,
        "DBInstanceClass": "db.t4g.small",
        "AllocatedStorage": 20,
        "MultiAZ": True,
        "PubliclyAccessible": False,
        "CopyTagsToSnapshot": True,
        "EnableCloudwatchLogsExports": ["postgresql"],
    }


def cluster_request(password: str) -> dict[str, Any]:
    """The CreateDBCluster of the shop's Aurora cluster."""
    return _common(password) | {
        "DBClusterIdentifier": CLUSTER,
        "Engine": "aurora-postgresql",
        "DatabaseName": DATABASE,
    }


def beat(key: bytes) -> dict[str, Any]:
    """A heartbeat of now: HMAC-SHA256 of `<microseconds since the epoch>:<token>`."""
    micros, token = time.time_ns() // 1000, secrets.token_hex(8)
    signature = hmac.new(key, f"{micros}:{token}".encode(), hashlib.sha256).hexdigest()
    return {"micros": micros, "token": token, "signature": signature}


INSERT_BEAT = (
    f"insert into {HEARTBEAT} values (timestamptz 'epoch' + :micros * interval '1 microsecond', "
    ":token, :signature)"
)


def fill(key: str, server: PgServer) -> None:
    """Makes the shop's tables with their first rows, the newest of them a moment old, and the
    first heartbeat.
    """
    connection = server.connect(DATABASE)
    try:
        for statement in SCHEMA.split(";"):
            if statement.strip():
                connection.run(statement)
        connection.run(INSERT_BEAT, **beat(key.encode()))
    finally:
        connection.close()


class Writer:
    """Places a few orders a second, each in a transaction of its own, as long as the
    database answers.

    Once a second it leaves a heartbeat, signed with `key`.
    """

    def __init__(self, knobs: Knobs, server: PgServer, password: str, key: str) -> None:
        self._key = key.encode()
        self._beaten = 0.0
        self._knobs = knobs
        self._server = server
        self._password = password
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="demo-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5.0)

    def _connect(self) -> Any:
        import pg8000.native

        return pg8000.native.Connection(
            USER,
            host=HOST,
            port=self._server.port,
            database=DATABASE,
            password=self._password,
            timeout=10,
        )

    def _loop(self) -> None:
        connection: Any = None
        for number in itertools.count():
            rate = self._knobs.settings.writer_rate
            if self._stop.wait(1.0 / rate if rate > 0 else 0.5) or number >= MOST_WRITTEN:
                break
            if rate <= 0:
                continue
            try:
                connection = connection or self._connect()
                connection.run(
                    "insert into orders (customer_id, item, quantity) values (1 + :n % 200, "
                    ":item, 1)",
                    n=number,
                    item=ITEMS[number % len(ITEMS)],
                )
                self._beat(connection)
            except (
                Exception
            ):  # restarting, dropped table, deleted instance: like any client it tries again
                self._closed(connection)
                connection = None
        self._closed(connection)

    def _beat(self, connection: Any) -> None:
        if time.monotonic() - self._beaten < BEAT_S:
            return
        self._beaten = time.monotonic()
        connection.run(INSERT_BEAT, **beat(self._key))

    def _closed(self, connection: Any) -> None:
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()
