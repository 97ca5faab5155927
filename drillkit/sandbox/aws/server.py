"""Puts the AWS sandbox together: databases, services, knobs and the HTTP server, started and
stopped as one.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from drillkit.sandbox.aws import demo
from drillkit.sandbox.aws.cache import service as cache_service
from drillkit.sandbox.aws.cache.state import Cache
from drillkit.sandbox.aws.control import Control
from drillkit.sandbox.aws.gateway import Gateway
from drillkit.sandbox.aws.knobs import Damage, Knobs
from drillkit.sandbox.aws.moto import DRILL_SECURITY_GROUP, SHOP_SECURITY_GROUP, LazyMoto
from drillkit.sandbox.aws.postgres.server import HOST
from drillkit.sandbox.aws.postgres.template import Template
from drillkit.sandbox.aws.postgres.tools import Tools, find_postgres
from drillkit.sandbox.aws.rds import backups
from drillkit.sandbox.aws.rds import service as rds_service
from drillkit.sandbox.aws.rds.backups import Shipper
from drillkit.sandbox.aws.rds.database import Databases
from drillkit.sandbox.aws.rds.state import Rds
from drillkit.sandbox.aws.wire import QueryProtocol

ACCOUNT = "123456789012"
BUCKET = "velero"
DRILL_GROUP = "drillkit-drill"
CANARY_KEY = "canary-key"
log = logging.getLogger("drillkit.sandbox.aws")


@dataclass(frozen=True)
class Options:
    """What to start.  `aurora` adds a cluster with two members to the demo, which takes a
    second more.
    """

    state: Path
    region: str = "eu-central-1"
    dr_region: str = "eu-west-1"
    demo: bool = False
    aurora: bool = False
    postgres: Path | None = None
    cache: Path | None = None
    ship_interval_s: float = 5.0


class AwsSandbox:
    """The running sandbox; `ready` is what its clients need to know."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.token = secrets.token_urlsafe(18)
        self.access_key = "AKIASANDBOX" + secrets.token_hex(4).upper()
        self.knobs = Knobs()
        self.knobs.settings.ship_interval_s = options.ship_interval_s
        self.moto = LazyMoto(ACCOUNT, (options.region, options.dr_region))
        options.state.mkdir(parents=True, exist_ok=True)
        tools = Tools(find_postgres(options.postgres), options.state / "postgres")
        self.databases = Databases(tools, Template(tools, options.cache))
        self.rds = Rds(ACCOUNT, self.databases, self.knobs, QueryProtocol("rds"))
        self.rds.on_secret = self.make_secret
        self.cache = Cache(ACCOUNT, self.knobs, QueryProtocol("elasticache"))
        self.shipper = Shipper(self.rds)
        self.gateway = Gateway(
            self.knobs, Control(self.knobs, self.token, self._destroy), self.access_key, self.moto
        )
        self.gateway.add(self.rds.protocol, partial(rds_service.answer, self.rds))
        self.gateway.add(self.cache.protocol, partial(cache_service.answer, self.cache))
        self._writer: demo.Writer | None = None
        self._http: Any = None

    def start(self) -> dict[str, Any]:
        """Starts everything and returns what clients need; with `demo`, when its database
        is restorable.
        """
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_request(self, *ignored: object) -> None:
                """Nothing: the call log is in the knobs."""

            def log_error(self, format: str, *args: object) -> None:
                """Dropped connections are on purpose or the client's own doing."""
                log.debug(format, *args)

        warm_up = threading.Thread(target=self._seed_moto, daemon=True)
        warm_up.start()
        self._http = make_server(HOST, 0, self.gateway, threaded=True, request_handler=Quiet)
        threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        ).start()
        ready: dict[str, Any] = {
            "endpoint": f"http://{HOST}:{self._http.server_port}",
            "region": self.options.region,
            "dr_region": self.options.dr_region,
            "account": ACCOUNT,
            "access_key": self.access_key,
            "secret_key": secrets.token_urlsafe(24),
            "token": self.token,
            "bucket": BUCKET,
            "postgres": self.databases.version,
            "subnet_group": DRILL_GROUP,
            "canary_key_file": str(self.options.state / CANARY_KEY),
            "databases": {},
        }
        self._make_groups()
        if self.options.demo:
            ready["databases"] = self._start_demo()
        warm_up.join(60.0)
        ready["security_group"] = DRILL_SECURITY_GROUP
        self.shipper.start()
        return ready

    def stop(self) -> None:
        """Stops everything; PostgreSQL stops as in a crash, which takes a moment only."""
        self.databases.abandon_all()
        if self._writer is not None:
            self._writer.stop()
        self.shipper.stop()
        if self._http is not None:
            self._http.shutdown()
        self.cache.stop_all()
        self.databases.stop_all()

    def _destroy(self, damage: Damage) -> int:
        action = backups.lose_wal if damage.mode == "wal-gone" else backups.destroy_files
        return action(self.rds, damage.backup)

    def make_secret(self, region: str, name: str, password: str) -> str:
        """Keeps a password in Secrets Manager, in the form RDS uses, and returns the
        secret's ARN.
        """
        value = json.dumps({"username": demo.USER, "password": password})
        body = json.dumps(
            {"Name": name, "SecretString": value, "ClientRequestToken": secrets.token_hex(16)}
        ).encode()
        headers = {
            "X-Amz-Target": "secretsmanager.CreateSecret",
            "Content-Type": "application/x-amz-json-1.1",
        }
        answer = json.loads(
            self.moto.request("secretsmanager", region, self.access_key, body, **headers)
        )
        return str(answer["ARN"])

    def _make_groups(self) -> None:
        """The subnet group drills restore into, in both regions."""
        for region in (self.options.region, self.options.dr_region):
            with self.rds.lock:
                self._act(
                    region,
                    "CreateDBSubnetGroup",
                    {
                        "DBSubnetGroupName": DRILL_GROUP,
                        "DBSubnetGroupDescription": "isolated, for drills",
                        "SubnetIds": ["subnet-drill-a", "subnet-drill-b"],
                    },
                )

    def _seed_moto(self) -> None:
        self.moto.request(
            "s3",
            self.options.region,
            self.access_key,
            f"<CreateBucketConfiguration><LocationConstraint>{self.options.region}</LocationConstraint>"
            "</CreateBucketConfiguration>".encode(),
            method="PUT",
            path=f"/{BUCKET}",
        )

    def _act(self, region: str, action: str, params: dict[str, Any]) -> dict[str, Any]:
        with self.rds.lock:
            return rds_service.ACTIONS[action](self.rds, region, params)

    def _start_demo(self) -> dict[str, Any]:
        region, password = self.options.region, secrets.token_urlsafe(18)
        secret = self.options.state / "app-password"
        secret.touch(mode=0o600)
        secret.write_text(password, encoding="utf-8")
        key = secrets.token_hex(32)
        canary_key = self.options.state / CANARY_KEY
        canary_key.touch(mode=0o600)
        canary_key.write_text(key, encoding="utf-8")
        self.rds.prepare[demo.INSTANCE] = partial(demo.fill, key)
        self._act(
            region,
            "CreateDBInstance",
            demo.instance_request(password) | {"VpcSecurityGroupIds": [SHOP_SECURITY_GROUP]},
        )
        cache_service.act(self.cache, region, "CreateReplicationGroup", demo.CACHE_REQUEST)
        if self.options.aurora:
            self.rds.prepare[demo.CLUSTER] = partial(demo.fill, key)
            self._act(region, "CreateDBCluster", demo.cluster_request(password))
        secret_arn = self.make_secret(region, f"{demo.INSTANCE}/app", password)
        # Takes a while (it is what imports fakeredis), in which the database is made.
        self.cache.groups[region, demo.CACHE_GROUP].server.fill(demo.SESSIONS)
        instance = self.rds.region(region).instances[demo.INSTANCE]
        self._wait(instance, demo.INSTANCE)
        if instance.database is None:
            raise RuntimeError("the demo instance has no database")
        self._writer = demo.Writer(self.knobs, instance.database.server, password, key)
        self._writer.start()
        access = {
            "host": HOST,
            "user": demo.USER,
            "database": demo.DATABASE,
            "password_file": str(secret),
            "secret_arn": secret_arn,
        }
        found = {demo.INSTANCE: access | {"port": instance.database.server.port}}
        if self.options.aurora:
            found[demo.CLUSTER] = access | {"port": self._start_members(region)}
        return found

    def _start_members(self, region: str) -> int:
        cluster = self.rds.region(region).clusters[demo.CLUSTER]
        self._wait(cluster, demo.CLUSTER)
        for number in (1, 2):
            name = f"{demo.CLUSTER}-{number}"
            self._act(
                region,
                "CreateDBInstance",
                {
                    "DBInstanceIdentifier": name,
                    "Engine": "aurora-postgresql",
                    "DBClusterIdentifier": demo.CLUSTER,
                    "DBInstanceClass": "db.t4g.medium",
                    "Tags": demo.TAGS,
                },
            )
            self._wait(self.rds.region(region).instances[name], name)
        if cluster.database is None:
            raise RuntimeError("the demo cluster has no database")
        return cluster.database.server.port

    def _wait(self, item: Any, name: str, limit_s: float = 60.0) -> None:
        deadline = time.monotonic() + limit_s
        while item.status != "available":
            if item.status in ("failed", "restore-error") or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not become available: it is {item.status}")
            time.sleep(0.02)
