"""HTTP/1.1 answers, read from bytes that arrive in any pieces."""

from __future__ import annotations

import pytest

from drillkit.clients.http_answer import BODY_CAP, HEAD_CAP, BadAnswer, ProbeAnswer
from drillkit.clients.probe import cause_of_status

PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;ext\r\nlo\r\n0\r\n\r\n"
)
TRAILERS = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n"
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + PLAIN


@pytest.mark.parametrize("answer", [PLAIN, CHUNKED, TRAILERS, INTERIM])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_the_pieces_it_arrives_in_make_no_difference(answer: bytes, size: int) -> None:
    read = ProbeAnswer(keep_body=True)
    pieces = [answer[n : n + size] for n in range(0, len(answer), size)]
    assert [read.feed(piece) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert (read.status, bytes(read.body), read.reusable) == (200, b"hello", True)


def test_without_a_length_the_end_of_the_connection_completes_it() -> None:
    read = ProbeAnswer(keep_body=True)
    assert not read.feed(b"HTTP/1.1 200 OK\r\n\r\nhel")
    assert not read.feed(b"lo")
    assert read.end()
    assert (bytes(read.body), read.reusable) == (b"hello", False)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n", PLAIN[:-1], CHUNKED[:-1]])
def test_an_end_before_the_end_is_no_answer(answer: bytes) -> None:
    read = ProbeAnswer(keep_body=False)
    assert not read.feed(answer)
    assert not read.end()


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_some_statuses_have_no_body_whatever_their_headers_say(status: bytes) -> None:
    read = ProbeAnswer(keep_body=True)
    assert read.feed(b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\n")
    assert read.reusable


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/2 20\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * HEAD_CAP,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * (HEAD_CAP + 1),
    ],
)
def test_what_is_no_http_is_refused(answer: bytes) -> None:
    with pytest.raises(BadAnswer):
        ProbeAnswer(keep_body=False).feed(answer)


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 9999999999", b"Transfer-Encoding: chunked", b"X: y"]
)
def test_an_endless_body_is_an_answer_once_enough_of_it_was_read(framing: bytes) -> None:
    read = ProbeAnswer(keep_body=True)
    chunk = b"1000000\r\n" if b"chunked" in framing else b""
    assert not read.feed(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + chunk)
    fed = 0
    while not read.feed(b"x" * 65536):
        fed += 65536
        assert fed < 2 * BODY_CAP
    assert len(read.body) <= BODY_CAP
    assert not read.reusable


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\nConnection: close", False),
        (b"HTTP/1.0 200 OK", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive", True),
        (b"HTTP/1.1 200 OK", True),
    ],
)
def test_a_connection_is_kept_only_if_the_server_keeps_it(head: bytes, reusable: bool) -> None:
    read = ProbeAnswer(keep_body=False)
    assert read.feed(head + b"\r\nContent-Length: 0\r\n\r\n")
    assert read.reusable is reusable


def test_bytes_after_the_answer_spoil_the_connection() -> None:
    read = ProbeAnswer(keep_body=True)
    assert read.feed(PLAIN + b"HTTP/1.1 500")
    assert bytes(read.body) == b"hello"
    assert not read.reusable


def test_a_status_that_is_expected_is_good_whatever_it_is() -> None:
    assert cause_of_status(429, ((429, 429),)) is None
    assert cause_of_status(503, ((500, 599),)) is None
    assert cause_of_status(200, ((204, 204),)) == "status"
