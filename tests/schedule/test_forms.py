"""What is printed to be installed is what the schedulers themselves accept."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from drillkit.model.drill import StartWindow
from drillkit.model.units import Cadence
from drillkit.schedule import ScheduledDrill, times_of
from drillkit.schedule.cron import crontab
from drillkit.schedule.github import in_utc, workflow
from drillkit.schedule.kubernetes import manifests
from drillkit.schedule.systemd import calendars, units

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def job(folder: Path, **changed: object) -> ScheduledDrill:
    made = ScheduledDrill(
        drill="monthly-dr",
        target="prod",
        times=times_of(
            Cadence("monthly"),
            StartWindow(hours="02:00-05:00", timezone="Europe/Berlin", days=("mon", "tue")),
        ),
        limit=timedelta(hours=2),
        cleanup_limit=timedelta(minutes=15),
        wait=timedelta(minutes=30),
        jitter=timedelta(0),
        program=("/opt/drill kit/bin/drillkit",),
        project=folder,
        reports=folder / "reports",
        state=folder / "state",
        user="root",
        home=folder,
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def test_a_crontab_line_runs_with_nearly_no_environment(tmp_path: Path) -> None:
    folder = tmp_path / "it's 100 % ours"
    folder.mkdir()
    program = folder / "drillkit"
    program.write_text('#!/bin/sh\necho "$PWD|$HOME|$DRILLKIT_HOME|$(umask)|$*"\necho wrong >&2\n')
    program.chmod(0o755)
    made = job(folder, program=(str(program),))
    *comments, line = crontab(made, NOW).rstrip("\n").split("\n")
    assert all(comment.startswith("#") for comment in comments)
    fields = line.split(" ", 5)
    assert " ".join(fields[:5]) == "0 2,3,4 1-7 * *"
    # As cron does: an unescaped percent sign ends the command, an escaped one is one.
    assert not re.search(r"(?<!\\)%", fields[5])
    command = fields[5].replace(r"\%", "%")
    ran = subprocess.run(
        ["/bin/sh", "-c", command], env={}, cwd="/", capture_output=True, text=True, check=True
    )
    assert (ran.stdout, ran.stderr) == ("", "wrong\n"), "what is mailed is what is wrong"
    log = (folder / "reports" / "drillkit-monthly-dr-prod.log").read_text()
    there, at_home, state, mask, words = log.strip().split("|")
    assert (there, at_home, state, mask) == (
        str(folder),
        str(folder),
        str(folder / "state"),
        "0027",
    )
    assert words == ("run monthly-dr --target prod --scheduled --yes --recover --wait 1800s --json")


def test_the_next_starts_are_said(tmp_path: Path) -> None:
    assert "#   Tue 2026-12-01 02:00 CET\n" in crontab(job(tmp_path), NOW)


@needs_systemd
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    program = tmp_path / "drillkit"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    made = units(job(tmp_path, program=(str(program),), project=tmp_path), NOW)
    for name, text in made.items():
        (tmp_path / name).write_text(text)
    checked = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / n) for n in made if "@" not in n)],
        capture_output=True,
        text=True,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    ours = [line for line in checked.stderr.splitlines() if "drillkit" in line]
    assert (checked.returncode, ours) == (0, [])


def as_systemd_reads(text: str) -> list[str]:
    """The words of a line of a unit: quoted and escaped as systemd.syntax(7) has it."""
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(text)]


def test_the_service_starts_what_was_meant_with_nothing_of_a_shell(tmp_path: Path) -> None:
    folder = tmp_path / "it is 100 % ours, $HOME or not"
    folder.mkdir()
    program = folder / "drillkit"
    program.write_text('#!/bin/sh\necho "$PWD|$HOME|$DRILLKIT_HOME|$(umask)|$*"\n')
    program.chmod(0o755)
    made = units(job(folder, program=(str(program),)), NOW)["drillkit-monthly-dr-prod.service"]
    said = dict(line.split("=", 1) for line in made.splitlines() if line[:1].isupper())
    place = said["WorkingDirectory"].replace("%%", "%")
    ran = subprocess.run(
        as_systemd_reads(said["ExecStart"]),
        env=dict(word.split("=", 1) for word in as_systemd_reads(said["Environment"])),
        cwd=place,
        umask=int(said["UMask"], 8),
        capture_output=True,
        text=True,
        check=True,
    )
    there, at_home, state, mask, words = ran.stdout.strip().split("|")
    assert (there, at_home, state) == (str(folder), str(folder), str(folder / "state"))
    assert (mask, words) == (
        "0027",
        "run monthly-dr --target prod --scheduled --yes --recover --wait 1800s",
    )


@needs_systemd
@pytest.mark.parametrize(
    "expression",
    [
        "0 2,3,4 1-7 * *",
        "*/20 0 1 1,7 *",
        "15 4 * * 1-5",
        "15 4 * * 0,7",
        "0 6 13 * 5",
        "0 0 29 2 *",
    ],
)
def test_systemd_starts_at_the_moments_of_the_expression(expression: str) -> None:
    within = StartWindow(hours="00:00-24:00", timezone="Europe/Berlin")
    times = times_of(Cadence(expression), within)
    found: set[datetime] = set()
    for text in calendars(times):
        shown = subprocess.run(
            [
                "systemd-analyze",
                "calendar",
                text,
                "--iterations=6",
                "--base-time=2026-11-28 12:00:00 UTC",
            ],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "TZ": "UTC", "LC_ALL": "C"},
        ).stdout
        for at in re.findall(r"\(in UTC\): \w+ (\S+ \S+) UTC|elapse: \w+ (\S+ \S+) UTC", shown):
            found.add(datetime.fromisoformat(next(filter(None, at))).replace(tzinfo=UTC))
        for at in re.findall(
            r"(?:Next elapse|Iter\. #\d+|Iteration #\d+): \w+ (\S+ \S+) UTC", shown
        ):
            found.add(datetime.fromisoformat(at).replace(tzinfo=UTC))
    expected = [at.astimezone(UTC) for at in times.after(NOW, 6)]
    assert sorted(found)[:6] == expected


def test_systemd_is_told_what_it_cannot_say() -> None:
    with pytest.raises(ValueError, match="systemd has no `L`"):
        list(calendars(times_of(Cadence("0 3 * * MON#1"), None)))


def test_a_cron_job_lets_a_run_finish_and_never_repeats_one(tmp_path: Path) -> None:
    files = {"drillkit.yaml": "", "drills/monthly-dr.yaml": "drill: monthly-dr\n# 1\n"}
    text = manifests(job(tmp_path), NOW, image="r/drillkit:1", namespace="drillkit", files=files)
    objects = {each["kind"]: each for each in yaml.safe_load_all(text)}
    spec = objects["CronJob"]["spec"]
    assert (spec["schedule"], spec["timeZone"]) == ("0 2,3,4 1-7 * *", "Europe/Berlin")
    assert spec["concurrencyPolicy"] == "Forbid"
    inner = spec["jobTemplate"]["spec"]
    assert inner["backoffLimit"] == 0
    whole = timedelta(hours=2) + 2 * timedelta(minutes=15) + timedelta(minutes=30)
    assert inner["activeDeadlineSeconds"] > whole.total_seconds()
    pod = inner["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > 15 * 60
    assert objects["ConfigMap"]["data"]["drills.monthly-dr.yaml"] == "drill: monthly-dr\n# 1\n"
    assert "# 1\n" in text
    (volume,) = (v for v in pod["volumes"] if "configMap" in v)
    assert {i["key"]: i["path"] for i in volume["configMap"]["items"]} == {
        "drillkit.yaml": "drillkit.yaml",
        "drills.monthly-dr.yaml": "drills/monthly-dr.yaml",
    }


def test_with_a_bucket_nothing_of_a_cron_job_needs_a_volume(tmp_path: Path) -> None:
    place = "s3://drills/prod?region=eu-west-1"
    found = manifests(job(tmp_path, bucket=place), NOW, image="i", namespace="n", files={})
    objects = {each["kind"]: each for each in yaml.safe_load_all(found)}
    assert "PersistentVolumeClaim" not in objects
    pod = objects["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["args"][-2:] == ["--out", place]
    assert {"name": "runs", "emptyDir": {}} in pod["volumes"]
    assert f"--out '{place}'" in crontab(job(tmp_path, bucket=place), NOW)


def test_files_that_are_too_many_for_a_config_map_are_told(tmp_path: Path) -> None:
    files = {"drills/big.yaml": "x" * 1_000_000}
    with pytest.raises(ValueError, match="1000000 bytes and a ConfigMap holds"):
        manifests(job(tmp_path), NOW, image="i", namespace="n", files=files)


def test_a_workflow_is_yaml_and_starts_by_utc(tmp_path: Path) -> None:
    said = yaml.safe_load(workflow(job(tmp_path), NOW))
    # YAML 1.1 reads the key `on` as true; GitHub does not.
    assert said[True]["schedule"] == [{"cron": "0 1,2,3 1-7 * *"}]
    assert said["jobs"]["drill"]["timeout-minutes"] == 190
    run = next(
        s["run"] for s in said["jobs"]["drill"]["steps"] if "drillkit run" in s.get("run", "")
    )
    program = tmp_path / "drillkit"
    program.write_text('#!/bin/sh\necho "$*"\n')
    program.chmod(0o755)
    # As a runner does.
    ran = subprocess.run(
        ["bash", "-e", "-c", run],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.startswith("run monthly-dr --target prod --scheduled --yes --recover")
    assert "--github" in ran.stdout.split()


def test_utc_is_another_day_is_told() -> None:
    within = StartWindow(hours="00:30-01:00", timezone="Europe/Berlin")
    with pytest.raises(ValueError, match="is another day"):
        in_utc(times_of(Cadence("monthly"), within), NOW)
    assert in_utc(times_of(Cadence("daily"), within), NOW) == "30 23 * * *"


def test_a_half_hour_zone_is_half_an_hour_off() -> None:
    within = StartWindow(hours="12:00-14:00", timezone="Asia/Kolkata")
    times = times_of(Cadence("weekly"), within)
    assert in_utc(times, NOW) == "30 6,7 * * 1"
    first = times.after(NOW, 1)[0]
    assert first.astimezone(ZoneInfo("UTC")).strftime("%H:%M") == "06:30"
