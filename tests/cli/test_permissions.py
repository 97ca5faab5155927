"""What a security team is given: no more than a drill needs, in a form that their tools take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from drillkit.clients.velero.state import location_of
from drillkit.clock import Fence, SystemClock
from drillkit.model.drill import Drill, Step
from drillkit.model.errors import UsageError
from drillkit.model.permissions import AwsAction, Permission
from drillkit.model.prospect import Prospect
from drillkit.model.target import AwsTarget, KubernetesTarget, Target
from drillkit.plan import Plan, StepPlan
from drillkit.plan.excess import compared
from drillkit.plan.iam import iam_policy, statements
from drillkit.plan.least_privilege import LeastPrivilege, least_privilege
from drillkit.plan.rbac import rbac_yaml, subject_of
from drillkit.plan.terraform import terraform
from drillkit.sandbox.aws.wire import Fault
from drillkit.steps.velero.backup_evidence import bucket_permissions
from tests.clients.aws.wire import ACCOUNT, Wire, target
from tests.conftest import CommandLine

GET_WEB = Permission("get", "deployments", "apps", namespace="shop", name="web")
COPY = AwsAction("rds:RestoreDBInstanceToPointInTime")
DELETE = AwsAction("rds:DeleteDBInstance")
MODIFY = AwsAction("rds:ModifyDBInstance")
REBOOT = AwsAction("rds:RebootDBInstance", resource="db:orders")


def least(*needs: Permission | AwsAction, name: str = "d", **prospect: Any) -> LeastPrivilege:
    step = Step(name="s", uses="wait")
    drill = Drill(drill=name, owner="me", limit=timedelta(minutes=1), steps=(step,))
    where = Target(
        name="prod",
        kubernetes=KubernetesTarget(context="prod"),
        aws=AwsTarget(account=ACCOUNT, region="eu-central-1"),
    )
    plan = Plan(drill, where, (StepPlan(step, "", Prospect(permissions=needs, **prospect)),), ())
    return least_privilege(plan)


def policy(*actions: AwsAction, where: AwsTarget | None = None) -> dict[str, dict[str, Any]]:
    text = iam_policy(actions, where or AwsTarget(account=ACCOUNT, region="eu-central-1"))
    return {each["Sid"]: each for each in json.loads(text)["Statement"]}


def documents(text: str) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {
        (each["kind"], each["metadata"].get("namespace", "")): each
        for each in yaml.safe_load_all(text)
    }


# -- roles -----------------------------------------------------------------------------------------


def test_a_role_names_the_object_where_only_one_is_meant() -> None:
    found = documents(rbac_yaml(least(GET_WEB)))
    assert found["Role", "shop"]["rules"] == [
        {
            "apiGroups": ["apps"],
            "resources": ["deployments"],
            "resourceNames": ["web"],
            "verbs": ["get"],
        }
    ]
    assert found["RoleBinding", "shop"]["roleRef"]["name"] == "drillkit-d"
    assert ("ServiceAccount", "drillkit") in found


def test_what_a_wider_rule_grants_is_in_no_other_rule() -> None:
    everywhere = Permission("get", "deployments", "apps")
    assert least(GET_WEB, everywhere).needs == (
        Permission("get", "deployments", "apps", reason="step `s`: wait"),
    )
    assert len(least(GET_WEB, Permission("list", "deployments", "apps")).needs) == 2


def test_each_rule_says_why_it_is_there() -> None:
    seen = Permission("list", "pods", namespace="shop", reason="victims")
    text = rbac_yaml(least(GET_WEB, seen))
    assert "  # step `s`: victims\n  - apiGroups" in text
    assert "  # step `s`: wait\n  - apiGroups" in text


def test_no_name_and_no_reason_leaves_its_place() -> None:
    odd = Permission("get", "pods", namespace="shop", reason="why\nkind: Secret\x1b[31m")
    text = rbac_yaml(least(odd, name="a: {b}\n- \u2028'\""))
    assert set(documents(text)) == {
        ("ServiceAccount", "drillkit"),
        ("Role", "shop"),
        ("RoleBinding", "shop"),
    }
    assert "\x1b" not in text
    assert "\u2028" not in text
    assert least(odd, name="???").name == "drillkit"


def test_roles_go_to_whom_they_are_for() -> None:
    text = rbac_yaml(least(GET_WEB), subject_of("group:sre"))
    found = documents(text)
    assert not [kind for kind, _ in found if kind == "ServiceAccount"]
    assert found["RoleBinding", "shop"]["subjects"] == [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "sre"}
    ]


@pytest.mark.parametrize("odd", ["", "sre", "user:", "serviceaccount:drill", "serviceaccount:/a"])
def test_somebody_who_is_nobody_is_refused(odd: str) -> None:
    with pytest.raises(UsageError, match="expected user:NAME"):
        subject_of(odd)


def test_what_nobody_can_compute_is_said_and_not_left_out_in_silence() -> None:
    found = least(GET_WEB, programs=("`terraform`",), problems=("there is no pod",))
    text = rbac_yaml(found)
    assert "# Not in here: step `s` runs `terraform`" in text
    assert "# Perhaps not in here, since it could not be looked at: step `s`: there is no" in text
    assert "# Not in here: step `s` depends on" in rbac_yaml(least(GET_WEB, unknown=True))


# -- IAM -------------------------------------------------------------------------------------------


def test_only_what_a_run_has_marked_is_changed_and_deleted() -> None:
    found = policy(DELETE, MODIFY)
    own = found["OwnOnlyRdsDb"]
    assert own["Action"] == ["rds:DeleteDBInstance", "rds:ModifyDBInstance"]
    assert own["Resource"] == [f"arn:aws:rds:eu-central-1:{ACCOUNT}:db:*"]
    assert own["Condition"] == {"StringLike": {"aws:ResourceTag/drillkit:run": "?*"}}
    parts = found["PartsOfOwnCopies"]
    assert parts["Action"] == ["rds:ModifyDBInstance"]
    assert not [each for each in parts["Resource"] if each.endswith((":db:*", ":cluster:*"))]


def test_copies_are_made_with_the_mark_only() -> None:
    assert policy(COPY)["MakeMarked"]["Condition"] == {
        "StringLike": {"aws:RequestTag/drillkit:run": "?*"}
    }


def test_a_cache_is_asked_for_its_mark_and_what_it_is_made_of_is_not() -> None:
    found = policy(
        AwsAction("elasticache:CreateReplicationGroup"), AwsAction("elasticache:CreateSnapshot")
    )
    marked = {"StringLike": {"aws:RequestTag/drillkit:run": "?*"}}
    made = found["MakeMarkedReplicationgroup"]
    assert [arn.split(":")[5] for arn in made["Resource"]] == ["replicationgroup"]
    assert made["Condition"] == marked
    assert found["MakeMarkedSnapshot"]["Condition"] == marked
    whole = found["PartsOfReplicationgroup"]
    assert "Condition" not in whole
    assert "replicationgroup" not in {arn.split(":")[5] for arn in whole["Resource"]}
    assert {arn.split(":")[5] for arn in found["PartsOfSnapshot"]["Resource"]} == {
        "cluster",
        "replicationgroup",
    }


def test_deleting_a_cluster_is_checked_against_its_last_snapshot_too() -> None:
    found = policy(AwsAction("rds:DeleteDBCluster"))
    assert {arn.split(":")[5] for arn in found["PartsOfOwnCopies"]["Resource"]} == {
        "cluster-snapshot"
    }
    assert found["OwnOnlyRdsCluster"]["Condition"]


def test_a_failover_of_a_cluster_names_the_cluster_alone() -> None:
    asked = AwsAction("rds:FailoverDBCluster", resource="cluster:orders")
    assert policy(asked)["Disturb1"]["Resource"] == [
        f"arn:aws:rds:eu-central-1:{ACCOUNT}:cluster:orders"
    ]


def test_what_a_drill_disturbs_is_named() -> None:
    found = policy(REBOOT, where=target())["Disturb1"]
    assert found["Resource"] == [f"arn:aws:rds:eu-central-1:{ACCOUNT}:db:orders"]
    assert "Condition" not in found


def test_a_bucket_of_backups_is_looked_at_where_the_backups_are() -> None:
    spec = {"provider": "velero.io/aws", "objectStorage": {"bucket": "b", "prefix": "velero"}}
    location = location_of({"metadata": {"name": "default"}, "spec": spec})
    found = statements(bucket_permissions(Target(name="t", aws=target()), location), target())
    assert {statement.resources for statement in found} == {
        ("arn:aws:s3:::b/velero/backups/*/*.tar.gz",),
        ("arn:aws:s3:::b",),
    }
    elsewhere = location_of(
        {"metadata": {"name": "x"}, "spec": {**spec, "config": {"s3Url": "http://minio"}}}
    )
    assert not list(bucket_permissions(Target(name="t", aws=target()), elsewhere))


def test_keys_are_used_through_rds_only() -> None:
    found = policy(AwsAction("kms:Decrypt"), AwsAction("kms:CreateGrant"), where=target())
    via = ["rds.eu-central-1.amazonaws.com", "rds.eu-west-1.amazonaws.com"]
    assert found["KeysThroughRds"]["Condition"]["StringEquals"]["kms:ViaService"] == via
    assert found["GrantsForRds"]["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}


def test_looking_has_no_condition_and_nothing_else_goes_without_one() -> None:
    found = policy(AwsAction("rds:DescribeEvents"), DELETE, COPY, AwsAction("fis:StartExperiment"))
    open_ = {sid for sid, each in found.items() if "Condition" not in each}
    assert open_ == {"Look", "NarrowByHand"}


@pytest.mark.parametrize(
    ("region", "partition", "domain"),
    [
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
    ],
)
def test_other_partitions_have_other_names(region: str, partition: str, domain: str) -> None:
    where = AwsTarget(account=ACCOUNT, region=region)
    found = policy(DELETE, AwsAction("kms:Decrypt"), where=where)
    assert found["OwnOnlyRdsDb"]["Resource"] == [f"arn:{partition}:rds:{region}:{ACCOUNT}:db:*"]
    via = found["KeysThroughRds"]["Condition"]["StringEquals"]["kms:ViaService"]
    assert via == [f"rds.{region}.{domain}"]


def test_every_action_of_a_policy_exists_in_it_once_and_none_is_lost() -> None:
    asked = [COPY, DELETE, MODIFY, REBOOT, AwsAction("rds:DescribeEvents"), AwsAction("x:Y")]
    found = policy(*asked)
    said = [a for sid, s in found.items() if not sid.startswith("PartsOf") for a in s["Action"]]
    assert sorted(said) == sorted(each.action for each in asked)


# -- Terraform -------------------------------------------------------------------------------------


def test_terraform_says_why_beside_each_action() -> None:
    text = terraform(least(GET_WEB, DELETE))
    assert '      "rds:DeleteDBInstance", # step `s`: wait\n' in text
    assert '      variable = "aws:ResourceTag/drillkit:run"\n' in text
    assert '    resource_names = ["web"]\n' in text
    assert text.count("{") == text.count("}")


def test_no_name_is_taken_for_a_template_by_terraform() -> None:
    odd = Permission("get", "pods", namespace="${shop}", name="%{if}")
    text = terraform(least(odd))
    assert '"$${shop}"' in text
    assert '"%%{if}"' in text


# -- the present identity --------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _no_real_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


class Simulated:
    """An account in which some actions are allowed, on what no run has marked, too, or not."""

    def __init__(self, allowed: set[str], unmarked: set[str]) -> None:
        self._allowed = allowed
        self._unmarked = unmarked
        self.wire = Wire(self._answer)
        self.aws = self.wire.connect()
        self.fence = self.aws.fence

    def _answer(self, region: str, action: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        assert action == "SimulatePrincipalPolicy"
        marked = bool(params.get("ContextEntries"))
        given = self._allowed if marked else self._unmarked
        return {
            "EvaluationResults": [
                {
                    "EvalActionName": name,
                    "EvalDecision": "allowed" if name in given else "implicitDeny",
                }
                for name in params["ActionNames"]
            ]
        }


def of_aws(*actions: AwsAction) -> LeastPrivilege:
    found = least(*actions)
    return LeastPrivilege(
        found.drill, Target(name="prod", aws=target()), (), (), found.actions, (), ()
    )


def test_an_identity_that_has_exactly_that_is_told_so() -> None:
    account = Simulated({DELETE.action, COPY.action}, set())
    account.fence.close("this only looks")
    told = compared(of_aws(DELETE, COPY), account)  # type: ignore[arg-type]
    assert (told.lacks, told.exceeds, told.unread) == ((), (), ())
    assert told.who == (f"in AWS: arn:aws:iam::{ACCOUNT}:user/x",)


def test_what_an_identity_lacks_in_aws_is_named() -> None:
    account = Simulated({COPY.action}, set())
    told = compared(of_aws(DELETE, COPY), account)  # type: ignore[arg-type]
    assert [each.split(" ")[0] for each in told.lacks] == ["rds:DeleteDBInstance"]


def test_a_wildcard_is_asked_about_by_the_names_that_it_stands_for() -> None:
    keys = [AwsAction("kms:GenerateDataKey*"), AwsAction("kms:ReEncrypt*")]
    names = {
        "kms:GenerateDataKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
    }
    told = compared(of_aws(*keys), Simulated(names, set()))  # type: ignore[arg-type]
    assert (told.lacks, told.exceeds, told.unread) == ((), (), ())
    few = Simulated(names - {"kms:ReEncryptTo"}, set())
    (lacks,) = compared(of_aws(*keys), few).lacks  # type: ignore[arg-type]
    assert lacks.startswith("kms:ReEncryptTo (")
    (unread,) = compared(of_aws(AwsAction("ec2:Copy*")), few).unread  # type: ignore[arg-type]
    assert unread == "AWS is asked about actions by name only, which ec2:Copy* is not"


def test_what_may_be_done_to_the_originals_is_too_much() -> None:
    account = Simulated({DELETE.action, COPY.action}, {DELETE.action})
    told = compared(of_aws(DELETE, COPY), account)  # type: ignore[arg-type]
    assert told.exceeds == ("rds:DeleteDBInstance also on what no run has marked",)


def test_an_account_that_may_not_be_asked_is_told_as_that() -> None:
    def refuse(*ignored: object) -> Mapping[str, Any]:
        raise Fault("AccessDenied", "not authorized to perform iam:SimulatePrincipalPolicy", 403)

    wire = Wire(refuse)

    class There:
        aws = wire.connect(SystemClock(), Fence())

    told = compared(of_aws(DELETE), There())  # type: ignore[arg-type]
    assert told.lacks == told.exceeds == ()
    assert "it takes iam:SimulatePrincipalPolicy" in told.unread[0]


# -- typed -----------------------------------------------------------------------------------------


def test_comparing_prints_no_roles(drillkit: CommandLine) -> None:
    ran = drillkit("permissions", "pod-delete", "-t", "sandbox", "--verify", "--rbac")
    assert ran.code == 2
    assert "leave the other options out" in ran.err
