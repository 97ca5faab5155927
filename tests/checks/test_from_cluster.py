"""Checks that a Job inside the cluster runs."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from typing import Any

import pytest
import yaml

from tests.conftest import CommandLine, sandboxed

STEP: dict[str, Any] = {
    "name": "db",
    "uses": "rds.point-in-time-restore",
    "with": {"source": "microservices-dev-db"},
}

DRILL = {
    "drill": "inside",
    "owner": "me@example.com",
    "limit": "5m",
    "steps": [
        {
            **STEP,
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


@pytest.mark.slow
def test_a_job_whose_pod_is_taken_away_is_followed_by_another(
    drillkit: CommandLine,
) -> None:
    asleep = {"sql": "select 1 from pg_sleep(100)", "expect": "== 1", "from": "cluster"}
    drill = {**DRILL, "drill": "asleep", "steps": [{**STEP, "checks": [asleep]}]}
    (drillkit.folder / "asleep.yaml").write_text(yaml.safe_dump(drill))
    with sandboxed(drillkit.home / "sandbox", "--aws") as sandbox:

        def kubectl(*words: str) -> str:
            config = ["--kubeconfig", str(sandbox.kubeconfig), "-n", "drillkit"]
            return subprocess.run(
                ["kubectl", *config, *words], capture_output=True, text=True, check=True
            ).stdout

        process = drillkit.start("run", "./asleep.yaml", "-t", "sandbox", "--yes")

        def asking(but: str = "") -> str:
            end = time.monotonic() + 60
            while time.monotonic() < end:
                assert process.poll() is None, process.communicate()
                for job in kubectl("get", "jobs", "-o", "name").split():
                    if job != but and kubectl("get", "pods", "-l", f"job-name={job[10:]}"):
                        return job
                time.sleep(0.1)
            raise AssertionError("nobody asks")

        first = asking()
        kubectl("delete", "pods", "-l", f"job-name={first[10:]}", "--now")
        asking(
            but=first
        )  # the question is put again at once, not when the first Job's time is over
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    undos = drillkit.verdict("asleep")["undos"]
    assert [each for each in undos if each["outcome"] != "undone"] == []
