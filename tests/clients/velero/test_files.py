"""Files through DownloadRequests: bounded in time and size, and the signed URL in no message."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from drillkit.clients.velero import files
from drillkit.clients.velero.files import as_json, fetch, told, unpacked
from drillkit.clock import DeadlineOver
from drillkit.model.errors import CallError, Denied, Unanswered, Unavailable, Unreachable
from tests.clients.velero.conftest import World


def plan(world: World, name: str = "log"):
    return world.stage.book.plan(world.velero.request_undo(name, world.stage.run))


def test_a_file_is_asked_for_waited_for_and_unpacked(world: World) -> None:
    world.server.knobs.slow_s["DownloadRequest.New"] = 2.0
    blobs = world.server._context.blobs

    def open_url(url: str) -> bytes | None:
        return blobs.get(url.removeprefix("memory:///").partition("?")[0])

    content = fetch(world.stage.kube, plan(world), "BackupResourceList", "b1", 30.0, open_url)
    assert content is not None
    assert "shop/web" in json.loads(content)["apps/v1/Deployment"]


def test_a_file_that_does_not_exist_is_none(world: World) -> None:
    assert fetch(world.stage.kube, plan(world), "BackupLog", "b1", 30.0, lambda url: None) is None


def test_a_location_that_is_away_ends_the_wait_at_our_own_deadline(world: World) -> None:
    world.server.knobs.hang_downloads = True
    began = world.stage.clock.mono()
    with pytest.raises(DeadlineOver, match="storage location"):
        fetch(world.stage.kube, plan(world), "BackupLog", "b1", 20.0, lambda url: b"")
    assert 20.0 <= world.stage.clock.mono() - began < 25.0


class Storage:
    """A bucket behind HTTP that answers as it is told."""

    def __init__(self) -> None:
        self.status, self.body = 200, b""
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/log.gz?X-Amz-Signature=secret"


@pytest.fixture
def storage() -> Iterator[Storage]:
    found = Storage()
    yield found
    found.http.shutdown()
    found.http.server_close()


def test_a_refusal_of_the_storage_is_told_without_the_signed_url(storage: Storage) -> None:
    for status, kind in ((403, Denied), (503, Unavailable)):
        storage.status = status
        with pytest.raises(kind) as error:
            files._get(storage.url)
        assert "secret" not in str(error.value)
    storage.status = 404
    assert files._get(storage.url) is None


def test_a_storage_that_cannot_be_reached_says_what_to_do_and_shows_no_url() -> None:
    with pytest.raises(Unreachable, match="publicUrl") as error:
        files._get("http://127.0.0.1:1/x?X-Amz-Signature=secret")
    assert "secret" not in str(error.value)


def test_a_file_longer_than_the_limit_is_refused(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PACKED_LIMIT", 10)
    storage.body = b"x" * 11
    with pytest.raises(CallError, match="longer"):
        files._get(storage.url)


def test_a_bomb_and_what_is_no_gzip_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unpacked(gzip.compress(b"fine"), "the log") == b"fine"
    with pytest.raises(Unanswered, match="expected gzip"):
        unpacked(b"plain", "the log")
    monkeypatch.setattr(files, "PLAIN_LIMIT", 1000)
    with pytest.raises(Unanswered, match="more"):
        unpacked(gzip.compress(b"\0" * 100_000), "the log")
    with pytest.raises(Unanswered, match="expected JSON"):
        as_json(b"<html>", "the results")


def test_errors_are_told_in_one_line_and_only_the_first_few() -> None:
    results = {
        "velero": ["a"],
        "namespaces": {"shop": [f"e{i}" for i in range(6)]},
        "cluster": ["c"],
    }
    assert told(results) == "a; c; shop: e0; shop: e1; shop: e2; and 3 more"
    assert told({}) == ""
