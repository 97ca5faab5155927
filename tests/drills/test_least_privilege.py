"""What `permissions` prints is taken by the API as it is, suffices, and is no more than needed."""

from __future__ import annotations

import json
import subprocess

import pytest

from drillkit.spec.files import Found
from tests.conftest import CommandLine
from tests.drills.conftest import playing
from tests.drills.test_permissions import Account
from tests.drills.test_shipped import ALONE, named, sets_of
from tests.drills.test_shipped import arguments_of as needs_of


def apply(account: Account, text: str, *more: str) -> str:
    ran = subprocess.run(
        ["kubectl", "--kubeconfig", str(account.admin), "apply", "-f", "-", *more],
        capture_output=True,
        text=True,
        input=text,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize("found", ALONE, ids=named)
def test_the_roles_of_each_drill_are_taken_suffice_and_are_no_more_than_it_needs(
    found: Found, drillkit: CommandLine
) -> None:
    asked = (found.name, "-t", "sandbox", *sets_of(found))
    with playing(drillkit, *needs_of(found)) as world:
        account = Account(world)
        ran = drillkit("permissions", *asked, "--rbac", "--to", "serviceaccount:drillkit/drill")
        assert ran.code == 0, ran.said
        dry = apply(account, ran.out, "--dry-run=server")
        assert dry
        assert all("server dry run" in line for line in dry.splitlines())
        all_of_it = drillkit("permissions", *asked, "--verify")
        # The practice account has no IAM that could be asked: that is told, and no success.
        aws = "--iam" if "AWS does not say" in all_of_it.out else ""
        assert bool(aws) == ("in AWS:" in all_of_it.out)
        assert all_of_it.code == (3 if aws else 1), all_of_it.said
        assert "exceeds" in all_of_it.out
        account.enter()
        nothing = drillkit("permissions", *asked, "--verify")
        assert nothing.code == 4, nothing.said
        assert "lacks" in nothing.out
        apply(account, ran.out)
        exact = drillkit("permissions", *asked, "--verify")
        assert "lacks" not in exact.out, exact.said
        assert "exceeds" not in exact.out, exact.said
        assert exact.code == (3 if aws else 0), exact.said
        assert ("exactly what the drill needs" in exact.out) == (not aws)
        plan = drillkit("plan", *asked, "--json")
        assert json.loads(plan.out)["problems"] == []
