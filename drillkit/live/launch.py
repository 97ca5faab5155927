"""The runner's side of a page: starts its process, tells it what to show, starts it anew when it
dies. Nothing here makes a run wait or fail once the page is there.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import drillkit
from drillkit.environment import plain_environment
from drillkit.live.access import Right, host_in_url, is_loopback, new_token
from drillkit.model.errors import UsageError

STARTS = 10
"""A page whose process dies more often than this stays away."""
START_S = 20.0
END_S = 10.0
AGAIN_S = 0.2
DEFAULT_HOST = "127.0.0.1"
_START = (
    "import sys; sys.path.append(sys.argv.pop()); from drillkit.live.__main__ import main; main()"
)


def parse_address(text: str) -> tuple[str, int]:
    """(host, port) of `HOST:PORT`, `HOST` or `PORT`; port 0: any that is free.

    Raises UsageError.
    """
    host, _, port = text.rpartition(":") if ":" in text.rpartition("]")[2] else (text, "", "0")
    if text.isdigit():
        host, port = DEFAULT_HOST, text
    host = host.strip("[]") or DEFAULT_HOST
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise UsageError(f"expected an address such as 127.0.0.1:8080, found `{text}`")
    return host, int(port)


def servable(address: str, cert: Path | None, options: str) -> tuple[str, int]:
    """(host, port) of an address where a page may be served; `options` are those of a certificate.

    Raises UsageError.
    """
    if find_spec("aiohttp") is None:
        raise UsageError("a page needs another package: pip install 'drillkit[page]'")
    host, port = parse_address(address)
    if cert is None and not is_loopback(host):
        raise UsageError(
            f"others reach {host}, so the page needs TLS: give {options}, or serve it on "
            "127.0.0.1 and let people in through ssh -L"
        )
    return host, port


class PageProcess:
    """A page that is being served."""

    def __init__(self, address: str, cert: Path | None = None, key: Path | None = None) -> None:
        """Starts it.

        Args:
            address: see `parse_address`.
            cert: certificate, with its chain, as PEM; needed where others than this machine reach
                the address.
            key: its private key, where it is not in the same file.

        Raises UsageError when it cannot be served there.
        """
        self._host, self._port = servable(address, cert, "--serve-cert and --serve-key")
        self._cert, self._key = cert, key
        self._tokens: dict[Right, str] = {"facilitator": new_token(), "observer": new_token()}
        self._lock = threading.Lock()
        self._told: list[dict[str, Any]] = []
        """What a process that starts anew must know."""
        self._closing = False
        self._process = self._start()
        threading.Thread(target=self._watch, name="page", daemon=True).start()

    def link(self, right: Right) -> str:
        """The address to open, with the token of this right."""
        scheme = "https" if self._cert else "http"
        return f"{scheme}://{host_in_url(self._host)}:{self._port}/#{self._tokens[right]}"

    def follow(self, folder: Path) -> None:
        """Show the run of this folder."""
        self._send({"follow": str(folder.absolute())})

    def say(self, **extra: Any) -> None:
        """Show something that the journal does not say."""
        self._send({"say": extra})

    def close(self) -> None:
        """Everybody is shown the last of it; then the process ends."""
        with self._lock:
            self._closing = True
            process = self._process
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _send(self, message: dict[str, Any]) -> None:
        with self._lock:
            self._told.append(message)
            _tell(self._process, message)

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, str(Path(drillkit.__file__).parents[1])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=plain_environment(),
                process_group=0,
            )
        except OSError as error:
            raise UsageError(f"the page cannot be served: {error}") from error
        _tell(
            process,
            {
                "host": self._host,
                "port": self._port,
                "tokens": self._tokens,
                "cert": self._cert and str(self._cert.absolute()),
                "key": self._key and str(self._key.absolute()),
            },
        )
        self._port = self._answered(process)
        return process

    def _answered(self, process: subprocess.Popen[bytes]) -> int:
        """The port it listens on. Raises UsageError."""
        assert process.stdout is not None
        late = threading.Timer(START_S, process.kill)
        late.start()
        try:
            with process.stdout as out:
                line = out.readline()
        finally:
            late.cancel()
        answer = json.loads(line) if line.endswith(b"\n") else {}
        if "port" in answer:
            return int(answer["port"])
        process.kill()
        process.wait()
        why = answer.get("error", "its process ended at once")
        raise UsageError(f"the page cannot be served on {self._host}:{self._port}: {why}")

    def _watch(self) -> None:
        for _ in range(STARTS):
            self._process.wait()
            with self._lock:
                if self._closing:
                    return
                threading.Event().wait(AGAIN_S)
                try:
                    self._process = self._start()
                except UsageError:
                    continue  # its port may still be taken; it is tried again
                for message in self._told:
                    _tell(self._process, message)


def _tell(process: subprocess.Popen[bytes], message: dict[str, Any]) -> None:
    assert process.stdin is not None
    # A process that has just died is started anew and told again.
    with contextlib.suppress(OSError):
        process.stdin.write(json.dumps(message).encode() + b"\n")
        process.stdin.flush()
