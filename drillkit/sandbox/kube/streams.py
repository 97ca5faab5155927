"""Logs that are followed and commands that run, over HTTP."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from aiohttp import WSMsgType, web

from drillkit.sandbox.kube.errors import ApiError, bad_request
from drillkit.sandbox.kube.objects import PODS, Object
from drillkit.sandbox.kube.store import PodLog, Store
from drillkit.sandbox.kube.wire import Exec, LogFollow

_LOG_POLL_S = 0.1
_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN, _ERROR, _CLOSE = 0, 3, 255
_INPUT_LIMIT = 64


async def follow(
    store: Store, http: web.BaseRequest, log: LogFollow, stopping: asyncio.Event
) -> web.StreamResponse:
    """Sends a log as it grows until its container ends or the client leaves."""
    read = store.pod_log
    if read is None:
        raise ApiError(503, "ServiceUnavailable", "the sandbox has no kubelet that keeps logs")
    stream = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
    stream.enable_chunked_encoding()
    await stream.prepare(http)
    sent = len(read(log.pod, log.container, False, None))
    if begin := read(log.pod, log.container, False, log.tail_lines):
        await stream.write(begin.encode())
    while not stopping.is_set():
        ended = _has_ended(store, log)
        text = _rest(read, log)
        if len(text) > sent:
            await stream.write(text[sent:].encode())
            sent = len(text)
        if ended:
            break
        await asyncio.sleep(_LOG_POLL_S)
    with suppress(ConnectionError):
        await stream.write_eof()
    return stream


def _rest(read: PodLog, log: LogFollow) -> str:
    """The whole log, or nothing once the kubelet has thrown it away."""
    try:
        return read(log.pod, log.container, False, None)
    except ApiError:
        return ""


def _has_ended(store: Store, log: LogFollow) -> bool:
    meta = log.pod["metadata"]
    pod = store.get(PODS, meta["namespace"], meta["name"])
    if pod is None or pod["metadata"]["uid"] != meta["uid"]:
        return True
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return any(
        each.get("name") == log.container and "terminated" in (each.get("state") or {})
        for each in statuses
    )


class _Channels:
    """The websocket of one command: channel 0 is standard input, 1 and 2 its output, 3
    the result.
    """

    def __init__(self, socket: web.WebSocketResponse, *, stdin: bool) -> None:
        self._socket = socket
        self._input: asyncio.Queue[bytes] = asyncio.Queue(_INPUT_LIMIT)
        self._at_end = not stdin

    async def receive(self) -> None:
        """Takes what the client sends until it closes; then input has ended."""
        async for message in self._socket:
            data = message.data if message.type == WSMsgType.BINARY else str(message.data).encode()
            if data[:1] == bytes([_STDIN]) and len(data) > 1:
                await self._input.put(data[1:])
            elif data == bytes([_CLOSE, _STDIN]):
                await self._input.put(b"")
        await self._input.put(b"")

    async def read(self) -> bytes:
        """The next bytes of standard input; empty at its end."""
        if self._at_end:
            return b""
        data = await self._input.get()
        self._at_end = not data
        return data

    async def write(self, channel: int, data: bytes) -> None:
        """Sends output of the command."""
        with suppress(ConnectionError):
            await self._socket.send_bytes(bytes([channel]) + data)


async def run_command(store: Store, http: web.BaseRequest, command: Exec) -> web.StreamResponse:
    """Runs a command in a pod for as long as the client listens, and tells its exit code."""
    run = store.pod_exec
    if run is None or http.headers.get("Upgrade", "").lower() != "websocket":
        raise bad_request(
            "Upgrade request required: commands are served over websockets (v5 "
            "or v4.channel.k8s.io)"
        )
    socket = web.WebSocketResponse(protocols=_PROTOCOLS)
    await socket.prepare(http)
    channels = _Channels(socket, stdin=command.stdin)
    running = asyncio.ensure_future(run(command, channels))
    listening = asyncio.ensure_future(channels.receive())
    try:
        await asyncio.wait((running, listening), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            with suppress(ConnectionError):
                await socket.send_bytes(bytes([_ERROR]) + json.dumps(_result(running)).encode())
                await socket.close()
    finally:
        for task in (running, listening):
            task.cancel()
        await asyncio.gather(running, listening, return_exceptions=True)
    return socket


def _result(running: asyncio.Future[int]) -> Object:
    head = {"kind": "Status", "apiVersion": "v1", "metadata": {}}
    error = running.exception()
    if error is not None:
        why = (
            error.message if isinstance(error, ApiError) else f"error executing command: {error!r}"
        )
        reason = error.reason if isinstance(error, ApiError) else "InternalError"
        details = {"causes": [{"message": why}]}
        return {**head, "status": "Failure", "reason": reason, "message": why, "details": details}
    code = running.result()
    if code == 0:
        return {**head, "status": "Success"}
    return {
        **head,
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
