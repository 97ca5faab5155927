"""`drillkit canary` against the sandbox: installed, beating, read by a restore, removed."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest

from tests.steps.velero.conftest import DRILL, Town

pytestmark = pytest.mark.slow
SHOP = "/api/v1/namespaces/shop"
CRONJOB = "/apis/batch/v1/namespaces/shop/cronjobs/drillkit-orders"
JOBS = "/apis/batch/v1/namespaces/shop/jobs"


def canary(town: Town, *arguments: str) -> Any:
    return town.drillkit("canary", *arguments, "-t", "sandbox", "-n", "shop", "--name", "orders")


def beat(town: Town) -> dict[str, str]:
    found = town.api("GET", f"{SHOP}/configmaps/drillkit-orders")
    return dict(found["data"]) if found else {}


def test_a_heartbeat_is_installed_beats_is_restored_and_removed(town: Town) -> None:
    made = canary(town, "install")
    assert made.code == 0, made.said
    key = base64.b64decode(
        town.api("GET", f"{SHOP}/secrets/drillkit-orders")["data"]["key"]
    ).decode()
    assert key not in made.said
    first = beat(town)
    assert canary(town, "status").code == 0

    # What the CronJob does once a minute, now.
    template = town.api("GET", CRONJOB)["spec"]["jobTemplate"]
    town.api("POST", JOBS, {"metadata": {"name": "beat-now"}, "spec": template["spec"]})
    town.until(lambda: beat(town) != first)
    town.api("DELETE", f"{JOBS}/beat-now?propagationPolicy=Background")
    status = canary(town, "status")
    assert status.code == 0, status.said
    assert "beating" in status.said

    again = canary(town, "install")
    assert again.code == 0, again.said
    assert (
        base64.b64decode(town.api("GET", f"{SHOP}/secrets/drillkit-orders")["data"]["key"]).decode()
        == key
    )

    drill = copy.deepcopy(DRILL)
    drill["steps"][0]["with"].pop("schedule")
    drill["steps"][0]["with"]["backup"] = "${steps.save.outputs.backup}"
    drill["steps"][0]["checks"] = [{"canary": "orders"}]
    drill["steps"].insert(
        0, {"name": "save", "uses": "velero.backup", "with": {"namespaces": ["shop"]}}
    )
    ran = town.run(drill)
    assert ran.code == 0, ran.said
    assert key not in (town.folder / "journal.jsonl").read_text()
    assert town.verdict["steps"][1]["rpo_s"] < 120

    gone = canary(town, "remove")
    assert gone.code == 0, gone.said
    for path in (CRONJOB, f"{SHOP}/configmaps/drillkit-orders", f"{SHOP}/secrets/drillkit-orders"):
        assert town.api("GET", path) is None
    assert canary(town, "status").code == 1


def test_what_has_a_heartbeats_name_and_is_none_is_left_alone(town: Town) -> None:
    town.api(
        "POST", f"{SHOP}/configmaps", {"metadata": {"name": "drillkit-orders"}, "data": {"a": "1"}}
    )
    try:
        made = canary(town, "install")
        assert made.code == 3
        assert "left alone" in made.said
        gone = canary(town, "remove")
        assert gone.code == 0
        assert town.api("GET", f"{SHOP}/configmaps/drillkit-orders")["data"] == {"a": "1"}
    finally:
        town.api("DELETE", f"{SHOP}/configmaps/drillkit-orders")


def test_a_namespace_is_never_assumed_and_the_sql_job_is_printed(town: Town) -> None:
    missing = town.drillkit("canary", "status", "-t", "sandbox")
    assert missing.code == 2
    assert "--namespace" in missing.said
    printed = town.drillkit("canary", "install", "--sql", "orders-db")
    assert printed.code == 0
    assert "create table if not exists drillkit_heartbeat" in printed.out
