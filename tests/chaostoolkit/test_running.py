"""Whatever Chaos Toolkit runs, runs, and is written down while it does."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from drillkit.model.errors import StepFailed, StepUnknown
from tests.chaostoolkit.conftest import Bench, hypothesis, python, shell


@pytest.fixture
def server() -> Iterator[str]:
    """A web server: /ok is fine, so is /ours with its token, everything else a 500."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            ours = self.path == "/ours" and self.headers.get("Authorization") == "Bearer ours"
            self.send_response(200 if self.path == "/ok" or ours else 500)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{served.server_port}"
    served.shutdown()
    served.server_close()


def test_a_login_of_netrc_takes_no_place_of_a_header_of_the_experiment(
    bench: Bench, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login operator password theirs\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOGIN", "Bearer ours")
    headers = {"Authorization": "${login}"}
    provider = {"type": "http", "url": f"{server}/ours", "headers": headers}
    probe = {"type": "probe", "name": "page", "tolerance": 200, "provider": provider}
    experiment = bench.experiment(
        **{
            "configuration": {"login": {"type": "env", "key": "LOGIN"}},
            "steady-state-hypothesis": hypothesis(probe),
        }
    )
    assert bench.run(experiment) is None
    assert all(each.tolerated for each in bench.activities())


def test_every_kind_of_activity_runs_and_stands_in_the_journal_in_its_place(
    bench: Bench, server: str
) -> None:
    bench.module("""
        import pathlib
        HERE = pathlib.Path(__file__).parent
        def value(of): return of
        def double(): return "looked up"
        def before_activity_control(context, **kwargs):
            with open(HERE / "control", "a") as file: file.write(context["name"] + "\\n")
    """)
    experiment = bench.experiment(
        **{
            "configuration": {
                "word": "ours",
                "from_env": {"type": "env", "key": "NOT_SET_ANYWHERE", "default": "fallback"},
                "dynamic": {
                    "type": "probe",
                    "name": "d",
                    "provider": python("d", "double")["provider"],
                },
            },
            "extensions": [{"name": "anything", "key": "value"}],
            "controls": [{"name": "watcher", "provider": {"type": "python", "module": "beside"}}],
            "steady-state-hypothesis": hypothesis(
                {
                    "type": "probe",
                    "name": "page",
                    "tolerance": 200,
                    "provider": {"type": "http", "url": f"{server}/ok"},
                }
            ),
            "method": [
                shell("in the background", "sleep 0.3", background=True),
                shell("a command", "echo hello", pauses={"before": 0.05, "after": 0.05}),
                python(
                    "a function",
                    "value",
                    kind="probe",
                    arguments={"of": "${word}-${from_env}-${dynamic}"},
                ),
                {"ref": "page"},
            ],
        }
    )
    assert bench.run(experiment) is None
    assert [(a.place, a.name) for a in bench.activities()] == [
        ("before", "page"),
        ("method", "a command"),
        ("method", "a function"),
        ("method", "page"),
        ("method", "in the background"),
        ("after", "page"),
    ]
    assert {a.outcome for a in bench.activities()} == {"succeeded"}
    assert [a.tolerated for a in bench.activities("before")] == [True]
    assert [a.tolerated for a in bench.activities("method")] == [None] * 4
    assert [a.undo_guaranteed for a in bench.activities("method")] == [False, True, True, False]
    assert bench.activities("method")[-1].took_s > 0.25
    said = [r.data for r in bench.records() if r.kind == "progress"]
    assert any("ours-fallback-looked up" in str(data.get("output")) for data in said)
    assert "a command" in (bench.folder / "control").read_text()


@pytest.mark.realtime
def test_what_is_told_is_told_when_it_happens_not_at_the_end(bench: Bench) -> None:
    bench.run(bench.experiment(method=[shell("first", "true"), shell("second", "sleep 0.4")]))
    first = next(r for r in bench.records() if r.kind == "evidence")
    ended = next(r for r in bench.records() if "ended" in r.data)
    assert ended.mono - first.mono > 0.35


def test_a_step_gives_the_experiment_its_configuration_and_is_told_of_a_key_that_is_none(
    bench: Bench,
) -> None:
    experiment = bench.experiment(
        configuration={"where": "here", "count": 1},
        method=[shell("say", "echo ${where} ${count}", kind="probe")],
    )
    assert bench.run(experiment, configuration={"where": "there", "count": 3}) is None
    assert "there 3" in bench.text()
    error = bench.run(experiment, configuration={"wher": "there"})
    assert isinstance(error, StepFailed)
    assert "no configuration `wher`; did you mean `where`?" in str(error)


def test_an_action_that_fails_fails_the_step_and_the_method_goes_on(
    bench: Bench, server: str
) -> None:
    bench.module("""
        def breaks(): raise ValueError("the knob is stuck")
    """)
    experiment = bench.experiment(
        method=[
            python("breaking", "breaks"),
            shell("exiting", "echo no room >&2; exit 3"),
            {
                "type": "action",
                "name": "calling",
                "provider": {"type": "http", "url": f"{server}/bad"},
            },
            shell("last", "true"),
        ]
    )
    error = bench.run(experiment)
    assert isinstance(error, StepFailed)
    assert "the knob is stuck" in str(error)
    found = {a.name: a for a in bench.activities("method")}
    assert [found[n].outcome for n in ("breaking", "exiting", "calling", "last")] == [
        "failed"
    ] * 3 + ["succeeded"]
    assert found["exiting"].error == "the command ended with 3: no room"
    assert found["calling"].error == "the server answered 500"


def test_what_chaos_toolkit_does_not_expect_is_told_too(bench: Bench) -> None:
    experiment = bench.experiment(
        method=[
            {
                "type": "action",
                "name": "calling",
                "provider": {"type": "http", "url": "nonsense://x"},
            },
            shell("never reached", "true"),
        ]
    )
    error = bench.run(experiment)
    assert isinstance(error, StepFailed)
    assert [(a.name, a.outcome) for a in bench.activities()] == [
        ("calling", "failed"),
        ("never reached", "skipped"),
    ]
    assert "InvalidSchema" in bench.activities()[0].error


def test_a_steady_state_that_does_not_hold_before_leaves_the_method_alone(bench: Bench) -> None:
    experiment = bench.experiment(
        **{
            "steady-state-hypothesis": hypothesis(shell("up", "exit 7", kind="probe", tolerance=0)),
            "method": [shell("destroy", "touch destroyed")],
        }
    )
    error = bench.run(experiment)
    assert isinstance(error, StepUnknown)
    assert "did not hold before, so its method was not run: up is outside its tolerance" in str(
        error
    )
    assert [(a.place, a.name, a.outcome, a.tolerated) for a in bench.activities()] == [
        ("before", "up", "succeeded", False),
        ("method", "destroy", "skipped", None),
    ]


def test_a_steady_state_that_does_not_hold_afterwards_fails_the_step(bench: Bench) -> None:
    flag = bench.folder / "broken"
    experiment = bench.experiment(
        **{
            "steady-state-hypothesis": hypothesis(
                shell("whole", f"test ! -e {flag}", kind="probe", tolerance=0)
            ),
            "method": [shell("break", f"touch {flag}")],
        }
    )
    error = bench.run(experiment)
    assert isinstance(error, StepFailed)
    assert "steady state was missed: whole" in str(error)
    assert [a.tolerated for a in bench.activities("after")] == [False]


def test_a_probe_that_breaks_proves_nothing(bench: Bench) -> None:
    bench.module("""
        import pathlib
        def look():
            if pathlib.Path(__file__).with_name("gone").exists(): raise OSError("nobody answers")
            return True
    """)
    experiment = bench.experiment(
        **{
            "steady-state-hypothesis": hypothesis(
                python("look", "look", kind="probe", tolerance=True)
            ),
            "method": [shell("cut the wire", f"touch {bench.folder / 'gone'}")],
        }
    )
    error = bench.run(experiment)
    assert isinstance(error, StepUnknown)
    assert "nobody answers" in str(error)
    assert [(a.outcome, a.tolerated) for a in bench.activities("after")] == [("failed", None)]


def test_a_tolerance_that_cannot_be_compared_makes_the_step_unknown(bench: Bench) -> None:
    bench.module("def look(): return 'text'")
    experiment = bench.experiment(
        **{
            "steady-state-hypothesis": hypothesis(
                python("look", "look", kind="probe", tolerance=[1, 2])
            ),
            "method": [],
        }
    )
    error = bench.run(experiment)
    assert isinstance(error, StepUnknown)
    assert [a.name for a in bench.activities("before")] == ["look"]


def test_a_continuous_hypothesis_is_looked_at_while_the_method_runs(bench: Bench) -> None:
    flag = bench.folder / "broken"
    experiment = bench.experiment(
        **{
            "runtime": {"hypothesis": {"strategy": "continuously"}},
            "steady-state-hypothesis": hypothesis(
                shell("whole", f"test ! -e {flag}", kind="probe", tolerance=0)
            ),
            "method": [
                shell("break", f"sleep 0.2; touch {flag}"),
                shell("wait", "sleep 0.5"),
                shell("mend", f"rm {flag}"),
            ],
        }
    )
    from datetime import timedelta

    error = bench.run(experiment, every=timedelta(milliseconds=100))
    assert isinstance(error, StepFailed)
    seen = [a.tolerated for a in bench.activities("during")]
    assert len(seen) >= 4
    assert True in seen
    assert False in seen
    assert [a.tolerated for a in bench.activities("after")] == [True]


def test_an_experiment_that_chaos_toolkit_does_not_take_touches_nothing(bench: Bench) -> None:
    experiment = bench.experiment(
        method=[
            shell("destroy", "touch destroyed"),
            python("missing", "there_is_no_such_function"),
        ],
        rollbacks=[shell("back", "true")],
    )
    bench.module("")
    error = bench.run(experiment)
    assert isinstance(error, StepUnknown)  # a mistake in the file is no weakness of the service
    assert "nothing was touched" in str(error)
    assert "there_is_no_such_function" in str(error)
    assert not [r for r in bench.records() if r.kind in ("undo.planned", "effect.irreversible")]


def test_a_foreign_action_is_admitted_before_it_runs(bench: Bench) -> None:
    bench.run(
        bench.experiment(method=[shell("destroy", "true")], rollbacks=[shell("rebuild", "true")])
    )
    kinds = [(r.kind, r.data.get("resource", r.data.get("text"))) for r in bench.records()][:3]
    assert kinds == [
        ("undo.planned", "rollbacks of experiment bench (rebuild)"),
        ("effect.irreversible", "action destroy (process sh)"),
        ("progress", "action destroy started"),
    ]


def test_no_action_begins_once_the_gate_is_closed(bench: Bench) -> None:
    flag = bench.folder / "destroyed"
    bench.fence.close("the operator said stop")
    error = bench.run(bench.experiment(method=[shell("destroy", f"touch {flag}")]))
    assert "the operator said stop" in str(error)
    assert not flag.exists()


def test_the_log_is_kept_with_the_run_and_has_an_end(bench: Bench) -> None:
    bench.module("""
        import logging
        def shout():
            print("on standard output")
            logging.getLogger("chaostoolkit").warning("in the log")
            for _ in range(30000): print("x" * 30)
    """)
    assert bench.run(bench.experiment(method=[python("shout", "shout", kind="probe")])) is None
    log = (bench.folder / "attachments" / "chaostoolkit-step.log").read_text()
    assert "on standard output" in log
    assert "in the log" in log
    assert len(log) < 300_000
    assert log.rstrip().endswith("(cut after 256 KiB)")


def test_a_prepared_worker_is_the_one_that_runs(bench: Bench) -> None:
    bench.module("import os\ndef who(): return os.getpid()")
    workers = bench.clients.chaostoolkit
    workers.prepare()
    workers.prepare()
    prepared = workers._idle[0].pid
    assert bench.run(bench.experiment(method=[python("who", "who", kind="probe")])) is None
    assert f'"output":"{prepared}"' in bench.text()
    assert not workers._idle
