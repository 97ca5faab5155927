"""What people do by hand: refused where nobody is, asked for where somebody is, and put back by
somebody who says so.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from drillkit.journal.file import salvage
from drillkit.journal.request_socket import ask
from drillkit.judge.people import people_of
from drillkit.model.errors import DrillError
from drillkit.model.requests import Decide, Ready, Reply, Request
from tests.conftest import CommandLine

DAY = """
drill: day
owner: sre@example.com
steps:
  - name: pull
    uses: manual
    with: {do: Pull the cable of rack 3., runbook: rack.md, undo: Plug it in again., disrupts: true}
    checks: [{command: ["true"]}]
"""
TARGETS = """
room: {aws: {account: "123456789012", region: eu-central-1}}
"""


@pytest.fixture
def day(drillkit: CommandLine) -> CommandLine:
    drills = drillkit.folder / "drills"
    drills.mkdir()
    (drillkit.folder / "drillkit.yaml").write_text("")
    (drills / "day.yaml").write_text(DAY)
    (drills / "targets.yaml").write_text(TARGETS)
    (drills / "rack.md").write_text("# Rack\n## Symptoms\n`echo ${HOME}`\n")
    return drillkit


def test_a_step_by_hand_is_refused_where_nobody_is_before_anything_happens(
    day: CommandLine,
) -> None:
    planned = day("plan", "day", "-t", "room")
    assert planned.code == 4, planned.said
    assert "start it with `drillkit gameday`" in planned.out
    assert "runbook rack.md lacks: diagnosis, resolution" in planned.out
    ran = day("run", "day", "-t", "room", "--yes")
    assert ran.code == 4, ran.said
    assert day.verdict("day")["refused"]
    (day.folder / "drills" / "rack.md").unlink()
    assert "expected a text file beside the drill" in day("validate", "day").said


class Talk:
    """Answers what a run asks, as it asks, through its door."""

    def __init__(self, day: CommandLine) -> None:
        self._day, self._asked = day, set[int]()

    def until(self, kind: str, limit_s: float = 60.0) -> Path:
        """Wait for the next open hold, question or the debrief."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            # The link to the latest run comes with its report.
            for journal in (self._day.folder / "reports" / "day").glob("2*/journal.jsonl"):
                folder, history = journal.parent, salvage(journal).history
                view = people_of(history)
                opened = {"hold": view.hold, "question": next(iter(view.questions.values()), None)}
                found = opened.get(kind)
                if found is not None and found.n not in self._asked:
                    self._asked.add(found.n)
                    return folder
                if kind == "debrief" and any(r.data == {"phase": "debrief"} for r in history):
                    return folder
            time.sleep(0.05)
        raise AssertionError(f"no {kind} came")

    def say(self, kind: str, request: Request) -> None:
        folder = self.until(kind)
        end = time.monotonic() + 10
        while True:
            try:
                ask(folder, request)
                return
            except DrillError:
                assert time.monotonic() < end
                time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("back", [True, False])
def test_what_is_done_by_hand_is_asked_for_and_put_back_on_somebodys_word(
    day: CommandLine, back: bool
) -> None:
    process = day.start("gameday", "day", "-t", "room", "--yes", "--as", "ann")
    try:
        talk = Talk(day)
        talk.say("hold", Decide(by="ann", decision="go"))
        talk.say("question", Reply(by="jan", done=True, why="pulled"))
        talk.say("hold", Decide(by="ann", decision="go"))
        for _ in range(1 if back else 3):
            talk.say("question", Reply(by="jan", done=back, why="the rack is locked"))
        talk.say("debrief", Ready(by="ann"))
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    verdict = day.verdict("day")
    undo = next(each for each in verdict["undos"] if each["resource"] == "manual/pull")
    if back:
        assert process.returncode == 3, err
        assert (undo["outcome"], undo["detail"]) == ("by-hand", "jan: the rack is locked")
        return
    assert process.returncode == 5, err
    assert "drillkit settle RUN manual/pull" in undo["detail"]
    settled = day("settle", verdict["run"], "manual/pull", "--why", "plugged in on Monday")
    assert settled.code == 0, settled.said
