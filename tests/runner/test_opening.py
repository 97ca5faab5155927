"""While a run opens, it obeys its limit, an abort and Ctrl-C as it does later."""

from __future__ import annotations

import http.server
import json
import signal
import threading
import time
from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest

from tests.cli.test_slo import SLO
from tests.conftest import CommandLine

pytestmark = pytest.mark.slow

ANSWER_S = 0.7
SLOS = 30
DRILL = """
drill: opening
owner: a@example.com
limit: {limit}
hypothesis: {{before: {{slo: [{names}]}}}}
steps: [{{name: pause, uses: wait, with: {{for: 1s}}}}]
"""
TARGET = """
mine:
  aws: {{region: eu-central-1, account: "123456789012"}}
  prometheus: {{url: "{url}"}}
"""


@pytest.fixture
def slow_server() -> Iterator[str]:
    """Answers every question, and takes its time: thirty objectives take half a minute."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            time.sleep(ANSWER_S)
            at = float(form.get("end", form.get("time", ["0"]))[0]) or time.time()
            data = {"resultType": "scalar", "result": [at, str(at)]}
            if self.path.endswith("query_range"):
                series = [{"metric": {}, "values": [[at, "1"]]}]
                data = {"resultType": "matrix", "result": series}
            body = json.dumps({"status": "success", "data": data}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def prepare(drillkit: CommandLine, url: str, limit: str) -> str:
    drills = drillkit.folder / "drills"
    (drills / "slos").mkdir(parents=True)
    (drillkit.folder / "drillkit.yaml").write_text("")
    names = [f"web{i}" for i in range(SLOS)]
    for name in names:
        (drills / "slos" / f"{name}.yaml").write_text(
            SLO.replace("{name: web}", f"{{name: {name}}}")
        )
    (drills / "opening.yaml").write_text(DRILL.format(limit=limit, names=", ".join(names)))
    (drills / "targets.yaml").write_text(TARGET.format(url=url))
    return "opening"


@pytest.mark.realtime
def test_the_limit_ends_a_run_that_still_opens(drillkit: CommandLine, slow_server: str) -> None:
    name = prepare(drillkit, slow_server, "2s")
    began = time.monotonic()
    ran = drillkit("run", name, "-t", "mine", "--yes")
    assert time.monotonic() - began < 12, ran.said
    assert ran.code == 3, ran.said
    assert "limit" in drillkit.verdict(name)["headline"]


@pytest.mark.realtime
def test_ctrl_c_ends_a_run_that_still_opens(drillkit: CommandLine, slow_server: str) -> None:
    name = prepare(drillkit, slow_server, "5m")
    process = drillkit.start("run", name, "-t", "mine", "--yes")
    try:
        deadline = time.monotonic() + 20
        while not list(drillkit.folder.glob("reports/opening/*/journal.jsonl")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert time.monotonic() - began < 6, out + err
    assert process.returncode == 3, out + err
    assert "aborted by operator" in drillkit.verdict(name)["headline"]
