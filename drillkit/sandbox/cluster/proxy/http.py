"""The little of HTTP/1.1 that a proxy must understand: heads, and where bodies end.

Not h11: the prober reads with it, and what measures must not share its mistakes with what is
measured. And it takes each chunk apart and frames it anew, where a mesh passes on what a pod sent.
"""

from __future__ import annotations

from asyncio import IncompleteReadError, LimitOverrunError, StreamReader, StreamWriter
from dataclasses import dataclass

HEAD_LIMIT = 65536
REASONS = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}
HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "x-sandbox-source"})


@dataclass(frozen=True)
class Head:
    """A request's or an answer's head."""

    first: str
    fields: tuple[tuple[str, str], ...]
    """Names as they were sent."""
    lower: dict[str, str]
    """Names in lower case; the last one wins."""

    def words(self) -> list[str]:
        return self.first.split(" ", 2)

    def encode(self, connection: str) -> bytes:
        """The head for the next hop."""
        kept = "".join(
            f"{name}: {value}\r\n" for name, value in self.fields if name.lower() not in HOP_BY_HOP
        )
        return f"{self.first}\r\n{kept}Connection: {connection}\r\n\r\n".encode("latin-1")


async def read_head(reader: StreamReader) -> Head | None:
    """The next head; None at the end of the connection. Raises ConnectionError for a head cut short
    or too long.
    """
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except IncompleteReadError as error:
        if error.partial:
            raise ConnectionError("the connection ended inside a head") from error
        return None
    except LimitOverrunError as error:
        raise ConnectionError(f"a head is longer than {HEAD_LIMIT} bytes") from error
    first, *lines = raw[:-4].decode("latin-1").split("\r\n")
    fields = tuple(
        (name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)
    )
    return Head(first, fields, {name.lower(): value for name, value in fields})


def has_body(head: Head) -> bool:
    """Whether a request's head announces a body."""
    return "transfer-encoding" in head.lower or head.lower.get("content-length", "0") != "0"


async def relay_body(
    head: Head, reader: StreamReader, writer: StreamWriter, *, to_end: bool
) -> None:
    """Copy a body as it comes. Without a length it ends with the connection if `to_end`, else there
    is none.
    """
    if "chunked" in head.lower.get("transfer-encoding", "").lower():
        await _relay_chunks(reader, writer)
    elif "content-length" in head.lower:
        await _relay_bytes(int(head.lower["content-length"]), reader, writer)
    elif to_end:
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()


async def _relay_bytes(length: int, reader: StreamReader, writer: StreamWriter) -> None:
    while length > 0:
        part = await reader.read(min(length, 65536))
        if not part:
            raise ConnectionError("the connection ended inside a body")
        length -= len(part)
        writer.write(part)
        await writer.drain()


async def _relay_chunks(reader: StreamReader, writer: StreamWriter) -> None:
    try:
        while True:
            line = await reader.readuntil(b"\r\n")
            writer.write(line)
            size = int(line.split(b";")[0], 16)
            if size == 0:
                break
            await _relay_bytes(size + 2, reader, writer)
        while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
            writer.write(line)
        writer.write(line)
        await writer.drain()
    except IncompleteReadError as error:
        raise ConnectionError("the connection ended inside a body") from error


def plain_answer(status: int, text: str, connection: str = "close") -> bytes:
    """A whole answer of the proxy itself."""
    body = text.encode()
    reason = REASONS.get(status, "OK" if status < 400 else "Error")
    return (
        f"HTTP/1.1 {status} {reason}\r\nServer: sandbox-mesh\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\nConnection: {connection}\r\n\r\n"
    ).encode() + body
