"""`run --scheduled`: what a timer starts, and who is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest
import yaml

from drillkit.journal.runs import holder
from tests.conftest import CommandLine

DRILL = """
drill: once
owner: sre
target: sandbox
cadence: monthly
window: {hours: "HOURS", timezone: UTC}
probes: {web: {http: "${target.urls.web}/health", rate: 20/s}}
hypothesis: {before: {web: {bad: 0 of 20}}, during: {web: {bad: BAD}}}
steps:
  - name: kill
    uses: chaostoolkit
    with: {experiment: pod-delete, configuration: {namespace: shop, selector: app=web}}
"""
DAILY = ("cadence: monthly", "cadence: daily")


def project(drillkit: CommandLine, *changes: tuple[str, str]) -> None:
    text = DRILL
    for old, new in (*changes, ("HOURS", "00:00-24:00"), ("BAD", "20")):
        text = text.replace(old, new)
    (drillkit.folder / "drillkit.yaml").write_text("")
    (drillkit.folder / "drills").mkdir(exist_ok=True)
    (drillkit.folder / "drills" / "once.yaml").write_text(text)


@pytest.mark.slow
def test_a_run_that_is_well_says_nothing_and_is_not_made_twice(drillkit: CommandLine) -> None:
    project(drillkit, DAILY)
    first = drillkit("run", "once", "--scheduled", "--yes", "--recover")
    assert (first.code, first.out, first.err) == (0, "", "")
    runs = [p for p in (drillkit.folder / "reports" / "once").iterdir() if not p.is_symlink()]
    assert len(runs) == 1
    opened = json.loads((runs[0] / "journal.jsonl").read_text().splitlines()[0])
    assert opened["data"]["trigger"] == "schedule"
    again = drillkit("run", "once", "--scheduled", "--yes", "--recover")
    assert (again.code, again.out, again.err) == (0, "", "")
    assert len([*(drillkit.folder / "reports" / "once").iterdir()]) == 2, "one run and `latest`"


@pytest.mark.slow
def test_what_is_wrong_is_one_paragraph_with_what_to_do(drillkit: CommandLine) -> None:
    project(drillkit, DAILY, ("selector: app=web", "selector: app=nobody"))
    ran = drillkit("run", "once", "--scheduled", "--yes")
    assert ran.code != 0
    assert ran.out == ""
    assert len(ran.err.strip().splitlines()) == 1, ran.err
    assert "once" in ran.err
    assert "app=nobody" in ran.err


def test_what_is_not_due_is_passed_over_in_silence(drillkit: CommandLine) -> None:
    project(drillkit, ("cadence: monthly", 'cadence: "0 3 29 2 *"'))
    ran = drillkit("run", "once", "--scheduled", "--yes")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert not (drillkit.folder / "reports" / "once").exists()


def test_a_drill_without_a_cadence_cannot_be_scheduled(drillkit: CommandLine) -> None:
    project(drillkit, ("cadence: monthly\n", ""))
    for words in (("run", "once", "--scheduled", "--yes"), ("schedule", "once", "--cron")):
        ran = drillkit(*words)
        assert ran.code == 2
        assert "give it a `cadence`" in ran.err


@pytest.mark.parametrize("form", ["--cron", "--systemd", "--github", "--kubernetes"])
def test_each_form_is_printed(drillkit: CommandLine, form: str) -> None:
    project(drillkit)
    image = ("--image", "registry.example.com/drillkit:1") if form == "--kubernetes" else ()
    ran = drillkit("schedule", "once", form, *image)
    assert ran.code == 0, ran.err
    assert "run once --target sandbox --scheduled" in ran.out.replace("\n            - ", " ")


def test_the_account_of_a_cron_job_is_allowed_what_the_drill_needs_and_no_more(
    drillkit: CommandLine,
) -> None:
    project(drillkit)
    words = ("schedule", "once", "--kubernetes", "--image", "i", "--namespace", "ops")
    ran = drillkit(*words)
    assert ran.code == 0, ran.err
    found = list(yaml.safe_load_all(ran.out))
    (account,) = (each["metadata"]["name"] for each in found if each["kind"] == "ServiceAccount")
    bindings = [each for each in found if each["kind"].endswith("Binding")]
    subject = {"kind": "ServiceAccount", "name": account, "namespace": "ops"}
    assert bindings
    assert all(each["subjects"] == [subject] for each in bindings)
    roles = [each for each in found if each["kind"] in ("Role", "ClusterRole")]
    own = drillkit("permissions", "once", "-t", "sandbox").out
    computed = [e for e in yaml.safe_load_all(own) if e["kind"] in ("Role", "ClusterRole")]
    # They are called like the account: those for another target must not take their place.
    assert {each["metadata"].pop("name") for each in roles} == {account}
    for each in computed:
        del each["metadata"]["name"]
    assert roles == computed
    assert any("leases" in rule["resources"] for each in roles for rule in each["rules"])


def test_a_target_that_cannot_be_looked_at_has_its_roles_told_of(drillkit: CommandLine) -> None:
    project(drillkit)
    (drillkit.folder / "drills" / "targets.yaml").write_text(
        "far: {kubernetes: {kubeconfig: nowhere.yaml}}\n"
    )
    ran = drillkit("schedule", "once", "-t", "far", "--kubernetes", "--image", "i")
    assert ran.code == 0, ran.err
    by_hand = "drillkit permissions once --target far --to serviceaccount:drillkit/"
    assert by_hand in ran.out
    assert by_hand in ran.err
    assert list(yaml.safe_load_all(ran.out))


def test_a_form_must_be_chosen_and_kubernetes_needs_an_image(drillkit: CommandLine) -> None:
    project(drillkit)
    assert "expected one of --cron" in drillkit("schedule", "once").err
    assert "needs --image" in drillkit("schedule", "once", "--kubernetes").err


def test_units_are_written_into_a_folder(drillkit: CommandLine) -> None:
    project(drillkit)
    ran = drillkit("schedule", "once", "--systemd", "--write", "units")
    assert ran.code == 0, ran.err
    assert sorted(p.name for p in (drillkit.folder / "units").iterdir()) == [
        "drillkit-failed@.service",
        "drillkit-once-sandbox.service",
        "drillkit-once-sandbox.timer",
    ]


@pytest.mark.slow
def test_the_crontab_line_runs_once_without_environment_terminal_or_anybody_who_reads(
    drillkit: CommandLine,
) -> None:
    project(drillkit, DAILY)
    drill = drillkit.folder / "drills" / "once.yaml"
    begin = drill.read_text().partition("probes:")[0]
    drill.write_text(f"{begin}steps: [{{uses: wait, with: {{for: 60s}}}}]\n")
    printed = drillkit("schedule", "once", "--cron").out.rstrip().splitlines()[-1]
    command = printed.split(" ", 5)[5].replace(r"\%", "%")

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["/bin/sh", "-c", f"exec </dev/null >&-; {command}"],
            env={"LANG": "C", "SHELL": "/bin/sh"},
            cwd="/",
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    first = start()
    try:
        reports = drillkit.folder / "reports"
        log = reports / "drillkit-once-sandbox.log"
        deadline = time.monotonic() + 60
        while not (log.exists() and '"step.started"' in log.read_text()):
            assert first.poll() is None, first.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        second = start()
        assert second.communicate(timeout=60) == (None, ""), "passed over, and nobody is mailed"
        assert second.returncode == 0
        (run,) = (each for each in (reports / "once").iterdir() if not each.is_symlink())
        runner = holder(run)
        assert runner is not None
        os.kill(runner, signal.SIGTERM)
        _, mailed = first.communicate(timeout=60)
    finally:
        first.kill()
        first.wait()
    assert len([*(reports / "once").iterdir()]) == 2, "one run and `latest`"
    assert first.returncode == 3
    assert len(mailed.strip().splitlines()) == 1, mailed
    assert f"{run.resolve()}/report.md" in mailed
    last = json.loads((run / "journal.jsonl").read_text().splitlines()[-1])
    assert (last["kind"], last["data"]["left"]) == ("run.closed", []), (
        "stopped, it undid everything"
    )
