"""What a drill costs over the bare calls for the same restore, and fifty restores at once from
one process.

python -m tests.bench.restores            both, about two minutes
python -m tests.bench.restores overhead   against the sandbox's AWS with real PostgreSQL
python -m tests.bench.restores parallel   against an RDS in memory whose restores take 45 s
"""

from __future__ import annotations

import copy
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from drillkit.clients.polling import CAP_S, FACTOR, FIRST_S
from drillkit.model.drill import Drill, Group, Objectives, Step
from drillkit.model.target import AwsTarget, Caps, Target
from drillkit.model.verdict import Verdict
from drillkit.runner.execute import execute
from drillkit.runner.request import Request
from drillkit.runner.run_start import new_names
from drillkit.steps.base import kind_named

SOURCE = "microservices-dev-db"
ROUNDS = 5
AT_ONCE = 50
RESTORE_S = 45.0
POLL_S = 0.5
"""What a script would sleep between two looks; drillkit's first pause."""


def drill(target: Target, folder: Path, source: str, steps: int) -> Verdict:
    """Run a drill of so many restores at once."""
    each = [
        Step(name=f"r{n}", uses="rds.point-in-time-restore", objectives=Objectives())
        for n in range(steps)
    ]
    entries: tuple[Any, ...] = (
        (Group(name="all", parallel=tuple(each)),) if steps > 1 else tuple(each)
    )
    bound = kind_named("rds.point-in-time-restore").Arguments(source=source, warm=timedelta(0))
    whole = Drill(drill="bench", owner="bench", steps=entries, limit=timedelta(minutes=10))
    finished = execute(
        Request(
            drill=whole,
            source=b"",
            target=target,
            names=new_names("bench"),
            reports=folder,
            digests={},
            bind=lambda step, outputs: bound,
            find_experiment=lambda name: None,  # type: ignore[arg-type,return-value]
        )
    )
    assert finished.left == (), finished.left
    assert all(step.outcome == "ok" for step in finished.verdict.steps), finished.verdict.headline
    return finished.verdict


def bare(client: Any, network: Mapping[str, Any]) -> None:
    """The same restore with the SDK alone: a parameter group, the restore, its end, and
    everything deleted.
    """
    tags = [{"Key": "bench", "Value": "bench"}]
    client.create_db_parameter_group(
        DBParameterGroupName="bare-pg",
        DBParameterGroupFamily="postgres15",
        Description="bench",
        Tags=tags,
    )
    client.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier=SOURCE,
        TargetDBInstanceIdentifier="bare",
        UseLatestRestorableTime=True,
        DBParameterGroupName="bare-pg",
        BackupRetentionPeriod=0,
        DeletionProtection=False,
        Tags=tags,
        **network,
    )

    def status() -> str:
        return str(
            client.describe_db_instances(DBInstanceIdentifier="bare")["DBInstances"][0][
                "DBInstanceStatus"
            ]
        )

    while status() != "available":
        time.sleep(POLL_S)
    client.delete_db_instance(DBInstanceIdentifier="bare", SkipFinalSnapshot=True)
    while True:
        try:
            status()
        except client.exceptions.DBInstanceNotFoundFault:
            break
        time.sleep(POLL_S)
    client.delete_db_parameter_group(DBParameterGroupName="bare-pg")


def overhead(folder: Path) -> None:
    """Ratio of a drill's time to that of the bare calls."""
    import boto3

    from drillkit.sandbox.aws import start_aws

    aws = start_aws(folder / "aws", demo=True)
    try:
        keys = {"aws_access_key_id": aws.access_key, "aws_secret_access_key": aws.secret_key}
        client: Any = boto3.client("rds", endpoint_url=aws.endpoint, region_name=aws.region, **keys)  # type: ignore[call-overload]
        os.environ |= {name.upper(): value for name, value in keys.items()}
        account = AwsTarget(
            account=aws.account,
            region=aws.region,
            endpoint_url=aws.endpoint,
            subnet_group=aws.subnet_group,
            security_groups=(aws.security_group,),
        )
        target = Target(name="bench", aws=account)
        network = {
            "DBSubnetGroupName": aws.subnet_group,
            "VpcSecurityGroupIds": [aws.security_group],
        }
        # The sandbox restores in half a second; AWS in twenty minutes. At least some seconds, to be
        # fair to both.
        aws.settings(slow_s={"instance.creating": 5.0, "instance.deleting": 1.0})
        drill(target, folder / "warm-up", SOURCE, 1)
        took = {
            "bare": timed(lambda: bare(client, network)),
            "drill": timed(lambda: drill(target, folder, SOURCE, 1)),
        }
        for name, values in took.items():
            print(f"{name:6} median {statistics.median(values):.2f} s of {len(values)}")
        print(f"ratio  {statistics.median(took['drill']) / statistics.median(took['bare']):.2f}")
    finally:
        aws.stop()


def timed(work: Callable[[], object]) -> list[float]:
    took = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        work()
        took.append(time.monotonic() - began)
    return took


def parallel(folder: Path) -> None:
    """Fifty restores at once: memory, calls by kind, calls a minute while they are waited for."""
    from drillkit.clients import aws as package
    from tests.clients.aws.wire import Wire
    from tests.clients.aws.wire import target as described
    from tests.clients.rds import fake

    os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    fake.CREATING_S = RESTORE_S
    world, lock = fake.FakeRds(), threading.Lock()
    last = time.monotonic()

    def answer(region: str, action: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        nonlocal last
        with lock:
            now = time.monotonic()
            world.advance(now - last)
            last = now
            return copy.deepcopy(world.answer(region, action, params))

    times: list[tuple[float, str]] = []
    wire = Wire(answer, before=lambda sent: times.append((time.monotonic(), sent.action)))
    package.Aws = lambda target, clock, fence: wire.connect(clock, fence)  # type: ignore[assignment,misc]
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    target = Target(name="bench", aws=described(), caps=replace(Caps(), instances=AT_ONCE))
    verdict = drill(target, folder, "prod", AT_ONCE)
    restored = next(at for at, action in times if action == "DeleteDBInstance")
    until = [action for at, action in times if at < restored]
    looks = until.count("DescribeDBInstances")
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
    print(
        f"{AT_ONCE} restores of {RESTORE_S:.0f} s at once: all there after {restored - began:.1f} "
        f"s, all gone after {time.monotonic() - began:.1f} s; {grown_mb:.0f} MB more memory"
    )
    a_minute = looks / (restored - began) * 60
    print(
        f"until then {len(until)} calls; {looks} looks, {a_minute:.0f} a minute for all of them "
        f"(each for itself: {alone() * AT_ONCE:.0f} a minute)"
    )
    print(
        ", ".join(f"{name} {count}" for name, count in Counter(until).most_common(6)),
        f"; {verdict.holds.name}",
    )


def alone() -> float:
    """Looks a minute of one restore that shares nothing."""
    spent, pause, looks = 0.0, FIRST_S, 0
    while spent < RESTORE_S:
        spent, pause, looks = spent + pause, min(pause * FACTOR, CAP_S), looks + 1
    return looks / RESTORE_S * 60


def main() -> None:
    chosen = sys.argv[1:] or ["overhead", "parallel"]
    with tempfile.TemporaryDirectory() as name:
        os.environ["DRILLKIT_HOME"] = str(Path(name) / "home")
        for part in chosen:
            {"overhead": overhead, "parallel": parallel}[part](Path(name) / part)


if __name__ == "__main__":
    main()
