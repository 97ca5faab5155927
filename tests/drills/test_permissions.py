"""What a plan says it needs suffices, and nothing of it may lack: roles made of exactly that. What
`permissions` prints is taken by the API as it is, suffices, and is no more than needed.

Nothing here takes effect, so one sandbox serves all drills. That each drill is met with exactly
what its plan needs, and asks for no more, is seen in `test_shipped.py`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from drillkit.model.permissions import Permission
from drillkit.spec.files import FoundFile
from tests.conftest import CommandLine
from tests.drills.accounts import Account, planned
from tests.drills.conftest import Playground, playing
from tests.drills.shipped import ALONE, arguments_of, named, sets_of

pytestmark = pytest.mark.slow

REFUSED_IN_TIME = ("pod-delete", "node-drain", "scale-to-zero")
"""Drills of which each lack is not only planned but run, too."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A folder for all drills of this module."""
    return CommandLine(tmp_path_factory.mktemp("permissions"))


@pytest.fixture(scope="module")
def world(home: CommandLine) -> Iterator[Playground]:
    """A sandbox with all that any drill needs."""
    with playing(home, *sorted({need for found in ALONE for need in arguments_of(found)})) as all_:
        yield all_


@pytest.fixture
def account(world: Playground) -> Iterator[Account]:
    made = Account(world)
    yield made
    made.leave()


def names(text: str, permission: Permission) -> bool:
    """Whether it is told that this one lacks: by us, or by the API when we could not even look."""
    by_api = f'cannot {permission.verb} resource "{permission.resource}'
    return f"not allowed to {permission}" in text or by_api in text


@pytest.mark.parametrize("found", ALONE, ids=named)
def test_what_a_plan_needs_suffices_and_each_lack_is_named_before_any_effect(
    found: FoundFile, home: CommandLine, world: Playground, account: Account
) -> None:
    asked = (found.name, "-t", "sandbox", *sets_of(found))
    needed, wishes, _ = planned(home, found)
    assert len(needed) >= 5, "the lock and the identity at least"
    account.grant([*needed, *wishes])
    account.grant(needed)
    account.enter()
    admin = Playground({**world.endpoints, "kubeconfig": str(account.admin)}, world.pid)
    before = admin.inventory()
    for lack in needed:
        account.grant(each for each in needed if each != lack)
        told = home("plan", *asked)
        assert told.code == 4, f"without {lack}: {told.said}"
        assert names(told.out, lack), f"without {lack}: {told.said}"
        if found.name in REFUSED_IN_TIME:
            must_be_refused(found, home, lack)
    account.grant(needed)
    told = home("plan", *asked)
    assert told.code == 0, told.said
    assert [wish for wish in wishes if f"not allowed to {wish}" not in told.out] == []
    admin.must_be(before)


def must_be_refused(found: FoundFile, home: CommandLine, lack: Permission) -> None:
    ran = home("run", found.name, "-t", "sandbox", "--yes", *sets_of(found))
    assert ran.code == 4, f"without {lack}: {ran.said}"
    assert names(ran.said, lack), f"without {lack}: {ran.said}"
    undos = home.verdict(found.name).get("undos", ())
    assert [u for u in undos if u["outcome"] != "never-happened"] == []


def kubectl(account: Account, text: str, *words: str) -> str:
    ran = subprocess.run(
        ["kubectl", "--kubeconfig", str(account.admin), *words, "-f", "-"],
        capture_output=True,
        text=True,
        input=text,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("found", ALONE, ids=named)
def test_the_roles_of_each_drill_are_taken_suffice_and_are_no_more_than_it_needs(
    found: FoundFile, home: CommandLine, account: Account
) -> None:
    asked = (found.name, "-t", "sandbox", *sets_of(found))
    ran = home("permissions", *asked, "--rbac", "--to", "serviceaccount:drillkit/drill")
    assert ran.code == 0, ran.said
    dry = kubectl(account, ran.out, "apply", "--dry-run=server")
    assert dry
    assert all("server dry run" in line for line in dry.splitlines())
    all_of_it = home("permissions", *asked, "--verify")
    # The practice account has no IAM that could be asked: that is told, and no success.
    aws = "--iam" if "AWS does not say" in all_of_it.out else ""
    assert bool(aws) == ("in AWS:" in all_of_it.out)
    assert all_of_it.code == (3 if aws else 1), all_of_it.said
    assert "exceeds" in all_of_it.out
    account.enter()
    nothing = home("permissions", *asked, "--verify")
    assert nothing.code == 4, nothing.said
    assert "lacks" in nothing.out
    kubectl(account, ran.out, "apply")
    exact = home("permissions", *asked, "--verify")
    assert "lacks" not in exact.out, exact.said
    assert "exceeds" not in exact.out, exact.said
    assert exact.code == (3 if aws else 0), exact.said
    assert ("exactly what the drill needs" in exact.out) == (not aws)
    plan = home("plan", *asked, "--json")
    assert json.loads(plan.out)["problems"] == []
    kubectl(account, ran.out, "delete")


def test_a_run_that_fails_does_without_what_it_may_not_look_at(drillkit: CommandLine) -> None:
    (found,) = (each for each in ALONE if each.name == "pod-delete")
    (drillkit.folder / "impatient.yaml").write_text(
        found.path.read_text()
        .replace("drill: pod-delete", "drill: impatient")
        .replace("recovery: 2m", "recovery: 1ms")
    )
    with playing(drillkit) as world:
        needed, _, _ = planned(drillkit, found)
        account = Account(world)
        account.grant(needed)
        account.enter()
        path = str(drillkit.folder / "impatient.yaml")
        ran = drillkit("run", path, "-t", "sandbox", "--yes")
        assert ran.code in (1, 3), ran.said
        assert "Traceback" not in ran.said
