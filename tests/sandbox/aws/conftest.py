"""One AWS sandbox for all tests of this folder, with every knob taken back after each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drillkit.sandbox.aws import AwsHandle, start_aws
from drillkit.sandbox.aws.postgres.tools import PostgresMissing, find_postgres


@pytest.fixture(scope="session")
def _sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsHandle]:
    try:
        find_postgres()
    except PostgresMissing as error:
        pytest.skip(str(error))
    state = tmp_path_factory.mktemp("aws")
    with pytest.MonkeyPatch.context() as operator:
        # Whoever works with an AWS of their own has such settings; they are not for this one.
        operator.setenv("AWS_PROFILE", "of-nobody-here")
        operator.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        handle = start_aws(
            state, demo=True, aurora=True, ship_interval_s=0.3, cache=state / "cache"
        )
    yield handle
    handle.stop()


@pytest.fixture
def aws(_sandbox: AwsHandle) -> Iterator[AwsHandle]:
    """The running sandbox; WAL ships three times a second, failovers take a fifth of one."""
    _sandbox.settings(failover_s=0.2, ship_interval_s=0.3)
    yield _sandbox
    _sandbox.reset()


@pytest.fixture
def lab(aws: AwsHandle) -> Lab:
    return Lab(aws)


class Sql:
    """A connection to one of the sandbox's databases; called with SQL, it gives the first value of
    the first row.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __enter__(self) -> Sql:
        return self

    def __exit__(self, *ignored: object) -> None:
        self._connection.close()

    def __call__(self, text: str) -> Any:
        rows = self._connection.run(text)
        return rows[0][0] if rows else None


class Lab:
    """What the tests do again and again."""

    def __init__(self, aws: AwsHandle) -> None:
        self.aws = aws

    def client(self, service: str = "rds", region: str | None = None) -> Any:
        """boto3 without retries, as drillkit uses it."""
        import boto3
        from botocore.config import Config

        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.aws.endpoint,
            aws_access_key_id=self.aws.access_key,
            aws_secret_access_key=self.aws.secret_key,
            region_name=region or self.aws.region,
            config=Config(
                retries={"total_max_attempts": 1}, read_timeout=30, s3={"addressing_style": "path"}
            ),
        )

    @staticmethod
    def until(condition: Callable[[], Any], limit_s: float = 30.0) -> Any:
        """The first truthy answer of `condition`."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(0.05)
        raise AssertionError(f"nothing within {limit_s} s")

    @staticmethod
    def instance(rds: Any, name: str) -> dict[str, Any]:
        found: dict[str, Any] = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][
            0
        ]
        return found

    @staticmethod
    def cluster(rds: Any, name: str) -> dict[str, Any]:
        found: dict[str, Any] = rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]
        return found

    def settled(self, rds: Any, name: str) -> dict[str, Any]:
        """The instance once it is no longer in transition, whatever it became."""
        passing = ("creating", "backing-up", "modifying", "rebooting", "starting", "stopping")
        return self.until(
            lambda: (found := self.instance(rds, name))["DBInstanceStatus"] not in passing and found
        )

    def gone(self, rds: Any, name: str) -> None:
        """Deletes an instance and waits until nobody knows it."""
        rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
        self.until(
            lambda: (
                name
                not in [
                    item["DBInstanceIdentifier"]
                    for item in rds.describe_db_instances()["DBInstances"]
                ]
            )
        )

    def sql(
        self,
        endpoint: dict[str, Any],
        user: str = "app",
        password: str = "",
        database: str = "shop",
    ) -> Sql:
        import pg8000.native

        secret = Path(next(iter(self.aws.databases.values()))["password_file"]).read_text(
            encoding="utf-8"
        )
        return Sql(
            pg8000.native.Connection(
                user,
                host=endpoint["Address"],
                port=endpoint["Port"],
                database=database,
                password=password or secret,
                timeout=10,
            )
        )
