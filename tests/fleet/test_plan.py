"""Which targets make a fleet, what keeps two of them apart, and what their pods are given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from drillkit.fleet.jobs import FleetBook, encoded, submission, undos_of
from drillkit.fleet.outcome import of_process
from drillkit.fleet.plan import (
    FORMAT,
    FleetPlan,
    complaints,
    matching,
    members_of,
    remarks,
    shares_of,
)
from drillkit.model.codec import from_data, to_data
from drillkit.model.errors import Refused, UsageError
from drillkit.model.target import AwsTarget, FleetJob, KubernetesTarget, Launch, Target
from drillkit.schedule.pod import in_pod, object_name, targets_yaml


def target(name: str, account: str | None = None, **more: Any) -> Target:
    kubernetes = KubernetesTarget(kubeconfig="~/k", context=name, cluster_uid=f"uid-{name}")
    aws = AwsTarget(account=account, region="eu", dr_region="us") if account else None
    return Target(**{"name": name, "kubernetes": kubernetes, "aws": aws, **more})


def planned(*targets: Target, **more: Any) -> FleetPlan:
    given = {
        "format": FORMAT,
        "id": "20261129-000000-abcd",
        "drill": "d",
        "folder": "d",
        "sha256": "0",
        "operator": "me",
        "begun": 0.0,
        "image": "drillkit",
        "place": "s3://b/p",
        "at_once": 3,
        "longest_s": 600,
        "stop_s": 60,
        "members": members_of(targets, "1,100%", None),
        "targets": {each.name: each for each in targets},
        "files": {"drillkit.yaml": ""},
        "targets_file": "drills/targets.yaml",
    }
    return FleetPlan(**{**given, **more})


def test_a_plan_is_read_back_as_it_was_written() -> None:
    plan = planned(target("a", "1" * 12), target("b", protected=True), confirmed=("b",))
    assert from_data(FleetPlan, to_data(plan)) == plan


def test_targets_of_one_account_share_both_their_regions_and_those_of_one_lock_the_lock() -> None:
    first, second = target("a", "1" * 12), target("b", "1" * 12)
    assert set(shares_of(first)) & set(shares_of(second)) == {
        "AWS account 111111111111 in eu",
        "AWS account 111111111111 in us",
    }
    assert not set(shares_of(first)) & set(shares_of(target("c", "2" * 12)))
    assert set(shares_of(first)) & set(shares_of(replace(first, name="same", aws=None)))
    (told,) = remarks([first, target("d")])
    assert told.startswith("1 of 2 targets name no AWS account (d)")


def test_a_pattern_that_matches_nothing_and_a_canary_that_is_none_are_told() -> None:
    known = {name: target(name) for name in ("prod-b", "prod-a", "test")}
    assert [each.name for each in matching(["prod-*"], known)] == ["prod-a", "prod-b"]
    with pytest.raises(UsageError, match="known: prod-a, prod-b, test"):
        matching(["prod-*", "stage-*"], known)
    order = members_of(matching(["*"], known), "1,100%", "test")
    assert [(m.target, m.wave) for m in order] == [("test", 0), ("prod-a", 1), ("prod-b", 1)]
    with pytest.raises(UsageError, match="none of the targets"):
        members_of(matching(["prod-*"], known), "1", "test")


HUB = target("hub")


@pytest.mark.parametrize(
    ("targets", "why"),
    [
        ([target("a", launch=Launch(module="m"))], "drillkit starts it"),
        ([target("a", approvals=1)], "approved plan"),
        ([target("a", kubernetes=None)], "no cluster for its Job"),
        ([target("a", fleet=FleetJob(hub="nowhere", kubeconfig_secret="s"))], "no target with"),
        ([target("a", fleet=FleetJob(hub="hub"))], "needs `fleet: {kubeconfig_secret"),
        (
            [
                target(name, fleet=FleetJob(hub="hub", kubeconfig_secret=name, secret="one"))
                for name in ("a", "b")
            ],
            "b and a have the secret `one` in common",
        ),
        (
            [
                target(
                    name,
                    fleet=FleetJob(hub="hub", kubeconfig_secret=name, service_account="admin"),
                )
                for name in ("a", "b")
            ],
            "b and a have the service account `admin` in common",
        ),
        (
            [
                target(
                    name,
                    kubernetes=KubernetesTarget(cluster_uid="one", namespace=name),
                    fleet=FleetJob(secret="aws"),
                )
                for name in ("a", "b")
            ],
            "b and a have the secret `aws` in common",
        ),
    ],
)
def test_what_is_no_fleet_is_refused_before_anything_begins(
    targets: list[Target], why: str
) -> None:
    known = {each.name: each for each in (*targets, HUB)}
    (found,) = complaints("d", targets, known)
    assert why in found


def test_the_same_names_in_clusters_of_their_own_are_no_common_credentials() -> None:
    both = [target(name, fleet=FleetJob(secret="aws", service_account="drills")) for name in "ab"]
    assert list(complaints("d", both, {each.name: each for each in both})) == []


def test_a_pod_sees_its_own_target_without_what_only_this_machine_has() -> None:
    found = target("a", "1" * 12, fleet=FleetJob(secret="s"))
    own = yaml.safe_load(targets_yaml(in_pod(found, own_token=True)))
    assert own["a"]["kubernetes"] == {"cluster_uid": "uid-a"}
    assert "fleet" not in own["a"]
    assert own["a"]["aws"]["account"] == "1" * 12
    on_hub = in_pod(found, own_token=False).kubernetes
    assert on_hub is not None
    assert (on_hub.kubeconfig, on_hub.context) == (None, "a")


def test_a_job_is_submitted_only_with_an_undo_that_stands_in_the_bucket() -> None:
    plan = planned(target("A.b_c"))
    written = submission(plan, "A.b_c", "20261129-000000-wxyz", 0.0, "uid")
    assert written.job == "drillkit-a-b-c-20261129-000000-wxyz"
    job, files = undos_of(written)
    assert (job.of.kind, files.of.kind) == ("Job", "ConfigMap")
    assert FleetBook(written).plan(job).undo == job
    other = replace(job, name="another")
    with pytest.raises(Refused, match="does not stand in the fleet's bucket"):
        FleetBook(written).plan(other)
    assert encoded(other) not in written.undos


def test_names_of_accounts_are_those_of_cron_jobs() -> None:
    assert object_name("monthly-dr", "prod") == "drillkit-monthly-dr-prod"


@pytest.mark.parametrize(
    ("code", "words", "result", "why"),
    [
        (4, "blocked:  a release\n", "refused", "blocked: a release"),
        (2, "no drill", "not run", "its process ended with 2 before a run began: no drill"),
        (137, "OOMKilled", "not run", "its process ended with 137 before a run began: OOMKilled"),
        (None, "", "not run", "its Job ended and nothing says why"),
    ],
)
def test_a_process_that_left_no_run_was_refused_or_did_not_run(
    code: int | None, words: str, result: str, why: str
) -> None:
    found = of_process("a", code, words, 0.0)
    assert (found.result, found.why) == (result, why)
