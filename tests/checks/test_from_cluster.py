"""Checks that a Job inside the cluster runs."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.conftest import CommandLine

DRILL = {
    "drill": "inside",
    "owner": "me@example.com",
    "limit": "5m",
    "steps": [
        {
            "name": "db",
            "uses": "rds.point-in-time-restore",
            "with": {"source": "microservices-dev-db"},
            "checks": [
                {"table": "orders", "rows": True, "expect": ">= 5000", "from": "cluster"},
                {"canary": "heartbeat", "from": "cluster"},
                {"table": "orders", "checksum": "id", "keys": "1..5000", "from": "cluster"},
            ],
        }
    ],
}


@pytest.mark.slow
def test_a_job_reads_what_the_runner_could_not_reach_and_is_removed_with_its_secret(
    drillkit: CommandLine,
) -> None:
    folder = drillkit.folder / "drills"
    folder.mkdir()
    (drillkit.folder / "drillkit.yaml").write_text("{}")
    (folder / "inside.yaml").write_text(yaml.safe_dump(DRILL))
    ran = drillkit("run", "inside", "-t", "sandbox", "--yes")
    assert ran.code == 0, ran.err
    verdict = drillkit.verdict("inside")
    undone = {
        undo["resource"].split("/")[0] for undo in verdict["undos"] if undo["outcome"] == "undone"
    }
    assert {"job", "secret", "rds instance", "rds parameter-group"} <= undone
    journal = (drillkit.run_folder("inside") / "journal.jsonl").read_text()
    job = next(json.loads(line) for line in journal.splitlines() if '"kube.delete-object"' in line)
    assert job["data"]["args"]["namespace"] == "drillkit"
    assert "PGPASSWORD" not in journal
