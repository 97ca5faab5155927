"""Whole runs of restores against the sandbox's AWS, with real PostgreSQL, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from drillkit.clients import Clients
from drillkit.clock import Fence, SystemClock
from drillkit.model.codec import decode_evidence
from drillkit.model.drill import Drill, Objectives, Step, StepCheck
from drillkit.model.evidence import Evidence
from drillkit.model.prospect import Prospect
from drillkit.model.target import AwsTarget, Target
from drillkit.model.verdict import Verdict
from drillkit.runner.dry_run import dry_run
from drillkit.runner.execute import execute
from drillkit.runner.request import Request
from drillkit.runner.run_start import new_names
from drillkit.sandbox.aws import AwsHandle, start_aws
from drillkit.sandbox.aws.postgres.tools import PostgresMissing, find_postgres
from drillkit.steps.base import kind_named

SOURCE = "microservices-dev-db"
CLUSTER = "microservices-dev-aurora"
CHECKS = (StepCheck(canary="heartbeat"), StepCheck(table="orders", rows=True, expect=">= 5000"))


@dataclass
class Ran:
    """A run that has ended, cleaned and judged."""

    verdict: Verdict
    records: list[dict[str, Any]]
    left: tuple[str, ...]
    calls: list[dict[str, Any]]
    """What went over the wire."""

    @property
    def holds(self) -> str:
        return self.verdict.holds.name.lower()

    @property
    def why(self) -> str:
        return self.verdict.steps[0].why

    def evidence(self, of: type[Evidence]) -> list[Any]:
        found = [decode_evidence(r["data"]) for r in self.records if r["kind"] == "evidence"]
        return [e for e in found if isinstance(e, of)]

    def marks(self) -> list[str]:
        return [r["data"]["moment"] for r in self.records if r["data"].get("type") == "Mark"]

    def undone(self) -> dict[str, str]:
        """Resource to outcome."""
        planned = {
            r["n"]: r["data"]["resource"] for r in self.records if r["kind"] == "undo.planned"
        }
        return {
            planned[r["data"]["of"]]: r["data"]["outcome"]
            for r in self.records
            if r["kind"] == "undo.ended"
        }

    def asked(self, action: str) -> list[dict[str, Any]]:
        return [call for call in self.calls if call["action"] == action]


class Lab:
    """One AWS, and drills against it."""

    def __init__(self, aws: AwsHandle, folder: Path) -> None:
        self.aws, self.folder = aws, folder
        credentials = folder / "credentials"
        credentials.write_text(
            f"[default]\naws_access_key_id = {aws.access_key}\n"
            f"aws_secret_access_key = {aws.secret_key}\n"
        )
        logins = {}
        for name, access in aws.databases.items():
            login = folder / f"{name}.login"
            login.write_text(f"{access['user']}:{Path(access['password_file']).read_text()}")
            logins[name] = f"file:{login}"
        self.target = Target(
            name="lab",
            databases=logins,
            canary_key=f"file:{aws.canary_key_file}",
            aws=AwsTarget(
                account=aws.account,
                region=aws.region,
                dr_region=aws.dr_region,
                endpoint_url=aws.endpoint,
                credentials_file=str(credentials),
                subnet_group=aws.subnet_group,
                security_groups=(aws.security_group,),
                dr_subnet_group=aws.subnet_group,
                dr_security_groups=(aws.security_group,),
                cache_subnet_group=aws.subnet_group,
            ),
        )

    def run(
        self,
        uses: str,
        *,
        checks: tuple[StepCheck, ...] = CHECKS,
        objectives: Objectives | None = None,
        limit_s: float = 60,
        target: Target | None = None,
        name: str = "db",
        **arguments: Any,
    ) -> Ran:
        before = max((call["number"] for call in self.aws.calls()), default=0)
        finished = execute(
            self._request(uses, name, checks, objectives, limit_s, target, arguments)
        )
        records = [
            json.loads(line)
            for line in (finished.folder / "journal.jsonl").read_text().splitlines()
        ]
        return Ran(finished.verdict, records, finished.left, self.aws.calls(before))

    def prospect(self, uses: str, *, rpo: timedelta | None = None, **arguments: Any) -> Prospect:
        """What a step of this kind would do, found by looking."""
        request = self._request(uses, "db", (), Objectives(rpo=rpo), 60, None, arguments)
        return dry_run(request).plan.steps[0].prospect

    def _request(
        self,
        uses: str,
        name: str,
        checks: tuple[StepCheck, ...],
        objectives: Objectives | None,
        limit_s: float,
        target: Target | None,
        arguments: Mapping[str, Any],
    ) -> Request:
        step = Step(name=name, uses=uses, objectives=objectives or Objectives(), checks=checks)
        drill = Drill(
            drill="lab",
            owner="me@example.com",
            steps=(step,),
            limit=timedelta(seconds=limit_s),
            cleanup_limit=timedelta(seconds=60),
        )
        bound = kind_named(uses).Arguments(**arguments)
        names = new_names("lab")
        return Request(
            drill=drill,
            source=b"",
            target=target or self.target,
            names=names,
            reports=self.folder / "reports",
            bind=lambda step, outputs: bound,
            find_experiment=lambda name: pytest.fail(name),
            digests={},
        )

    def clients(self) -> Clients:
        """Connections for looking."""
        return Clients(self.target, SystemClock(), Fence())

    def inventory(self) -> dict[str, list[str]]:
        """Everything that a run could have left, by region and kind; automated backups come and go
        by themselves.
        """
        found: dict[str, list[str]] = {}
        for region in (self.aws.region, self.aws.dr_region):
            rds = self.clients().rds.at(region)
            found[f"{region} instances"] = sorted(
                i["DBInstanceIdentifier"] for i in rds.all_instances()
            )
            found[f"{region} clusters"] = sorted(
                c["DBClusterIdentifier"] for c in rds.all_clusters()
            )
            for cluster in (False, True):
                of = "Cluster" if cluster else ""
                snapshots = rds.snapshots(kind="manual", cluster=cluster)
                found[f"{region} {of}snapshots"] = sorted(
                    s[f"DB{of}SnapshotIdentifier"] for s in snapshots
                )
                groups = rds.service.read(f"DescribeDB{of}ParameterGroups", "list groups")[
                    f"DB{of}ParameterGroups"
                ]
                found[f"{region} {of}groups"] = sorted(
                    g[f"DB{of}ParameterGroupName"] for g in groups
                )
        cache = self.clients().elasticache
        groups = cache.service.read("DescribeReplicationGroups", "list groups")["ReplicationGroups"]
        found["caches"] = sorted(g["ReplicationGroupId"] for g in groups)
        shots = cache.service.read("DescribeSnapshots", "list snapshots")["Snapshots"]
        found["cache snapshots"] = sorted(s["SnapshotName"] for s in shots)
        return found

    def with_aws(self, **changes: Any) -> Target:
        """The target, its account described otherwise."""
        assert self.target.aws is not None
        return replace(self.target, aws=replace(self.target.aws, **changes))


@pytest.fixture(scope="session")
def _aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsHandle]:
    try:
        find_postgres()
    except PostgresMissing as error:
        pytest.skip(str(error))
    state = tmp_path_factory.mktemp("aws")
    handle = start_aws(state, demo=True, aurora=True, ship_interval_s=0.3)
    yield handle
    handle.stop()


@pytest.fixture
def lab(_aws: AwsHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """The sandbox's AWS; every test must leave it as it was."""
    monkeypatch.setenv("DRILLKIT_HOME", str(tmp_path / "home"))
    _aws.settings(failover_s=0.2, ship_interval_s=0.3)
    made = Lab(_aws, tmp_path)
    before = made.inventory()
    yield made
    _aws.reset()
    assert made.inventory() == before


Changes = Mapping[str, Any]
Runs = Callable[..., Ran]
