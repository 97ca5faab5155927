"""A bucket of runs on a page: what goes on on other machines, and what nobody is given of it."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drillkit.cli.runs import copy_at
from drillkit.clients.bucket import BucketUrl, copy_of
from drillkit.live.bucket_runs import Elsewhere
from drillkit.model.requests import Decide, Ready
from tests.bucket import BucketServer, _bucket_server, bucket
from tests.conftest import CommandLine
from tests.gameday.test_cut_short import Day, gameday, project

from .conftest import LIMIT_S, Visitor

__all__ = ["_bucket_server", "bucket"]
pytestmark = pytest.mark.slow


@contextmanager
def served(line: CommandLine, bucket: BucketServer) -> Iterator[Visitor]:
    """`drillkit serve` of the bucket on a machine of its own."""
    process = line.start("serve", bucket.url, env=bucket.environment)
    try:
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        place, _, link = said.partition(": ")
        assert place == bucket.url, said or process.communicate()
        visitor = Visitor()
        visitor.host, _, token = link.partition("//")[2].partition("/#")
        visitor.cookies = {"observer": visitor.enter(token)}
        yield visitor
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def leads_to_the_surprise(day: Day) -> None:
    day.until(lambda history, people: people.hold and people.hold.step == "one")
    day.say(Decide(by="ann", decision="go"))
    day.until(lambda history, people: people.hold and people.hold.step == "two")


def test_what_other_machines_run_is_shown_as_observers_see_it_and_given_out_when_it_has_ended(
    tmp_path: Path, bucket: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, here = CommandLine(tmp_path / "there"), CommandLine(tmp_path / "here")
    for line in (there, here):
        line.folder.mkdir(parents=True, exist_ok=True)
    project(there)
    env = {**bucket.environment, "HOOK": "http://127.0.0.1:9"}
    monkeypatch.setenv("DRILLKIT_HOME", str(here.home))
    arguments = ("quiet", "-t", "room", "--out", bucket.url)
    with gameday(there, *arguments, env=env, journals=there.home / "s3") as day:
        leads_to_the_surprise(day)
        run = f"quiet/{day.folder.name}"
        with served(here, bucket) as visitor:
            now = visitor.events(
                "observer", lambda found: "'secret': True" in str(found), path="/now"
            )
            assert run in str(now)
            events = visitor.events(
                "observer", lambda found: "'hold'" in str(found), path=f"/live/{run}/events"
            )
            cookie = {"Cookie": visitor.cookies["observer"]}
            past = visitor.send("GET", "/past", None, cookie)
            for told in (str(now), str(events), past.body.decode()):
                assert '"two"' not in told
                assert "'two'" not in told
            assert json.loads(past.body)["runs"] == []
            for name in ("report.html", "journal.jsonl", "attachments/x.txt"):
                answer = visitor.send("GET", f"/reports/{run}/{name}", None, cookie)
                assert answer.status == 404, name
        copy = copy_at(copy_of(BucketUrl.parse(bucket.url)))
        assert copy is not None
        elsewhere = Elsewhere(copy)
        elsewhere.refresh()
        assert (elsewhere.now.running, elsewhere.now.ended) == ({run}, frozenset())
        day.say(Decide(by="ann", decision="skip", why="too late"))
        day.until(lambda history, people: people.hold and not people.hold.step)
        day.say(Decide(by="ann", decision="go"))
        day.until(lambda history, people: any(r.data == {"phase": "debrief"} for r in history))
        day.say(Ready(by="ann"))
        day.process.communicate(timeout=LIMIT_S)
    elsewhere.refresh()
    assert (elsewhere.now.running, elsewhere.now.ended) == (frozenset(), {run})
    with served(here, bucket) as visitor:
        cookie = {"Cookie": visitor.cookies["observer"]}
        [row] = json.loads(visitor.send("GET", "/past", None, cookie).body)["runs"]
        report = visitor.send("GET", row["link"], None, cookie)
        assert report.status == 200
        assert b"two" in report.body
