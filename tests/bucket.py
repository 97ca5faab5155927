"""S3 by moto behind a door that makes trouble: for tests of what lives in a bucket."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

Trouble = Callable[[str, str], str]
"""Method and key to what goes wrong: '', `slow`, `409`, `412`, `500`, `no answer`, `away` (no
connection), `deleted` (the bucket).
"""
_SAID = {
    "409": ("409 -", "ConditionalRequestConflict"),
    "412": ("412 -", "PreconditionFailed"),
    "500": ("500 -", "InternalError"),
    "deleted": ("404 -", "NoSuchBucket"),
}


@dataclass
class BucketServer:
    """A server, and one bucket at a time."""

    endpoint: str
    bucket: str = ""
    trouble: Trouble = lambda method, key: ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    slow_s: float = 0.02

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/drills"

    def client(self) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )

    def everything(self) -> list[str]:
        found = self.client().list_objects_v2(Bucket=self.bucket)
        return [each["Key"] for each in found.get("Contents", [])]

    def read(self, key: str) -> bytes:
        return bytes(self.client().get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def remove(self, key: str) -> None:
        self.client().delete_object(Bucket=self.bucket, Key=key)


class _Door:
    """A WSGI application in front of moto's."""

    def __init__(self, moto: Any) -> None:
        self._moto = moto
        self._one = threading.Lock()
        self.server: BucketServer | None = None

    def __call__(self, environ: Any, start: Any) -> Iterable[bytes]:
        assert self.server is not None
        method = environ["REQUEST_METHOD"]
        asked, root = environ["PATH_INFO"], f"/{self.server.bucket}"
        trouble = ""
        if asked.startswith(root):
            key = asked.removeprefix(root).removeprefix("/")
            self.server.asked.append((method, key))
            trouble = self.server.trouble(method, key)
        if trouble == "slow":
            threading.Event().wait(self.server.slow_s)
        if trouble == "no answer":
            self._answer(environ, lambda *_, **__: None)
        if trouble in ("away", "no answer"):
            raise ConnectionAbortedError("dropped on purpose")
        if trouble in _SAID:
            status, code = _SAID[trouble]
            start(status, [("Content-Type", "text/xml")])
            return [f"<Error><Code>{code}</Code><Message>-</Message></Error>".encode()]
        return self._answer(environ, start)

    def _answer(self, environ: Any, start: Any) -> list[bytes]:
        """moto's, one at a time: it lists what another thread is just deleting."""
        with self._one:
            return list(self._moto(environ, start))


@contextmanager
def serving() -> Iterator[BucketServer]:
    """The server, until the end of the block."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, type: str, message: str, *args: Any) -> None:
            """Nothing: aborted answers are meant."""

    door = _Door(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, door, threaded=True, request_handler=Quiet)
    door.server = BucketServer(f"http://127.0.0.1:{server.port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield door.server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def _bucket_server() -> Iterator[BucketServer]:
    with serving() as server:
        yield server


@pytest.fixture
def bucket(
    _bucket_server: BucketServer, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[BucketServer]:
    """A bucket of its own, that this process's environment leads to."""
    for name, value in _bucket_server.environment.items():
        monkeypatch.setenv(name, value)
    _bucket_server.bucket = f"drills-{abs(hash(request.node.nodeid))}"
    _bucket_server.client().create_bucket(Bucket=_bucket_server.bucket)
    _bucket_server.asked.clear()
    yield _bucket_server
    _bucket_server.trouble = lambda method, key: ""
