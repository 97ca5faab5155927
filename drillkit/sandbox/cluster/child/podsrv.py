"""The program in every emulated image: a small HTTP/1.1 server, one thread a connection, about 10
MB, up in 50 ms.

Settings come from the container's environment:

- `SANDBOX_BIND`, `SANDBOX_PORT`: address wanted; falls back to a free port, then to 127.0.0.1. The
  address taken is the first line of output.
- `SANDBOX_POD`: `namespace/name`. `SANDBOX_MESH`: `host:port` of the mesh, through which other
  services are called.
- `SANDBOX_CALLS`: URLs (`http://orders/`) that a page needs; a page fails with 502 when one of
  them does.
- `SANDBOX_LATENCY_MS`, `SANDBOX_FAIL_PERCENT`: how slow it is; how many requests it answers with
  500, evenly spread.
- `SANDBOX_STARTUP_MS`: how long it answers 503 at first. `SANDBOX_DRAIN_MS`: how long it still
  accepts after SIGTERM.
- `SANDBOX_EXIT_AFTER_MS`, `SANDBOX_EXIT_CODE`: ends by itself.

Paths: `/health`, `/metrics`, `/status/CODE`, `/missing` (404); everything else is a page.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
HEAD_LIMIT = 65536
LOG_LIMIT = 4_000_000
GRACE_LIMIT_S = 3600.0
REASONS = {
    200: "OK",
    404: "Not Found",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
QUIET = ("/health", "/metrics")


def setting_ms(name: str) -> float:
    """Seconds from an environment variable in milliseconds; 0 when unset."""
    return float(os.environ.get(name) or 0) / 1000


class Metrics:
    """Counters of requests and a histogram of their durations in Prometheus' text format."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.codes: dict[tuple[str, int], int] = {}
        self.buckets = [0] * (len(BUCKETS_S) + 1)
        self.sum_s = 0.0
        self.started = time.time()

    def count(self, method: str, code: int, took_s: float) -> None:
        slot = next((i for i, edge in enumerate(BUCKETS_S) if took_s <= edge), len(BUCKETS_S))
        with self.lock:
            self.codes[method, code] = self.codes.get((method, code), 0) + 1
            self.buckets[slot] += 1
            self.sum_s += took_s

    def text(self) -> str:
        with self.lock:
            codes, buckets, sum_s = dict(self.codes), list(self.buckets), self.sum_s
        lines = [
            "# HELP http_requests_total Requests answered.",
            "# TYPE http_requests_total counter",
        ]
        # A series that begins at 0 lets rate() see the first failure.
        for key in {("GET", 200), ("GET", 500), *codes}:
            lines.append(
                f'http_requests_total{{method="{key[0]}",code="{key[1]}"}} {codes.get(key, 0)}'
            )
        lines += [
            "# HELP http_request_duration_seconds Time to answer.",
            "# TYPE http_request_duration_seconds histogram",
        ]
        total = 0
        for edge, number in zip([*map(str, BUCKETS_S), "+Inf"], buckets, strict=True):
            total += number
            lines.append(f'http_request_duration_seconds_bucket{{le="{edge}"}} {total}')
        lines += [
            f"http_request_duration_seconds_sum {sum_s:.6f}",
            f"http_request_duration_seconds_count {total}",
        ]
        lines += [
            "# HELP process_start_time_seconds Start of the process.",
            "# TYPE process_start_time_seconds gauge",
        ]
        lines += [
            f"process_start_time_seconds {self.started:.3f}",
            "# TYPE process_cpu_seconds_total counter",
        ]
        lines += [
            f"process_cpu_seconds_total {time.process_time():.3f}",
            "# TYPE process_resident_memory_bytes gauge",
        ]
        return "\n".join([*lines, f"process_resident_memory_bytes {resident_bytes()}", ""])


def resident_bytes() -> int:
    """Resident memory of this process; 0 where /proc does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


class Server:
    """Accepts connections until told to drain; then finishes what is in flight."""

    def __init__(self) -> None:
        self.pod = os.environ.get("SANDBOX_POD", "default/pod")
        self.calls = os.environ.get("SANDBOX_CALLS", "").split()
        self.latency_s = setting_ms("SANDBOX_LATENCY_MS")
        self.fail_percent = float(os.environ.get("SANDBOX_FAIL_PERCENT") or 0)
        self.warm_at = time.monotonic() + setting_ms("SANDBOX_STARTUP_MS")
        self.metrics = Metrics()
        self.lock = threading.Lock()
        self.idle: set[socket.socket] = set()
        self.busy = 0
        self.served = 0
        self.logged_bytes = 0
        self.draining = False
        self.listener = bind()
        host, port = self.listener.getsockname()
        sys.stdout.write(f"listening {host} {port}\n")
        sys.stdout.flush()

    def accept_forever(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return  # the listener was closed by drain()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffered = b""
        with connection:
            try:
                while True:
                    with self.lock:
                        self.idle.add(connection)
                    head, buffered = read_head(connection, buffered)
                    with self.lock:
                        self.idle.discard(connection)
                        self.busy += bool(head)
                    if not head:
                        return
                    try:
                        keep, buffered = self.answer(connection, head, buffered)
                    finally:
                        with self.lock:
                            self.busy -= 1
                    if not keep:
                        return
            except OSError:
                return  # the client went away; there is nobody to tell
            finally:
                with self.lock:
                    self.idle.discard(connection)

    def answer(self, connection: socket.socket, head: bytes, buffered: bytes) -> tuple[bool, bytes]:
        started = time.monotonic()
        request, headers = parse_head(head)
        method, path = request[0], request[1].partition("?")[0]
        buffered = skip_body(connection, buffered, int(headers.get("content-length") or 0))
        code, content_type, body = self.page(path)
        keep = not self.draining and headers.get("connection", "").lower() != "close"
        payload = body.encode()
        answer_head = (
            f"HTTP/1.1 {code} {REASONS.get(code, 'Status')}\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {len(payload)}\r\n"
            f"X-Pod: {self.pod.partition('/')[2]}\r\n"
            f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
        )
        if path != "/metrics":
            self.metrics.count(method, code, time.monotonic() - started)
        connection.sendall(answer_head.encode() + (b"" if method == "HEAD" else payload))
        if path not in QUIET or code != 200:
            self.log(f"{method} {path} {code} {1000 * (time.monotonic() - started):.1f}ms")
        return keep, buffered

    def page(self, path: str) -> tuple[int, str, str]:
        """Status, content type and text for a path."""
        if path == "/metrics":
            return 200, "text/plain; version=0.0.4", self.metrics.text()
        if time.monotonic() < self.warm_at:
            return 503, "text/plain", "starting\n"
        if path == "/health":
            return 200, "text/plain", "ok\n"
        if path == "/missing":
            return 404, "text/plain", "no such page\n"
        if path.startswith("/status/") and path[8:].isdigit():
            return int(path[8:]), "text/plain", f"{path[8:]}\n"
        if self.latency_s:
            time.sleep(self.latency_s)
        with self.lock:
            self.served += 1
            served = self.served
        if int(served * self.fail_percent / 100) != int((served - 1) * self.fail_percent / 100):
            return 500, "text/plain", f"{self.pod}: failing {self.fail_percent} % of its requests\n"
        for url in self.calls:
            code, why = self.call(url)
            if code >= 400:
                self.log(f"call {url} failed: {why}")
                return 502, "text/plain", f"{self.pod}: {url}: {why}\n"
        return 200, "text/plain", f"{self.pod} served {path}\n"

    def call(self, url: str) -> tuple[int, str]:
        """Call another service through the mesh: status (599 when there was no answer) and the
        reason in words.
        """
        host, _, path = url.removeprefix("http://").partition("/")
        mesh_host, _, mesh_port = os.environ.get("SANDBOX_MESH", "127.0.0.1:9").partition(":")
        request = (
            f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nX-Sandbox-Source: {self.pod}\r\n"
            "Connection: close\r\n\r\n"
        )
        try:
            with socket.create_connection(
                (mesh_host, int(mesh_port)), timeout=setting_ms("SANDBOX_CALL_TIMEOUT_MS") or 3.0
            ) as peer:
                peer.sendall(request.encode())
                head, rest = read_head(peer, b"")
                while rest_part := peer.recv(65536):
                    rest += rest_part
        except OSError as error:
            return 599, str(error)
        if not head:
            return 599, "connection closed without an answer"
        code = int(parse_head(head)[0][1])
        return code, rest.decode(errors="replace").strip() if code >= 400 else "ok"

    def log(self, text: str) -> None:
        line = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n"
        with self.lock:
            self.logged_bytes += len(line)
            if self.logged_bytes > LOG_LIMIT:
                os.ftruncate(2, 0)
                self.logged_bytes = len(line)
        sys.stderr.write(line)
        sys.stderr.flush()

    def drain(self) -> None:
        """Stop accepting, let idle connections end, wait for the busy ones. The kubelet's SIGKILL
        bounds the wait.
        """
        time.sleep(setting_ms("SANDBOX_DRAIN_MS"))
        self.draining = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            idle = list(self.idle)
        for connection in idle:
            try:
                # Reading side only: a request that already arrived is still read and answered.
                connection.shutdown(socket.SHUT_RD)
            except OSError:
                continue
        deadline = time.monotonic() + GRACE_LIMIT_S
        while time.monotonic() < deadline:
            with self.lock:
                if self.busy == 0 and not self.idle:
                    return
            time.sleep(0.005)


def bind() -> socket.socket:
    """Listen at the address wanted, else on a free port there, else on a free port of 127.0.0.1."""
    host, port = (
        os.environ.get("SANDBOX_BIND", "127.0.0.1"),
        int(os.environ.get("SANDBOX_PORT") or 0),
    )
    attempts = [(host, port), (host, 0), ("127.0.0.1", 0)]
    for address in attempts:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError:
            listener.close()
            continue
        listener.listen(512)
        return listener
    raise SystemExit(f"none of {attempts} could be bound")


def read_head(connection: socket.socket, buffered: bytes) -> tuple[bytes, bytes]:
    """The next head and what came after it; an empty head at the end of the connection."""
    while b"\r\n\r\n" not in buffered:
        part = connection.recv(65536)
        if not part or len(buffered) > HEAD_LIMIT:
            return b"", b""
        buffered += part
    head, _, rest = buffered.partition(b"\r\n\r\n")
    return head, rest


def parse_head(head: bytes) -> tuple[list[str], dict[str, str]]:
    """The words of the first line and the headers, names in lower case."""
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return first.split(" ", 2), {name.strip().lower(): value.strip() for name, _, value in pairs}


def skip_body(connection: socket.socket, buffered: bytes, length: int) -> bytes:
    """Read `length` bytes of a body away; what is left in the buffer."""
    while len(buffered) < length:
        part = connection.recv(65536)
        if not part:
            raise ConnectionResetError("the body ended early")
        length -= len(buffered)
        buffered = part
    return buffered[length:]


def end_by_itself(server: Server) -> None:
    """End as a crash would, with the exit code asked for."""
    server.log("ended by itself")
    os._exit(int(os.environ.get("SANDBOX_EXIT_CODE") or 1))


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM (exit code 0 after draining) or until the time set for a crash."""
    # Blocked in every thread, and waited for here: a handler would interrupt nothing useful.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.stack_size(256 * 1024)
    server = Server()
    server.log(f"{server.pod} started")
    threading.Thread(target=server.accept_forever, daemon=True).start()
    if "SANDBOX_EXIT_AFTER_MS" in os.environ:
        threading.Timer(setting_ms("SANDBOX_EXIT_AFTER_MS"), end_by_itself, (server,)).start()
    signal.sigwait({signal.SIGTERM})
    server.log("terminating")
    server.drain()
    os._exit(0)
