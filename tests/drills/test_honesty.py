"""What a run must not claim: drills against a real sandbox whose truth is known."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import CommandLine
from tests.drills.conftest import Playground, playing

pytestmark = pytest.mark.slow

WEB = "${target.urls.web}/health"
BEFORE = {"web": {"bad": "1 of 20", "within": "3s"}}
AFTER = {"web": {"bad": "1 of 20", "within": "20s"}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A folder for all drills of this module."""
    return CommandLine(tmp_path_factory.mktemp("honesty"))


@pytest.fixture(scope="module")
def world(home: CommandLine) -> Iterator[Playground]:
    with playing(home) as playground:
        yield playground


class Bench:
    """Writes drills and experiments, and runs them."""

    def __init__(self, drillkit: CommandLine, world: Playground) -> None:
        self.drillkit, self.world = drillkit, world

    @property
    def folder(self) -> Path:
        return self.drillkit.folder

    def drill(self, name: str, *steps: Mapping[str, Any], url: str = WEB, **during: Any) -> str:
        """A drill with a probe of the shop that would be met by itself."""
        document = {
            "drill": name,
            "owner": "platform@example.com",
            "limit": "1m",
            "probes": {"web": {"http": url, "rate": "50/s"}},
            "hypothesis": {
                "before": BEFORE,
                "during": {"web": during or {"bad": 9}},
                "after": AFTER,
            },
            "steps": list(steps),
        }
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
        return f"./{name}.yaml"

    def experiment(self, name: str, **parts: Any) -> dict[str, Any]:
        """An experiment's file; gives the step that runs it."""
        document = {"title": name, "description": name, "method": [], **parts}
        (self.folder / f"{name}-experiment.yaml").write_text(
            yaml.safe_dump(document, sort_keys=False)
        )
        return {
            "name": "it",
            "uses": "chaostoolkit",
            "with": {"experiment": f"{name}-experiment.yaml"},
        }

    def run(
        self, name: str, *steps: Mapping[str, Any], url: str = WEB, **during: Any
    ) -> tuple[int, dict[str, Any]]:
        ran = self.drillkit(
            "run", self.drill(name, *steps, url=url, **during), "-t", "sandbox", "--yes"
        )
        verdict = self.drillkit.verdict(name)
        assert verdict["exit_code"] == ran.code, ran.err
        return ran.code, verdict

    @contextlib.contextmanager
    def running(self, name: str, *steps: Mapping[str, Any]) -> Iterator[subprocess.Popen[str]]:
        process = self.drillkit.start("run", self.drill(name, *steps), "-t", "sandbox", "--yes")
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def kubectl(self, *words: str) -> str:
        command = ["kubectl", "--kubeconfig", str(self.world.kubeconfig), *words]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=30
        ).stdout


@pytest.fixture
def bench(home: CommandLine, world: Playground) -> Iterator[Bench]:
    before = world.inventory()
    yield Bench(home, world)
    world.must_be(before)


def shipped(experiment: str, **configuration: Any) -> dict[str, Any]:
    """A step that runs an experiment that ships."""
    given = {"namespace": "shop", "selector": "app=web", **configuration}
    return {
        "name": "it",
        "uses": "chaostoolkit",
        "with": {"experiment": experiment, "configuration": given},
    }


def shell(text: str, kind: str = "action", **more: Any) -> dict[str, Any]:
    """An activity of the process provider."""
    provider = {"type": "process", "path": "sh", "arguments": ["-c", text]}
    return {"type": kind, "name": text[:20], "provider": provider, **more}


def until(what: Callable[[], object], limit_s: float = 30) -> None:
    end = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def said(verdict: Mapping[str, Any]) -> str:
    return json.dumps(verdict)


def test_a_fault_that_somebody_heals_while_it_lasts_proves_nothing(bench: Bench) -> None:
    with bench.running("healed", shipped("network-latency", duration="12s")) as process:
        until(lambda: bench.kubectl("get", "networkchaos", "-n", "shop", "-o", "name"))
        time.sleep(2)
        bench.kubectl("delete", "networkchaos", "-n", "shop", "--all")
        process.communicate(timeout=60)
    verdict = bench.drillkit.verdict("healed")
    assert (process.returncode, verdict["holds"]) == (3, "unknown")
    assert "somebody deleted it" in said(verdict)


def test_a_service_that_is_down_before_refuses_the_drill_and_nothing_is_touched(
    bench: Bench,
) -> None:
    pods = bench.kubectl("get", "pods", "-n", "shop", "-o", "name")
    code, verdict = bench.run("dead", shipped("pod-delete"), url="http://127.0.0.1:9/health")
    assert code == 4
    assert "nothing was touched" in verdict["headline"]
    assert {undo["kind"] for undo in verdict["undos"]} == {"kube.release-lease"}
    assert bench.kubectl("get", "pods", "-n", "shop", "-o", "name") == pods


@pytest.mark.realtime
def test_a_broken_bound_is_violated_and_every_lost_request_is_one_that_the_proxy_lost(
    bench: Bench,
) -> None:
    began = time.monotonic()
    code, verdict = bench.run(
        "all-at-once", shipped("pod-delete", count="100%", grace_period_s=0), bad=0
    )
    assert (code, verdict["holds"]) == (1, "violated")
    (whole,) = [sli for sli in verdict["slis"] if sli["phase"] == "all"]
    lost = sum(whole["bad"].values())
    assert lost > 5
    with urllib.request.urlopen(
        f"{bench.world.endpoints['truth']}?service=shop/web&since={began}"
    ) as answer:
        truth = json.load(answer)["services"]["shop/web"]
    seconds = truth["seconds"]
    assert abs(sum(row[1] for row in seconds) - whole["sent"]) <= 1
    assert abs(sum(row[2] for row in seconds) - lost) <= 1
    longest = max((o["next_ok"] or o["last_failed"]) - o["first_failed"] for o in truth["outages"])
    assert whole["longest_gap_s"] == pytest.approx(longest, abs=0.03)


def test_a_foreign_action_that_hit_nothing_is_never_met(bench: Bench) -> None:
    arguments = {"ns": "shop", "label_selector": "app=nothing", "rand": True}
    provider = {
        "type": "python",
        "module": "chaosk8s.pod.actions",
        "func": "terminate_pods",
        "arguments": arguments,
    }
    step = bench.experiment(
        "foreign", method=[{"type": "action", "name": "terminate", "provider": provider}]
    )
    code, verdict = bench.run("foreign", step)
    assert (code, verdict["holds"]) == (3, "unknown")
    assert "hit nothing" in said(verdict)
    assert "undo not guaranteed" in said(verdict)


def test_a_program_that_an_experiment_calls_counts_by_its_exit_code(bench: Bench) -> None:
    done = bench.folder / "program-ran"
    code, verdict = bench.run(
        "program", bench.experiment("program", method=[shell(f"touch {done}")])
    )
    assert (code, verdict["holds"]) == (0, "met")
    code, verdict = bench.run(
        "broken-program", bench.experiment("broken-program", method=[shell("exit 3")])
    )
    assert (code, verdict["holds"]) == (3, "unknown")
    assert "ended with 3" in said(verdict)


def test_an_experiments_own_steady_state_missed_before_refuses_and_its_method_is_left_alone(
    bench: Bench,
) -> None:
    done = bench.folder / "done"
    hypothesis = {
        "title": "there",
        "probes": [shell(f"test -e {bench.folder}/never", "probe", tolerance=0)],
    }
    step = bench.experiment(
        "early", **{"steady-state-hypothesis": hypothesis}, method=[shell(f"touch {done}")]
    )
    code, verdict = bench.run("early", step)
    assert (code, verdict["holds"]) == (4, "unknown")
    assert "steady state did not hold before" in verdict["headline"]
    assert not done.exists()


def test_an_experiments_own_steady_state_missed_afterwards_is_violated(bench: Bench) -> None:
    mark = bench.folder / "mark"
    mark.touch()
    hypothesis = {"title": "there", "probes": [shell(f"test -e {mark}", "probe", tolerance=0)]}
    step = bench.experiment(
        "late", **{"steady-state-hypothesis": hypothesis}, method=[shell(f"rm {mark}")]
    )
    code, verdict = bench.run("late", step)
    assert (code, verdict["holds"]) == (1, "violated")


@pytest.mark.realtime
def test_an_activity_that_hangs_is_cut_at_the_steps_limit_and_proves_nothing(bench: Bench) -> None:
    pid = bench.folder / "pid"
    step = bench.experiment("hanging", method=[shell(f"echo $$ > {pid}; sleep 300")])
    began = time.monotonic()
    code, verdict = bench.run("hanging", {**step, "limit": "3s"})
    assert time.monotonic() - began < 20
    assert (code, verdict["holds"]) == (3, "unknown")
    assert "did not end" in said(verdict)
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


@pytest.mark.realtime
def test_a_second_ctrl_c_relieves_users_and_leaves_the_removing_to_recover(bench: Bench) -> None:
    """The program's undo hangs until a file is there; the fault beside it is gone at once."""
    let = bench.folder / "let"
    undo = ["sh", "-c", f"test -e {let} || sleep 60"]
    program = {"name": "program", "uses": "command", "with": {"run": ["true"], "undo": undo}}
    with bench.running("hurried", program, shipped("network-latency", duration="40s")) as process:
        until(lambda: bench.kubectl("get", "networkchaos", "-n", "shop", "-o", "name"))
        process.send_signal(signal.SIGINT)
        until(lambda: _planned_ended(bench, "hurried"))
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, err = process.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert process.returncode == 5, err
    assert bench.kubectl("get", "networkchaos", "-n", "shop", "-o", "name") == ""
    assert "left behind: " in err
    assert "command/program" in err
    assert "drillkit recover" in err
    let.touch()
    ran = bench.drillkit("recover")
    assert ran.code == 0, ran.said
    assert bench.drillkit.verdict("hurried")["exit_code"] == 3


def _planned_ended(bench: Bench, drill: str) -> bool:
    """Whether the fault has been taken back, so that what is left is removing."""
    lines = (bench.drillkit.run_folder(drill) / "journal.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines if line.endswith("}")]
    faults = {
        r["n"]
        for r in records
        if r["kind"] == "undo.planned" and r["data"]["undo"] == "kube.delete-fault"
    }
    return bool(faults) and faults <= {
        r["data"]["of"] for r in records if r["kind"] == "undo.ended"
    }


def test_rollbacks_that_break_what_they_should_mend_are_a_weakness(bench: Bench) -> None:
    """The steady state holds before and after the method; only the rollback ends it."""
    mark = bench.folder / "still-there"
    mark.touch()
    hypothesis = {"title": "there", "probes": [shell(f"test -e {mark}", "probe", tolerance=0)]}
    step = bench.experiment(
        "worse",
        **{"steady-state-hypothesis": hypothesis},
        method=[shell(f"touch {mark}")],
        rollbacks=[shell(f"rm {mark}")],
    )
    code, verdict = bench.run("worse", step)
    assert (code, verdict["holds"]) == (1, "violated")
    assert "after its rollbacks" in said(verdict)


ANYTHING = {"type": "regex", "pattern": ".*", "target": "stdout"}
IDLE_METHODS: dict[str, dict[str, Any]] = {
    "empty": {"method": []},
    "only-probes": {"method": [shell("date", "probe")]},
    "only-pauses": {"method": [shell("sleep 0.1"), shell("echo hello; exit 0")]},
    "any-tolerance": {
        "steady-state-hypothesis": {
            "title": "t",
            "probes": [shell("date", "probe", tolerance=ANYTHING)],
        },
        "method": [shell("true")],
    },
}


@pytest.mark.parametrize("name", IDLE_METHODS)
def test_an_experiment_that_does_nothing_proves_nothing(bench: Bench, name: str) -> None:
    code, verdict = bench.run(name, bench.experiment(name, **IDLE_METHODS[name]))
    assert (code, verdict["holds"]) == (3, "unknown")
    assert "nothing" in verdict["headline"] or "that do anything: 0" in verdict["headline"]


@pytest.mark.parametrize("run", [["true"], ["sleep", "0.1"], ["sh", "-c", "echo done"]])
def test_a_program_that_does_nothing_proves_nothing(bench: Bench, run: list[str]) -> None:
    step = {"name": "it", "uses": "command", "with": {"run": run, "undo": ["true"]}}
    code, verdict = bench.run(f"idle-{run[0]}", step)
    assert (code, verdict["holds"]) == (3, "unknown")
    assert "did nothing" in verdict["headline"] or "hit nothing" in verdict["headline"]


REFUSED: dict[str, dict[str, Any]] = {
    "no-module": {"module": "chaosk8s.nosuch.actions", "func": "x"},
    "no-package": {"module": "nosuchpackage.actions", "func": "x"},
    "no-function": {"module": "chaosk8s.pod.actions", "func": "terminate_pod"},
    "no-argument": {
        "module": "chaosk8s.pod.actions",
        "func": "terminate_pods",
        "arguments": {"nss": 1},
    },
    "lacking": {"module": "chaosk8s.pod.actions", "func": "exec_in_pods"},
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_chaos_toolkit_would_not_take_is_noted_and_refused_and_no_weakness(
    bench: Bench, name: str
) -> None:
    action = {"type": "action", "name": "a", "provider": {"type": "python", **REFUSED[name]}}
    step = bench.experiment(name, method=[action])
    checked = bench.drillkit("validate", f"./{name}-experiment.yaml")
    assert "activity `a`: " in checked.said
    code, verdict = bench.run(name, step)
    assert code == 4
    assert "activity `a`: " in verdict["headline"]
    assert "nothing was touched" in verdict["headline"]


def test_what_chaos_toolkit_itself_refuses_is_no_weakness(bench: Bench) -> None:
    """Only Chaos Toolkit knows what a JSON path may look like."""
    tolerance = {"type": "jsonpath", "path": "$[["}
    hypothesis = {"title": "t", "probes": [shell("date", "probe", tolerance=tolerance)]}
    step = bench.experiment(
        "odd", **{"steady-state-hypothesis": hypothesis}, method=[shell("touch x")]
    )
    code, verdict = bench.run("odd", step)
    assert (code, verdict["holds"]) == (3, "unknown")
    assert "does not take experiment" in verdict["headline"]


def test_a_json_path_decides_as_a_tolerance(bench: Bench) -> None:
    tolerance = {"type": "jsonpath", "path": "$.status", "expect": 200}
    provider = {"type": "http", "url": f"{bench.world.endpoints['urls']['web']}/health"}
    probe = {"type": "probe", "name": "ok", "tolerance": tolerance, "provider": provider}
    hypothesis = {"title": "t", "probes": [probe]}
    done = bench.folder / "jp"
    step = bench.experiment(
        "jp", **{"steady-state-hypothesis": hypothesis}, method=[shell(f"touch {done}")]
    )
    code, verdict = bench.run("jp", step)
    assert (code, verdict["holds"]) == (0, "met"), verdict["headline"]


@contextlib.contextmanager
def unevictable(bench: Bench) -> Iterator[None]:
    """The budget of `web` allows no eviction."""

    def at_least(pods: int) -> None:
        patch = json.dumps({"spec": {"minAvailable": pods}})
        bench.kubectl("patch", "pdb", "web", "-n", "shop", "--type=merge", "-p", patch)

    budget = json.loads(bench.kubectl("get", "pdb", "web", "-n", "shop", "-o", "json"))
    ready = bench.kubectl("get", "pods", "-n", "shop", "-l", "app=web", "-o", "name")
    at_least(len(ready.splitlines()))
    try:
        yield
    finally:
        at_least(budget["spec"]["minAvailable"])


def test_a_drain_that_a_budget_blocks_for_good_violates_what_the_drill_says(bench: Bench) -> None:
    with unevictable(bench):
        found, verdict = bench.run("blocked", shipped("node-drain", limit="3s", blocked="violated"))
    assert (found, verdict["holds"]) == (1, "violated")
    (finding,) = [f for f in verdict["findings"] if "disruption budgets" in f["about"]]
    assert finding["holds"] == "violated"
    assert re.search("pod/shop/web-.* could not be evicted .*budget web", finding["observed"])


def test_a_drain_that_a_budget_blocks_for_good_is_refused_where_that_is_not_what_it_looks_for(
    bench: Bench,
) -> None:
    with unevictable(bench):
        found, verdict = bench.run("blocked", shipped("node-drain", limit="3s", blocked="unknown"))
    assert (found, verdict["holds"]) == (4, "unknown")
    (finding,) = verdict["findings"]
    assert re.search("budget/shop/web .* none may be evicted .*pod/shop/web-", finding["observed"])


def test_checks_that_never_touch_the_copy_prove_no_restore(bench: Bench) -> None:
    checks = [
        {"command": ["true"]},
        {"http": WEB},
        {"sql": "select 1"},
        {"table": "orders", "rows": True, "expect": ">= 0"},
    ]
    step = {
        "name": "it",
        "uses": "rds.point-in-time-restore",
        "with": {"source": "microservices-dev-db", "to": "latest"},
        "objectives": {"rto": "1h"},
        "checks": checks,
    }
    code, verdict = bench.run("outside", step)
    assert (code, verdict["holds"]) == (3, "unknown")
    assert "nobody read the restored data" in verdict["headline"]
    assert "`true` reads nothing" in said(verdict)
