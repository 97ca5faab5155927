"""Every drill and experiment that ships, whatever lies in the folders: checked, foreseen, run with
what its plan says that it needs and no more, and nothing is left.
"""

from __future__ import annotations

import pytest

from drillkit.spec.files import FoundFile
from tests.conftest import CommandLine
from tests.drills.accounts import Account, planned
from tests.drills.conftest import Playground, playing
from tests.drills.shipped import (
    ALONE,
    DRILLS,
    EXPERIMENTS,
    arguments_of,
    probed,
    sets_of,
)
from tests.drills.wire import Wire

AWAY = "http://127.0.0.1:9"
OPERATORS = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), AWAY),
    **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"), "/nowhere"),
    **{"KUBECONFIG": "/nowhere", "KUBERNETES_CONTEXT": "production"},
    **{"AWS_PROFILE": "production", "AWS_ACCESS_KEY_ID": "AKIAOFNOBODY"},
    **{"AWS_SECRET_ACCESS_KEY": "theirs", "AWS_REGION": "us-west-1"},
    **{"AWS_ENDPOINT_URL_RDS": AWAY, "AWS_USE_FIPS_ENDPOINT": "true"},
    **{"PGHOST": "127.0.0.9", "PGPORT": "1", "PGSSLMODE": "verify-full", "PGSERVICE": "theirs"},
    **{"LC_ALL": "C", "TZ": "Asia/Kathmandu", "PYTHONOPTIMIZE": "1"},
}
"""What engineers have set on their machines: none of it may lead a drill elsewhere."""
ENDED = {"undone", "already-undone", "irreversible"}
"""Outcomes of what a drill that was met has planned."""


def test_every_shipped_drill_and_experiment_is_found_and_valid(drillkit: CommandLine) -> None:
    ran = drillkit("validate")
    assert ran.code == 0, ran.said
    for found in (*DRILLS, *EXPERIMENTS):
        assert f"{found.path.parent.name}/{found.path.name}\n" in ran.out, found.name
    one = drillkit(
        "validate", *(found.name for found in DRILLS), *(str(found.path) for found in EXPERIMENTS)
    )
    assert one.code == 0, one.said


@pytest.mark.slow
@pytest.mark.parametrize(
    "found",
    [
        pytest.param(found, id=found.name, marks=[pytest.mark.realtime] if probed(found) else [])
        for found in ALONE
    ],
)
def test_a_shipped_drill_is_met_with_what_its_plan_needs_and_leaves_nothing(
    found: FoundFile, drillkit: CommandLine
) -> None:
    with playing(drillkit, "--audit", *arguments_of(found)) as world:
        account = Account(world)
        needed, spared, actions = planned(drillkit, found)
        account.grant(needed)
        account.enter()
        wire = Wire(drillkit, world)
        admin = Playground({**world.endpoints, "kubeconfig": str(account.admin)}, world.pid)
        before = admin.inventory()
        foreseen = drillkit("plan", found.name, "-t", "sandbox", *sets_of(found))
        assert foreseen.code == 0, foreseen.said
        assert admin.inventory() == before, "a plan touches nothing"
        words = ("run", found.name, "-t", "sandbox", "--yes", *sets_of(found))
        ran = drillkit(*words, env=OPERATORS, limit_s=600)
        assert ran.code == 0, ran.err
        verdict = drillkit.verdict(found.name)
        assert verdict["holds"] == "met"
        report = (drillkit.run_folder(found.name) / "report.md").read_text()
        assert "Fragile before anything" in report or "pod/shop/" not in foreseen.out
        assert verdict["undos"], "what it did is in the report"
        assert [u["resource"] for u in verdict["undos"] if u["outcome"] not in ENDED] == []
        assert all(step["hit"] for step in verdict["steps"] if step["uses"] == "chaostoolkit")
        admin.must_be(before)
        wire.must_be(needed, actions, denied=2 * len(spared))  # by the plan, and by the run
        assert list((drillkit.home / "open").iterdir()) == []


@pytest.mark.slow
def test_every_shipped_experiment_can_be_foreseen_as_a_drill_of_its_own(
    drillkit: CommandLine,
) -> None:
    with playing(drillkit) as world:
        before = world.inventory()
        for found in EXPERIMENTS:
            foreseen = drillkit("plan", str(found.path), "-t", "sandbox")
            assert foreseen.code == 0, foreseen.said
            assert "nothing was touched" in foreseen.out
        assert world.inventory() == before
