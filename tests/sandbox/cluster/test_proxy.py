"""What the proxy makes of pods and clients that speak HTTP in every way, and in none."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from drillkit.sandbox.cluster.proxy.mesh import Mesh
from drillkit.sandbox.cluster.proxy.table import Endpoint, Service, Table

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def listening(serve):
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def proxy(pod):
    """A mesh before one pod; gives its port and itself."""
    mesh = Mesh()
    async with listening(pod) as behind:
        service = Service("shop/web", (Endpoint("shop/web-1", "127.0.0.1", behind, "web"),))
        mesh.apply(Table({"shop/web": service}, {}))
        async with listening(lambda r, w: mesh.serve(r, w, "shop/web")) as port:
            yield port, mesh
            mesh.pool.keep_only(())


def saying(answer, heard=None):
    """A pod that answers each request with these bytes, and then hangs up if they don't say how
    long they are.
    """

    async def serve(reader, writer):
        while head := await _head(reader):
            if heard is not None:
                heard.append(head)
            writer.write(answer)
            if b"Content-Length: 2\r\n" not in answer and not answer.endswith(b"0\r\n\r\n"):
                break
        writer.close()

    return serve


async def _head(reader):
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


async def asked(port, request):
    """All that a client gets until the proxy hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    got = b""
    with suppress(ConnectionResetError):
        while part := await asyncio.wait_for(reader.read(65536), 5):
            got += part
    writer.close()
    return got


@pytest.mark.parametrize(
    ("answer", "status", "body", "flags"),
    [
        (
            OK + b"Content-Length: 2\r\nX-One: a\r\n\r\nok",
            b"200",
            b"X-One: a\r\nConnection: close\r\n\r\nok",
            "",
        ),
        (
            OK + CHUNKED + b"1;x=y\r\no\r\n1\r\nk\r\n0\r\n\r\n",
            b"200",
            b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
            "",
        ),
        (OK + b"\r\nuntil the end", b"200", b"until the end\r\n0\r\n\r\n", ""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok", b"200", b"ok", ""),
        (
            OK + b"Content-Length: 9\r\n\r\nhalf",
            b"200",
            b"Length: 9\r\nConnection: close\r\n\r\nhalf",
            "UC",
        ),
        (OK + CHUNKED + b"9\r\nhalf", b"200", b"close\r\n\r\n4\r\nhalf\r\n", "UC"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"204", b"\r\n\r\n", ""),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"502", b"without an answer\n", "UC"),
        (b"", b"502", b"without an answer\n", "UC"),
    ],
    ids=["length", "chunks", "end", "100 first", "cut", "cut chunk", "none", "other", "nothing"],
)
def test_an_answer_of_any_framing_passes_and_what_is_cut_off_is_seen_as_such(
    answer, status, body, flags
):
    async def scenario():
        async with proxy(saying(answer)) as (port, mesh):
            got = await asked(port, LAST)
            assert got.split()[1] == status
            assert got.endswith(body)
            [hop] = [hop for hop, seen in mesh.metrics.series.items() if any(seen.buckets)]
            assert hop.flags == flags

    asyncio.run(scenario())


def test_a_pod_is_told_what_the_client_said_and_nothing_that_is_for_the_next_hop_only():
    async def scenario():
        heard = []
        async with proxy(saying(OK + b"Content-Length: 2\r\n\r\nok", heard)) as (port, _):
            head = b"GET /a?b=c HTTP/1.1\r\nHost: web\r\nX-Odd-CASE: 1\r\nKeep-Alive: 5\r\n"
            await asked(port, head + b"x-sandbox-source: shop/a\r\nConnection: close\r\n\r\n")
        assert heard == [b"GET /a?b=c HTTP/1.1\r\nHost: web\r\nX-Odd-CASE: 1\r\n\r\n"]

    asyncio.run(scenario())


def test_a_kept_connection_that_the_pod_has_closed_is_replaced_and_the_client_sees_nothing():
    async def scenario():
        count = 0

        async def once(reader, writer):
            nonlocal count
            count += 1
            await _head(reader)
            writer.write(OK + b"Content-Length: 2\r\n\r\nok")
            await reader.read(1)  # the next request, which it does not answer
            writer.close()

        async with proxy(once) as (port, _):
            got = await asked(port, GET + GET + LAST)
            assert got.count(b"200 OK") == 3
            assert count == 3

    asyncio.run(scenario())


def test_a_client_that_waits_to_be_told_to_go_on_is_told_and_its_chunks_arrive():
    async def scenario():
        async def echo(reader, writer):
            head = await _head(reader)
            assert b"chunked" in head
            body = await reader.readuntil(b"0\r\n\r\n")
            writer.write(OK + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            writer.close()

        async with proxy(echo) as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST / HTTP/1.1\r\nHost: web\r\nExpect: 100-continue\r\n" + CHUNKED)
            told = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            assert told.startswith(b"HTTP/1.1 100")
            writer.write(b"3\r\nabc\r\n0\r\n\r\n")
            answer = await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 5)
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"3\r\nabc\r\n" in answer
            writer.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "nonsense", [b"hello\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\n"]
)
def test_who_talks_no_http_is_hung_up_on_and_counts_as_no_request(nonsense):
    async def scenario():
        async with proxy(saying(OK + b"Content-Length: 2\r\n\r\nok")) as (port, mesh):
            assert await asked(port, nonsense) == b""
            assert mesh.truth.of("shop/web").requests == 0

    asyncio.run(scenario())
