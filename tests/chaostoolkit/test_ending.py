"""However an experiment ends, nothing of it goes on, and what it did is known."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import psutil
import pytest

from drillkit.model.errors import Refused, StepFailed, StepUnknown
from tests.chaostoolkit.conftest import Bench, appears, gone, python, shell

SLEEP = 'echo $$ > "{file}"; exec sleep 60'


@pytest.mark.realtime
def test_an_activity_that_hangs_is_cut_at_the_limit_with_all_that_it_started(bench: Bench) -> None:
    file = bench.folder / "pid"
    experiment = bench.experiment(
        method=[shell("hang", SLEEP.format(file=file)), shell("next", "true")],
        rollbacks=[shell("back", "true")],
    )
    began = time.monotonic()
    error = bench.run(experiment, limit_s=1.5)
    assert time.monotonic() - began < 5
    assert isinstance(error, StepFailed)
    assert "was cut at its limit: hang did not end" in str(error)
    assert [(a.name, a.outcome) for a in bench.activities()] == [
        ("hang", "cut"),
        ("next", "skipped"),
    ]
    assert gone(int(file.read_text()))
    assert bench.clean().open == ()
    assert [a.name for a in bench.activities("rollback")] == ["back"]


@pytest.mark.realtime
def test_an_experiment_that_is_cut_while_it_pauses_shows_no_weakness(bench: Bench) -> None:
    method = [shell("act", "kill -0 $$", pauses={"after": 60})]
    error = bench.run(bench.experiment(method=method), limit_s=3)
    assert isinstance(error, StepUnknown)
    assert "was cut at its limit while it paused" in str(error)
    assert [(a.name, a.outcome) for a in bench.activities()] == [("act", "succeeded")]


def test_an_experiment_that_is_cut_before_it_began_does_not_say_that_it_paused(
    bench: Bench,
) -> None:
    error = bench.run(bench.experiment(method=[shell("act", "kill -0 $$")]), limit_s=0)
    assert isinstance(error, StepUnknown)
    assert "was cut at its limit before anything of it began" in str(error)


def test_an_activity_that_will_not_hear_is_killed(bench: Bench) -> None:
    bench.module("""
        import os, pathlib, signal, time
        def deaf():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            pathlib.Path(__file__).with_name("pid").write_text(str(os.getpid()))
            time.sleep(60)
    """)
    error = bench.run(bench.experiment(method=[python("deaf", "deaf")]), limit_s=5)
    assert isinstance(error, StepFailed)
    assert [(a.name, a.outcome, a.error) for a in bench.activities()] == [
        ("deaf", "cut", "cut at its limit")
    ]
    assert gone(int((bench.folder / "pid").read_text()))


@pytest.mark.realtime
def test_an_abort_ends_it_at_once(bench: Bench) -> None:
    file = bench.folder / "pid"
    experiment = bench.experiment(method=[shell("hang", SLEEP.format(file=file))])
    errors: list[object] = []
    thread = threading.Thread(target=lambda: errors.append(bench.run(experiment)))
    thread.start()
    pid = int(appears(file))
    began = time.monotonic()
    bench.fence.close("Ctrl-C")
    for cut in list(bench.cuts):
        cut()
    thread.join(5)
    assert time.monotonic() - began < 2
    assert isinstance(errors[0], Refused)
    assert gone(pid)
    assert [a.outcome for a in bench.activities()] == ["cut"]
    assert not bench.cuts


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_to_the_worker_lets_no_further_action_run(bench: Bench, name: str) -> None:
    flag = bench.folder / "destroyed"
    bench.module(f"""
        import os, signal, time
        def stop():
            os.kill(os.getpid(), signal.{name})
            time.sleep(5)
    """)
    error = bench.run(
        bench.experiment(method=[python("stop", "stop"), shell("destroy", f"touch {flag}")])
    )
    assert error is not None
    assert not flag.exists()
    assert [(a.name, a.outcome) for a in bench.activities()][1] == ("destroy", "skipped")
    assert bench.activities()[0].outcome in ("cut", "failed")


def test_a_worker_that_is_killed_leaves_the_step_unknown_and_no_process(bench: Bench) -> None:
    file = bench.folder / "pid"
    bench.module(f"""
        import os, signal, subprocess, time
        def die():
            child = subprocess.Popen(["sleep", "60"])
            with open({str(file)!r}, "w") as out: out.write(str(child.pid))
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    error = bench.run(bench.experiment(method=[python("die", "die"), shell("next", "true")]))
    assert isinstance(error, StepUnknown)
    assert "killed by SIGKILL" in str(error)
    assert [(a.name, a.outcome) for a in bench.activities()] == [
        ("die", "cut"),
        ("next", "skipped"),
    ]
    bench.clients.close()
    assert gone(int(file.read_text()))


def test_what_an_experiment_leaves_running_lives_until_the_run_is_over(bench: Bench) -> None:
    file = bench.folder / "pid"
    started = f'sleep 60 >/dev/null 2>&1 & echo $! > "{file}"'
    assert bench.run(bench.experiment(method=[shell("start a helper", started)])) is None
    pid = int(file.read_text())
    assert psutil.pid_exists(pid)
    bench.clients.close()
    assert gone(pid)


def test_a_worker_that_cannot_start_says_why(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = bench.folder / "site"
    (broken / "chaoslib").mkdir(parents=True)
    (broken / "chaoslib" / "__init__.py").write_text("raise ImportError('half an installation')")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    error = bench.run(bench.experiment(method=[shell("any", "true")]))
    assert isinstance(error, StepUnknown)
    assert "half an installation" in str(error)


def test_the_death_of_the_runner_ends_everything_that_it_started(bench: Bench) -> None:
    file = bench.folder / "pid"
    experiment = {
        "title": "t",
        "description": "d",
        "method": [shell("hang", SLEEP.format(file=file))],
    }
    runner = bench.folder / "runner.py"
    runner.write_text(
        textwrap.dedent(f"""
        import json, os, sys
        from pathlib import Path
        from drillkit.clients import Clients
        from drillkit.clients.chaostoolkit.protocol import Job
        from drillkit.clock import Deadline, Fence, SystemClock
        from drillkit.journal.file import Journal
        from drillkit.journal.runs import RunLock
        from drillkit.model.target import (Target)
        folder, clock = Path({str(bench.folder)!r}), SystemClock()
        (folder / "run").mkdir()
        lock = RunLock.take(folder / "run")
        clients = Clients(Target(name="t"), clock, Fence(), hold=(lock.fd,))
        job = Job(work="experiment", experiment=json.loads({json.dumps(experiment)!r}), name="t")
        journal = Journal(folder / "run" / "journal.jsonl")
        clients.chaostoolkit.run(job, journal, by="worker:t", deadline=Deadline.after(30, clock))
        """)
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, str(runner)], env=environment, start_new_session=True
    )
    try:
        asleep = int(appears(file))
        family = psutil.Process(process.pid).children(recursive=True)
        assert {psutil.Process(asleep), *family} == set(family)
        from drillkit.journal.runs import RunLock

        assert RunLock.take(bench.folder / "run") is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert all(gone(child.pid) for child in family)
    # A process is gone when its first thread is; the last one to end closes its files.
    end = time.monotonic() + 5
    while (lock := RunLock.take(bench.folder / "run")) is None:
        assert time.monotonic() < end, "somebody still has the run's lock"
        time.sleep(0.02)
    lock.release()
