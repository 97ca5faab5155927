"""Fleets whose Jobs are real processes, in the sandbox, as accounts that may no more than the drill
needs.
"""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from tests.bucket import _bucket_server, bucket
from tests.fleet.lab import FleetLab, lab, until

__all__ = ["_bucket_server", "bucket", "lab"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed"),
]


def test_a_canary_that_is_violated_stops_the_fleet_and_what_did_not_run_stays_apart(
    lab: FleetLab,
) -> None:
    lab.make(["t-a", "t-b", "t-c"])
    lab.change("t-b", rto="1ms")
    done = lab(*lab.words("--canary", "t-b"))
    assert done.code == 1, done.said
    assert "nothing more begins: wave 1: t-b is violated" in done.err
    table = lab.table()
    assert table["sums"] == {"violated": 1, "not run": 2}
    assert [each["target"] for each in table["targets"]] == ["t-b", "t-a", "t-c"]
    assert table["targets"][1]["why"] == "not begun: wave 1: t-b is violated"
    assert not lab.begun("t-a")
    assert not lab.begun("t-c")
    run = table["targets"][0]["run"]
    page = lab.bucket.read(f"drills/.fleets/{lab.fleet()}/fleet.html").decode()
    assert f'href="../../rehearsal/{run}/report.html"' in page
    assert lab.bucket.read(f"drills/rehearsal/{run}/report.html")

    words = ("run", "rehearsal", "--target", "t-b", "--fleet", lab.fleet(), "--yes")
    twice = lab(*words, "--out", lab.bucket.url, home="another-pod")
    assert twice.code == 2, "a Job whose pod is started twice runs its drill once"
    assert "cannot be noted" in twice.err


def test_whoever_goes_on_with_a_fleet_whose_controller_was_killed_knows_what_it_knew(
    lab: FleetLab,
) -> None:
    lab.make(["t-a", "t-b", "t-c", "t-d"], on_hub=["t-c"])
    lab.shut("t-a")
    lab.kubectl("delete", "serviceaccount", "drillkit-rehearsal-t-d", "-n", "t-d")
    assert lab("block", "t-b", "a release").code == 0
    first = lab.start(*lab.words("--waves", "1,100%"))
    until(lambda: lab.begun("t-a"), "the canary has not begun")
    going_on = ("fleet", "run", "--continue", lab.fleet(), "--out", lab.bucket.url)
    second = lab(*going_on)
    assert second.code == 4, second.said
    assert f"process {first.pid} is at work on fleet" in second.err
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()

    stands = lab("fleet", "status", lab.fleet(), "--out", lab.bucket.url)
    assert stands.code == 3
    assert "4 targets: 1 running, 3 waiting" in stands.out
    assert "nobody is at work on it" in stands.out
    lab.open("t-a")
    done = lab(*going_on, home="another-machine")
    assert done.code == 3, done.said
    assert lab.results() == {"t-a": "met", "t-b": "refused", "t-c": "met", "t-d": "not run"}
    why = {each["target"]: each["why"] for each in lab.table()["targets"]}
    assert "a release" in why["t-b"]
    assert "serviceaccount/t-d/drillkit-rehearsal-t-d is missing" in why["t-d"]
    assert not lab.begun("t-b")


def test_an_abort_stops_what_runs_and_waits_for_its_relief_and_nothing_more_begins(
    lab: FleetLab,
) -> None:
    lab.make(["t-a", "t-b", "t-c"])
    lab.shut("t-a")
    lab.shut("t-b")
    fleet = lab.start(*lab.words("--waves", "2,100%"))
    until(lambda: lab.begun("t-a") and lab.begun("t-b"), "the first wave has not begun")
    ended = lab("fleet", "abort", lab.fleet(), "--why", "an incident", "--out", lab.bucket.url)
    out, err = fleet.communicate(timeout=120)
    assert ended.code == 3, ended.said
    assert lab.undone("t-a"), "what ran was relieved before the abort returned"
    assert lab.undone("t-b"), "what ran was relieved before the abort returned"
    assert not lab.begun("t-c")
    assert fleet.returncode == 3, err
    assert lab.results() == {"t-a": "unknown", "t-b": "unknown", "t-c": "not run"}
    (why,) = (each["why"] for each in lab.table()["targets"] if each["target"] == "t-c")
    assert why.startswith("not begun: ")
    assert why.endswith(" aborted it: an incident")
    assert lab.jobs() == {}, "they were taken back"
    assert "3 targets: 2 unknown, 1 not run" in out


def test_a_first_ctrl_c_waits_for_what_runs_and_begins_no_more(lab: FleetLab) -> None:
    lab.make(["t-a", "t-b"])
    lab.shut("t-a")
    fleet = lab.start(*lab.words())
    until(lambda: lab.begun("t-a"), "the canary has not begun")
    fleet.send_signal(signal.SIGINT)
    assert fleet.stderr is not None
    told = iter(fleet.stderr.readline, "")
    assert any("Ctrl-C: nothing more begins; what runs is waited for" in line for line in told)
    lab.open("t-a")
    out, _ = fleet.communicate(timeout=120)
    assert fleet.returncode == 3
    assert "2 targets: 1 met, 1 waiting" in out
    assert not lab.begun("t-b")
