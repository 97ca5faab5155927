"""What is told of a fleet out of its bucket, and what is refused before anything begins."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from drillkit.clients.bucket import Bucket, BucketUrl
from drillkit.clock import SystemClock
from drillkit.fleet.outcome import TargetOutcome
from drillkit.fleet.plan import FleetPlan
from drillkit.fleet.store import FleetStore
from drillkit.fleet.waves import Result
from drillkit.model.errors import Refused
from tests.bucket import BucketServer, _bucket_server, bucket
from tests.conftest import CommandLine
from tests.fleet.test_plan import planned, target

__all__ = ["_bucket_server", "bucket"]
TARGETS = """
prod-a: {kubernetes: {context: a}, aws: {account: "111111111111", region: eu-central-1}}
prod-b: {kubernetes: {context: b}, aws: {account: "111111111111", region: eu-central-1}}
prod-c: {protected: true, kubernetes: {context: c, cluster_uid: u}}
"""


def fleet(bucket: BucketServer, **results: Result) -> tuple[FleetPlan, FleetStore]:
    """One on targets `a` and `b`, in which these have come to something."""
    plan = planned(target("a"), target("b"), place=bucket.url, begun=SystemClock().now())
    store = FleetStore(Bucket(BucketUrl.parse(bucket.url)), SystemClock(), plan.id)
    store.begin(plan)
    for name, result in results.items():
        store.settle(TargetOutcome(target=name, result=result, why="so it is", at=1.0))
    return plan, store


def project(drillkit: CommandLine) -> None:
    (drillkit.folder / "drills").mkdir()
    (drillkit.folder / "drillkit.yaml").write_text("")
    (drillkit.folder / "drills" / "targets.yaml").write_text(TARGETS)
    drill = "drill: look\nowner: me\nsteps: [{uses: wait, with: {for: 1s}}]\n"
    (drillkit.folder / "drills" / "look.yaml").write_text(drill)


def test_what_was_written_once_stays_and_its_second_writer_is_told_what_there_is(
    bucket: BucketServer,
) -> None:
    plan, store = fleet(bucket, a="met")
    with pytest.raises(Refused, match="there is a fleet"):
        store.begin(replace(plan, image="another"))
    store.begin(plan)  # an attempt that was not answered had arrived
    assert store.plan() == plan
    late = TargetOutcome(target="a", result="unknown", why="late", at=2.0)
    assert store.settle(late).result == "met"


def test_a_fleet_is_told_from_its_bucket_alone(drillkit: CommandLine, bucket: BucketServer) -> None:
    plan, _ = fleet(bucket, a="met")
    where = ("--out", bucket.url)
    told = drillkit.inside("fleet", "status", plan.id, *where)
    assert told.code == 3
    assert "2 targets: 1 met, 1 waiting" in told.out
    assert f"go on: drillkit fleet run --continue {plan.id}" in told.out
    data = json.loads(drillkit.inside("fleet", "status", plan.id, "--json", *where).out)
    assert data["targets"][1]["result"] == "waiting"
    assert (
        f"{plan.id}  d  2 targets: 1 met, 1 waiting"
        in drillkit.inside("fleet", "status", *where).out
    )
    printed = drillkit.inside("fleet", "report", plan.id, *where)
    assert printed.out.startswith("# d: fleet ")
    assert printed.out == bucket.read(f"drills/.fleets/{plan.id}/fleet.md").decode()
    unknown = drillkit.inside("fleet", "status", "nowhere", *where)
    assert (unknown.code, "no fleet `nowhere`" in unknown.err) == (2, True)


def test_one_that_has_ended_is_not_stopped_and_one_that_is_old_not_gone_on_with(
    drillkit: CommandLine, bucket: BucketServer
) -> None:
    plan, store = fleet(bucket, a="met", b="violated")
    ended = drillkit.process("fleet", "abort", plan.id, "--out", bucket.url)
    assert ended.code == 1
    assert "has ended; there is nothing to stop" in ended.out
    assert store.abort() is None
    old = FleetStore(Bucket(BucketUrl.parse(bucket.url)), SystemClock(), "old")
    old.begin(replace(plan, id="old", begun=1.0))
    again = drillkit.inside("fleet", "run", "--continue", "old", "--out", bucket.url)
    assert again.code == 2
    assert "more than a week ago" in again.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("look", "--targets", "prod-*"), "expected DRILL, --targets and --image"),
        (("look", "--targets", "stage-*", "--image", "i"), "no target is called so"),
        (("look", "--targets", "prod-[ab]", "--image", "i"), "nobody can be asked here"),
        (("look", "--targets", "*-c", "--image", "i", "--yes"), "must type the pattern"),
        (("look", "--targets", "prod-[ab]", "--image", "i", "--waves", "x"), "expected waves"),
        (("look", "--continue", "f"), "takes drill and targets from the fleet"),
    ],
)
def test_what_is_missing_is_told_before_anything_begins(
    drillkit: CommandLine, bucket: BucketServer, words: tuple[str, ...], why: str
) -> None:
    project(drillkit)
    done = drillkit.inside("fleet", "run", *words, "--out", bucket.url)
    assert (done.code, bucket.everything()) == (2, [])
    assert why in done.err


def test_a_dry_run_shows_waves_and_touches_nothing(
    drillkit: CommandLine, bucket: BucketServer
) -> None:
    project(drillkit)
    words = ("look", "--targets", "prod-*", "--image", "i", "--dry-run", "--canary", "prod-b")
    done = drillkit.inside("fleet", "run", *words, "--out", bucket.url)
    assert done.code == 0, done.err
    assert "wave 1: prod-b\n" in done.err
    assert "1 of 3 targets name no AWS account (prod-c)" in done.err
    assert bucket.everything() == []
