"""`drillkit slo` and `drillkit watch`: what they say, what they ask, how they end."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from click.testing import CliRunner

from drillkit.cli.group import cli

SLO = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: web}
spec:
  indicator:
    metadata: {name: web}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: 'r{code=~"5.."}'}}}
        total: {metricSource: {type: Prometheus, spec: {query: r}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.995}]
"""


class Server:
    """Scraped every second for a minute so far: 10 requests a second, of which a share is bad."""

    def __init__(self) -> None:
        self.queries: list[str] = []
        self.bad_share = 0.0
        self.status = 200
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                pass

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                body = json.dumps(
                    {"status": "success", "data": outer.answer(self.path, form)}
                ).encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.began = int(time.time()) - 60

    def answer(self, path: str, form: dict[str, list[str]]) -> object:
        query = form.get("query", [""])[0]
        self.queries.append(query)
        if path.endswith("/series"):
            return []
        if query == "time()":
            return {"resultType": "scalar", "result": [time.time(), str(time.time())]}
        if path.endswith("query_range"):
            start, end, step = (float(form[key][0]) for key in ("start", "end", "step"))
            times = [
                start + i * step
                for i in range(int((end - start) / step) + 1)
                if start + i * step >= self.began
            ]
            return {
                "resultType": "matrix",
                "result": [{"metric": {}, "values": [[t, "1"] for t in times]}],
            }
        at = int(float(form["time"][0]))
        if query.startswith(("count", "sum")):
            count = 600 * self.bad_share if "code" in query else 600
            return {"resultType": "vector", "result": [{"metric": {}, "value": [at, str(count)]}]}
        moments = range(self.began, at + 1)
        shares = {"200": 1 - self.bad_share, "500": self.bad_share}
        result = []
        for code, share in shares.items():
            values = [[t, str(10 * share * (t - self.began))] for t in moments]
            result.append({"metric": {"__name__": "r", "code": code}, "values": values})
        return {"resultType": "matrix", "result": result}


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "drillkit.yaml").write_text("")
    (tmp_path / "drills" / "slos").mkdir(parents=True)
    (tmp_path / "drills" / "slos" / "web.yaml").write_text(SLO)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRILLKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("DRILLKIT_TARGET", raising=False)
    return tmp_path


def call(*arguments: str) -> tuple[object, str]:
    done = CliRunner().invoke(cli, ["slo", *arguments], standalone_mode=False)
    if done.exception is not None:
        return done.exception, str(done.exception)
    return done.return_value, done.output


def test_the_project_s_own_objectives_are_listed_with_those_that_ship(here):
    code, text = call("list")

    assert code == 0
    assert "web " in text
    assert "99.5 % over 30 d" in text
    assert "api-availability" in text


def test_a_check_shows_query_window_counts_interval_budget_and_burn(here, server):
    code, text = call("check", "web", "--prometheus", server.url, "--scrape", "1s")

    assert code == 0
    assert "web: met, 100 % good (0 bad of" in text
    assert "sent     r[" in text
    assert "window   30 d from" in text
    assert "interval bad share at least 0 % and at most" in text
    assert "budget   100 % left of 12,960 s of full outage in 30 d; before the data began" in text
    for windows, factor in (
        ("5 min and 1 h", "14.4"),
        ("30 min and 6 h", "6"),
        ("2 h and 1 d", "3"),
        ("6 h", "1"),
    ):
        assert windows in text
        assert f"above {factor}: never at this rate" in text


def test_a_violated_objective_ends_with_1_and_says_when_the_page_comes(here, server):
    server.bad_share = 0.1

    code, text = call("check", "web", "--prometheus", server.url, "--scrape", "1s")

    assert code == 1
    assert "web: violated, 90 % good" in text
    assert "5 min and 1 h: 20 and 20; page above 14.4: fires now" in text


def test_a_server_in_trouble_is_unknown_with_its_reason(here, server):
    server.status = 503

    code, text = call(
        "check", "web", "--at", "2026-11-01T03:00:00Z", "--prometheus", server.url, "--json"
    )

    assert code == 3
    (found,) = json.loads(text)
    assert found["holds"] == "unknown"
    assert "not there or overloaded (503" in found["why"]


def test_a_refused_document_ends_before_anything_is_asked(here, server):
    (here / "drills" / "slos" / "web.yaml").write_text(SLO.replace("30d", "1m"))

    error, text = call("check", "web", "--prometheus", server.url)

    assert getattr(error, "exit_code", None) == 2
    assert "web.yaml:13:27: spec.timeWindow[0].duration: expected a window of 1h or more" in text
    assert "a month is `1M`" in text
    assert server.queries == []


def test_an_unknown_name_a_bad_time_and_a_missing_server_are_usage_errors(here, server):
    for arguments, words in (
        (("check", "wep", "--prometheus", server.url), "did you mean `web`"),
        (("check", "web", "--prometheus", server.url, "--at", "yesterday"), "a time with its zone"),
        (("check", "web"), "no target"),
    ):
        error, text = call(*arguments)
        assert getattr(error, "exit_code", None) == 2, text
        assert words in text or words in getattr(error, "message", "")
    assert server.queries == []


def test_an_explanation_asks_nobody_and_names_what_would_be_asked_and_when_alerts_come(
    here, server
):
    code, text = call("explain", "web")

    assert code in (0, None)
    assert "or increase(r[2592000s]))" in text
    assert "page: burn above 14.4 over 5 min and 1 h; after 4 min 19 s of a full outage" in text
    assert "598 events without a bad one show it" in text
    assert server.queries == []


@pytest.mark.realtime
@pytest.mark.slow
def test_a_watch_ends_like_a_drill_and_early_when_the_budget_for_it_is_spent(here, server):
    options = ["web", "--prometheus", server.url, "--scrape", "1s"]
    told = ["--for", "4s", "--change", "web 1.4"]
    good = CliRunner().invoke(cli, ["watch", *options, *told], standalone_mode=False)
    assert good.return_value == 0, good.output
    report = here / "reports" / "watch" / "latest" / "report.md"
    assert "a change that people made: web 1.4" in report.read_text()
    assert "that step watch was done: there is only the word of" in report.read_text()
    assert "watch on the word of" in good.output

    server.bad_share = 0.1
    began = time.monotonic()
    bad = CliRunner().invoke(cli, ["watch", *options, "--for", "60s"], standalone_mode=False)

    assert bad.return_value == 1, bad.output
    assert time.monotonic() - began < 40
