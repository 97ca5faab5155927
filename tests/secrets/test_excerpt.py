"""What others say is cut for our messages: never through a secret, and never kept whole."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator

import pytest

from drillkit.clients.http_post import post_json
from drillkit.clients.kube import Response
from drillkit.clients.kube.errors import SAID_KEPT, refusal
from drillkit.clients.kube.wire import MOST_BYTES, PoolTransport
from drillkit.clients.prometheus.answers import QueryAnswer, answer_of
from drillkit.clients.prometheus.errors import SAID
from drillkit.clients.prometheus.errors import refusal as prometheus_refusal
from drillkit.clients.trackers import GitHub, Ticket
from drillkit.clients.velero.files import as_json
from drillkit.model.errors import CallError, Invalid, Unanswered
from drillkit.secrets import KNOWN, excerpt
from drillkit.slo.answers import sound
from drillkit.slo.count import NoData

TOKEN = "canary-a1b2c3d4e5f6g7h8-token"
PIECE = TOKEN[:10]


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    KNOWN.learn([TOKEN])
    yield
    KNOWN.forget()


@pytest.mark.parametrize("kept", range(20, 20 + len(TOKEN)))
def test_no_part_of_a_secret_is_left_where_a_text_is_cut(kept: int) -> None:
    text = "x" * 15 + " " + TOKEN + " " + "y" * 15
    assert "canary" not in excerpt(text, kept)
    assert "token" not in excerpt(text, kept, end=True)
    assert len(excerpt(text, kept)) <= kept
    assert excerpt(text.encode(), kept) == excerpt(text, kept)


def told(size: int) -> bytes:
    """A server's words in which the token begins just before so many characters."""
    return b"z" * (size - 20) + b" " + TOKEN.encode() + b" more"


def kube(content: bytes) -> str:
    return str(refusal(Response(500, {}, content), "get pods", "me"))


def kube_status(content: bytes) -> str:
    said = json.dumps({"message": content.decode()}).encode()
    return str(refusal(Response(403, {}, said), "get pods", "me"))


def kube_json(content: bytes) -> str:
    with pytest.raises(Unanswered) as found:
        Response(200, {}, content).json()
    return str(found.value)


def prometheus(content: bytes) -> str:
    said = json.dumps({"status": "error", "error": content.decode()}).encode()
    with pytest.raises(Exception, match="cannot ask") as found:
        answer_of(said, "there", "ask")
    return str(found.value)


def prometheus_page(content: bytes) -> str:
    return str(prometheus_refusal(400, content, None, "ask", "there"))


def warning(content: bytes) -> str:
    with pytest.raises(NoData) as found:
        sound(QueryAnswer((), (content.decode(),)))
    return str(found.value)


def velero(content: bytes) -> str:
    with pytest.raises(Unanswered) as found:
        as_json(content, "results")
    return str(found.value)


@pytest.mark.parametrize(
    ("say", "cut"),
    [
        (kube, SAID_KEPT),
        (kube_status, SAID_KEPT),
        (kube_json, 120),
        (prometheus, 200),
        (prometheus_page, SAID),
        (warning, 200),
        (velero, 60),
    ],
)
def test_an_error_text_that_repeats_the_token_shows_no_part_of_it(
    say: Callable[[bytes], str], cut: int
) -> None:
    for size in range(cut, cut + 18):
        found = say(told(size))
        assert PIECE[:8] not in found
        assert len(found) < cut + 400


class Refusing(http.server.BaseHTTPRequestHandler):
    """Repeats a token just before the place that the path says."""

    def do_GET(self) -> None:
        body = told(int(self.path.split("/")[1]))
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *args: object) -> None:
        """Nothing."""


def test_who_is_told_or_tracks_and_repeats_the_token_shows_no_part_of_it() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        for size in range(196, 222, 3):
            place = f"http://127.0.0.1:{server.server_port}/{size}"
            with pytest.raises(CallError, match="answered 401") as posted:
                post_json(place, {})
            with pytest.raises(CallError, match="answered 401") as fetched:
                GitHub("a/b", TOKEN, place).find(Ticket("x", "y", (), None))
            for said in (str(posted.value), str(fetched.value)):
                assert PIECE[:8] not in said
                assert len(said) < 300
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("details", ["text", [], {"causes": "text"}, {"causes": ["text"]}, 5, None])
@pytest.mark.parametrize("status", [409, 422, 429, 503])
def test_an_answer_of_another_shape_is_an_error_and_no_bug(status: int, details: object) -> None:
    content = json.dumps({"message": 5, "details": details}).encode()
    assert "cannot get pods" in str(refusal(Response(status, {}, content), "get pods", "me"))


class Endless(http.server.BaseHTTPRequestHandler):
    """Answers with more than anybody wants to keep."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        part = b"x" * (1 << 20)
        try:
            for _ in range(MOST_BYTES // len(part) * 4):
                self.wfile.write(part)
        except OSError:
            self.server.stopped.set()  # type: ignore[attr-defined]

    do_POST = do_GET

    def log_message(self, *args: object) -> None:
        """Nothing."""


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    import urllib3

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    server.stopped = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    pool = urllib3.PoolManager()
    wire = PoolTransport(f"http://127.0.0.1:{server.server_port}", pool, dict)
    try:
        with pytest.raises(Invalid, match="expected at most 64 MiB of an answer, more came"):
            wire.send("GET", "/", {})
        assert server.stopped.wait(10)  # type: ignore[attr-defined]
        with pytest.raises(Unanswered, match="at most 64 MiB"):
            wire.send("POST", "/", {})
    finally:
        pool.clear()
        server.shutdown()
        server.server_close()
        thread.join()
