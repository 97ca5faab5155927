"""Text that cannot be encoded, or is far too long, ends neither worker nor run."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.chaostoolkit.conftest import Bench, python


def test_a_lone_surrogate_in_outputs_errors_and_names_is_written_escaped(bench: Bench) -> None:
    bench.module("""
        def out(): return "caf\\udce9"
        def fail(): raise RuntimeError("cannot open caf\\udce9")
        def mend(): return "caf\\udce9"
    """)
    experiment = bench.experiment(
        method=[python("out", "out", kind="probe"), python("fail \udce9", "fail")],
        rollbacks=[python("mend", "mend")],
    )
    assert "cannot open caf" in str(bench.run(experiment))
    assert bench.clean().open == ()
    assert [a.outcome for a in bench.activities("rollback")] == ["succeeded"]
    assert "caf\\\\udce9" in bench.text()


def test_an_output_and_an_error_of_any_length_are_cut(bench: Bench) -> None:
    bench.module("""
        def out(): return "x" * 5_000_000
        def fail():
            print("y" * 5_000_000)
            raise RuntimeError("z" * 5_000_000)
    """)
    experiment = bench.experiment(
        method=[python("out", "out", kind="probe"), python("fail", "fail")]
    )
    bench.run(experiment)
    assert bench.clean().open == ()
    assert len(bench.text()) < 300_000


def test_an_answer_of_any_size_is_not_read_to_its_end_and_that_is_told(bench: Bench) -> None:
    sent = 0

    class Endless(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal sent
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while sent < 400 << 20:
                    sent += self.wfile.write(b"x" * 65536)

        def log_message(self, *said: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        activity = {
            "type": "probe",
            "name": "all of it",
            "provider": {"type": "http", "url": url, "timeout": 5},
        }
        bench.run(bench.experiment(method=[activity]))
        server.shutdown()
    assert sent < 40 << 20
    assert "answered with more than 8 MiB" in bench.text()
