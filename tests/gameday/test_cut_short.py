"""Game days that do not go to their end: stopped or killed while users suffer, or kept out."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from drillkit.journal.file import salvage
from drillkit.journal.request_socket import ask
from drillkit.judge.people import PeopleView, people_of
from drillkit.model.errors import DrillError
from drillkit.model.evidence import Mark
from drillkit.model.records import History, RunAborted
from drillkit.model.requests import AddNote, Decide, Ready, Request
from tests.conftest import CommandLine, Sandbox, sandboxed
from tests.notify.receiver import receiver

pytestmark = pytest.mark.slow
LIMIT_S = 60.0
JOURNALS = "**/2*/journal.jsonl"
DAY = """
drill: day
owner: sre@example.com
gameday: {expectations: [Nobody notices]}
probes: {web: {http: "${target.urls.web}/health", rate: 5/s}}
hypothesis: {before: {web: {bad: 1 of 5}}, after: {web: {bad: 1 of 5, within: 3m}}}
steps:
  - name: gone
    uses: chaostoolkit
    with: {experiment: scale-to-zero, configuration: {namespace: shop, name: web, duration: 10m}}
"""
QUIET = """
drill: quiet
owner: sre@example.com
notify: [{uses: webhook, with: {url: "env:HOOK"}, events: [held]}]
steps:
  - {name: one, uses: wait, with: {for: 10ms}}
  - {name: two, uses: wait, with: {for: 10ms}, secret: true, hold: {for: 10m, else: skip}}
"""
RACK = """
drill: rack
owner: sre@example.com
notify: [{uses: webhook, with: {url: "env:HOOK"}, events: [needs-person]}]
steps: [{name: cable, uses: manual, with: {do: Pull the cable, undo: Plug it in, disrupts: true}}]
"""
HOME = {"room": {"aws": {"account": "123456789012", "region": "eu-central-1"}}}


class Day:
    """A game day that goes on, in a process of its own that has no terminal."""

    def __init__(
        self, line: CommandLine, process: subprocess.Popen[str], journals: Path, known: set[Path]
    ) -> None:
        self.line, self.process = line, process
        self._journals, self._known = journals, known

    def history(self) -> History:
        found = set(self._journals.glob(JOURNALS)) - self._known
        if not found:
            return ()
        [journal] = found
        self.folder = journal.parent
        return salvage(journal).history

    def until(self, true: Callable[[History, PeopleView], Any]) -> History:
        end = time.monotonic() + LIMIT_S
        while True:
            history = self.history()
            if true(history, people_of(history)):
                return history
            assert time.monotonic() < end, "it never came"
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.05)

    def say(self, request: Request) -> None:
        """As soon as the run takes it."""
        end = time.monotonic() + LIMIT_S
        while True:
            try:
                ask(self.folder, request)
                return
            except DrillError:
                assert time.monotonic() < end
                time.sleep(0.02)

    def go_and_wait_until_users_suffer(self) -> None:
        self.until(lambda history, people: people.hold)
        self.say(AddNote(by="jan", text="I look at the dashboards"))
        self.say(Decide(by="ann", decision="go"))
        self.until(
            lambda history, people: any(
                isinstance(r.entry, Mark) and r.entry.moment == "disrupted" for r in history
            )
        )

    def ends(self) -> str:
        self.until(lambda history, people: any(r.data == {"phase": "debrief"} for r in history))
        self.say(Ready(by="ann"))
        return "".join(self.process.communicate(timeout=LIMIT_S))


@contextmanager
def gameday(
    line: CommandLine,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    journals: Path | None = None,
) -> Iterator[Day]:
    """`journals`: where its journal will be, in a folder of some bucket's copy; default: here."""
    place = journals or line.folder / "reports"
    known = set(place.glob(JOURNALS))
    process = line.start("gameday", *arguments, "--yes", "--as", "ann", env=env)
    try:
        yield Day(line, process, place, known)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CommandLine, Sandbox]]:
    line = CommandLine(tmp_path_factory.mktemp("shop"))
    (line.folder / "day.yaml").write_text(DAY)
    with sandboxed(line.home / "sandbox") as sandbox:
        yield line, sandbox


def kubectl(sandbox: Sandbox, *words: str) -> str:
    command = ["kubectl", "--kubeconfig", str(sandbox.kubeconfig), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def replicas(sandbox: Sandbox) -> int:
    found = json.loads(kubectl(sandbox, "get", "deployment", "web", "-n", "shop", "-o", "json"))
    return int(found["spec"]["replicas"])


needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")


@needs_kubectl
def test_a_stop_while_users_suffer_brings_back_what_was_taken_and_ends_in_the_debrief(
    shop: tuple[CommandLine, Sandbox],
) -> None:
    line, sandbox = shop
    before = replicas(sandbox)
    with gameday(line, "./day.yaml", "-t", "sandbox") as day:
        day.go_and_wait_until_users_suffer()
        assert replicas(sandbox) == 0
        asked = line("say", "--as", "jan", "stop", "customers call")
        assert asked.code == 0, asked.said
        said = day.ends()
    assert day.process.returncode in (1, 3), said
    assert replicas(sandbox) == before
    history = day.history()
    [why] = [r.entry.why for r in history if isinstance(r.entry, RunAborted)]
    assert why == "jan asked for it: customers call"
    assert any(r.data == {"phase": "debrief"} for r in history)
    verdict = line.verdict("day")
    assert {undo["outcome"] for undo in verdict["undos"]} <= {"undone", "already-undone"}


@needs_kubectl
def test_a_killed_game_day_is_recovered_and_what_people_said_stays(
    shop: tuple[CommandLine, Sandbox],
) -> None:
    line, sandbox = shop
    before = replicas(sandbox)
    with gameday(line, "./day.yaml", "-t", "sandbox") as day:
        day.go_and_wait_until_users_suffer()
        os.kill(day.process.pid, signal.SIGKILL)
        day.process.wait()
    assert replicas(sandbox) == 0
    recovered = line.process("recover")
    assert recovered.code in (0, 3), recovered.said
    assert replicas(sandbox) == before
    verdict = line.verdict("day")
    assert verdict["exit_code"] in (1, 3)
    report = (line.run_folder("day") / "report.md").read_text()
    assert "I look at the dashboards" in report
    assert "Nobody notices" in report


@needs_kubectl
def test_a_block_stops_a_game_day_and_keeps_everybody_out_until_it_is_lifted(
    shop: tuple[CommandLine, Sandbox],
) -> None:
    line, sandbox = shop
    with gameday(line, "./day.yaml", "-t", "sandbox") as day:
        day.until(lambda history, people: people.hold)
        blocked = line.process("block", "sandbox", "sale until Monday")
        assert blocked.code == 0, blocked.said
        assert "a drill runs there; it stops now" in blocked.out
        said = day.ends()
    assert day.process.returncode == 3, said
    assert "sale until Monday" in said
    refused = line.process("gameday", "./day.yaml", "-t", "sandbox", "--yes")
    assert refused.code == 4, refused.said
    assert "the target is blocked: sale until Monday" in refused.said
    lifted = line.process("unblock", "sandbox")
    assert lifted.code == 0, lifted.said
    # With nothing but kubectl, as the manual has it.
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "drillkit", "annotations": {"drillkit.dev/blocked": "audit"}},
    }
    file = line.folder / "lease.json"
    file.write_text(json.dumps(lease))
    kubectl(sandbox, "-n", "drillkit", "apply", "-f", str(file))
    refused = line.process("run", "pod-delete", "-t", "sandbox", "--yes")
    assert refused.code == 4
    assert "the target is blocked: audit" in refused.said
    kubectl(sandbox, "-n", "drillkit", "annotate", "lease", "drillkit", "drillkit.dev/blocked-")
    assert "was not blocked" in line.process("unblock", "sandbox").out


def test_without_a_terminal_a_game_day_is_led_by_lines(drillkit: CommandLine) -> None:
    with receiver(200) as hook:
        lead_by_lines(drillkit, hook.url)
    told = [each.data["data"]["headline"] for each in hook.came]
    # At the other holds nobody has to be called: a facilitator is there.
    waits = "It waits before a surprise until somebody decides (10 min from now, else skip)."
    assert told == [waits, waits]
    assert "drillkit say --run" in hook.came[0].data["data"]["advice"]


def test_what_a_killed_game_day_left_keeps_the_next_from_starting_and_calls_somebody(
    drillkit: CommandLine,
) -> None:
    project(drillkit)
    with receiver(200) as hook:
        hooked = {"HOOK": hook.url}
        with gameday(drillkit, "rack", "-t", "room", env=hooked) as day:
            day.until(lambda history, people: people.hold)
            day.say(Decide(by="ann", decision="go"))
            day.until(lambda history, people: people.questions)
            os.kill(day.process.pid, signal.SIGKILL)
            day.process.wait()
        for command in ("gameday", "run"):
            ran = drillkit.process(command, "rack", "-t", "room", "--yes", env=hooked)
            assert ran.code == 4, ran.said
            assert f"drillkit recover {day.folder.name}" in ran.said
    events = [(each.data["type"], each.data["data"]) for each in hook.came]
    assert [event.rpartition(".")[2] for event, _ in events] == ["needs-person"] * 2
    for _, told in events:
        assert told["headline"].startswith("It did not start: ")
        assert f"drillkit recover {day.folder.name}" in told["headline"]


def project(drillkit: CommandLine) -> None:
    (drillkit.folder / "drillkit.yaml").write_text("")
    (drillkit.folder / "drills").mkdir()
    (drillkit.folder / "drills" / "quiet.yaml").write_text(QUIET)
    (drillkit.folder / "drills" / "rack.yaml").write_text(RACK)
    (drillkit.folder / "drills" / "targets.yaml").write_text(json.dumps(HOME))


def lead_by_lines(drillkit: CommandLine, hook: str) -> None:
    project(drillkit)
    command = ["gameday", "quiet", "-t", "room", "--yes", "--as", "ann"]
    process = subprocess.Popen(
        [sys.executable, "-m", "drillkit", *command],
        cwd=drillkit.folder,
        env=drillkit.environment({"TERM": "dumb", "HOOK": hook}),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdin
    assert process.stdout
    shown: list[str] = []
    try:
        for answer, wanted in (
            ("go", "next comes one"),
            ("skip", "next comes two"),
            ("repeat", "say why"),
            ("skip the rack is locked", "next comes two"),
            ("go", "next comes the end of the steps"),
            ("an alarm @sre", "What is to be done?"),
            ("", "an alarm"),
        ):
            while wanted not in (line := process.stdout.readline()):
                assert line, shown
                shown.append(line)
            process.stdin.write(f"{answer}\n")
            process.stdin.flush()
        rest, _ = process.communicate(timeout=LIMIT_S)
    finally:
        process.kill()
        process.wait()
    text = "".join(shown) + rest
    assert "\x1b" not in text
    verdict = drillkit.verdict("quiet")
    steps = {step["name"]: step["outcome"] for step in verdict["steps"]}
    assert steps == {"one": "ok", "one-2": "ok", "two": "skipped"}
    assert process.returncode == verdict["exit_code"]
    assert "step two skipped by ann: the rack is locked" in text
    assert "step two started" not in text
