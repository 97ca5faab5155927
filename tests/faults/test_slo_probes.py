"""SLOs as probes of an experiment: never a success for want of data, and asked of the
right server.
"""

from __future__ import annotations

import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from chaoslib.activity import execute_activity

from drillkit.clients import Clients
from drillkit.clients.chaostoolkit.session import WorkerSession, _current, open_session
from drillkit.clock import Deadline, Fence, SystemClock
from drillkit.faults import slo
from drillkit.model.errors import Refused, StepUnknown
from drillkit.model.target import Launch, PrometheusTarget, Target


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DRILLKIT_TARGET", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def server() -> Iterator[str]:
    """Scraped every second for ten minutes so far: 990 good requests and 10 bad ones a minute."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            body = json.dumps({"status": "success", "data": answer(self.path, form)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{made.server_address[1]}"
    made.shutdown()
    made.server_close()


def answer(path: str, form: dict[str, list[str]]) -> Any:
    if form["query"][0] == "time()":
        return {"resultType": "scalar", "result": [time.time(), str(time.time())]}
    if path.endswith("range"):
        start, end = float(form["start"][0]), float(form["end"][0])
        return {
            "resultType": "matrix",
            "result": [{"metric": {}, "values": [[start, "1"], [end, "1"]]}],
        }
    at = int(float(form["time"][0]))
    if form["query"][0].startswith("sum("):  # too long a window for single samples
        count = 100 if "5.." in form["query"][0] else 10_000
        series = {"metric": {}, "value": [at, str(count)]}
        return {"resultType": "vector", "result": [series]}
    result: list[dict[str, Any]] = []
    for code, per_s in (("200", 16.5), ("503", 1 / 6)):
        values = [[t, str(per_s * (t - at + 600))] for t in range(at - 600, at + 1)]
        result.append(
            {
                "metric": {"__name__": "istio_requests_total", "response_code": code},
                "values": values,
            }
        )
    for entry in result:
        entry["metric"] |= {
            "reporter": "source",
            "destination_service_name": "web",
            "destination_service_namespace": "shop",
        }
    return {"resultType": "matrix", "result": result}


def test_an_slo_holds_or_not_over_the_time_that_is_asked_about(here, server):
    assert slo.slo_holds("api-availability", over="2m", prometheus=server) is False
    assert slo.good_percent("api-availability", over="2m", prometheus=server) == pytest.approx(
        99, abs=0.01
    )


def test_a_server_that_is_down_is_no_success_and_no_value(here):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"

    with pytest.raises(StepUnknown, match="Connection refused"):
        slo.slo_holds("api-availability", prometheus=url)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"slo": "api-availabilty"}, "did you mean `api-availability`"),
        ({"slo": "--help"}, "no SLO `--help`"),
        ({"slo": "api-availability", "over": "5"}, "over: expected a duration"),
        ({"slo": ""}, "expected the name of an SLO"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(here, arguments, words):
    with pytest.raises(Refused, match=words):
        slo.slo_holds(**arguments, prometheus="http://127.0.0.1:9")


def session(target: Target) -> WorkerSession:
    clock, fence = SystemClock(), Fence()
    book: Any = None
    return WorkerSession(
        book, Clients(target, clock, fence), target, clock, fence, Deadline.after(60, clock), "run"
    )


def test_the_drill_s_own_target_is_asked_also_one_that_was_started_for_the_run(here, server):
    known = PrometheusTarget(url=server, scrape_interval=timedelta(seconds=1))
    started = Target(name="sandbox", prometheus=known, launch=Launch(module="drillkit.sandbox"))

    for target in (Target(name="prod", prometheus=known), started):
        open_session(session(target))
        try:
            assert slo.slo_holds("api-availability", over="2m") is False
            with pytest.raises(Refused, match="no target `other`"):
                slo.slo_holds("api-availability", target="other")
        finally:
            _current.clear()
    with pytest.raises(Refused, match="expected --target"):
        slo.slo_holds("api-availability")


def test_chaos_toolkit_asks_in_its_own_process(here, server, monkeypatch):
    def started(*arguments: object, **options: object) -> None:
        raise AssertionError(f"a process was started: {arguments}")

    monkeypatch.setattr("subprocess.Popen.__init__", started)
    found = [
        execute_activity({}, probe(function, prometheus=server), {}, {}, None)
        for function in ("slo_holds", "good_percent", "budget_left_percent")
    ]

    assert [each["status"] for each in found] == ["succeeded"] * 3, found
    holds, good, left = (each["output"] for each in found)
    assert (holds, good) == (False, pytest.approx(99, abs=0.01))
    # 1 % is bad where half a percent may be, the whole window long.
    assert left == pytest.approx(-100)


def test_a_server_that_answers_slowly_is_given_up_in_time(here, server, monkeypatch):
    monkeypatch.setattr(slo, "LIMIT_S", 0.0)

    failed = execute_activity({}, probe("slo_holds", prometheus=server), {}, {}, None)

    assert failed["status"] == "failed"
    assert "no answer within 0 s" in failed["exception"][-1]


def probe(function: str, **arguments: str) -> dict[str, Any]:
    return {
        "type": "probe",
        "name": function,
        "provider": {
            "type": "python",
            "module": "drillkit.faults.slo",
            "func": function,
            "arguments": {"slo": "api-availability", **arguments},
        },
    }
