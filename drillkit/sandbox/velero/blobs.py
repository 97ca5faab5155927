"""Object storage as Velero needs it: in memory, in a folder, or in an S3 bucket."""

from __future__ import annotations

import http.server
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

S3_TIMEOUT_S = 3.0
_NS = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class BlobsUnavailable(Exception):
    """The object storage cannot be reached or refuses us."""


class Blobs(Protocol):
    """A bucket.  Every method raises BlobsUnavailable when it cannot be reached."""

    def put(self, key: str, data: bytes) -> None: ...

    def get(self, key: str) -> bytes | None:
        """The object, or None."""
        ...

    def list(self, prefix: str) -> list[str]:
        """Keys that begin so, sorted."""
        ...

    def delete(self, key: str) -> None:
        """Deletes an object; nothing happens if there is none."""
        ...

    def url(self, key: str, seconds: int) -> str:
        """Where anybody can read the object for so long; 404 there if it does not exist."""
        ...


class MemoryBlobs:
    """A bucket in memory; its URLs are only names unless a `UrlServer` serves it."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.link: Callable[[str, int], str] = lambda key, seconds: (
            f"memory:///{key}?expires-in={seconds}"
        )

    def put(self, key: str, data: bytes) -> None:
        self.objects[key] = data

    def get(self, key: str) -> bytes | None:
        return self.objects.get(key)

    def list(self, prefix: str) -> list[str]:
        return sorted(key for key in self.objects if key.startswith(prefix))

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)

    def url(self, key: str, seconds: int) -> str:
        return self.link(key, seconds)


class FolderBlobs:
    """A bucket in a folder: one file per object."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.link: Callable[[str, int], str] = lambda key, seconds: (folder / key).as_uri()

    def put(self, key: str, data: bytes) -> None:
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def get(self, key: str) -> bytes | None:
        path = self._folder / key
        return path.read_bytes() if path.is_file() else None

    def list(self, prefix: str) -> list[str]:
        keys = (
            path.relative_to(self._folder).as_posix()
            for path in self._folder.rglob("*")
            if path.is_file()
        )
        return sorted(key for key in keys if key.startswith(prefix))

    def delete(self, key: str) -> None:
        (self._folder / key).unlink(missing_ok=True)

    def url(self, key: str, seconds: int) -> str:
        return self.link(key, seconds)


class S3Blobs:
    """A bucket of the sandbox's own S3, which checks the access key and a URL's expiry but
    no signature.
    """

    def __init__(self, endpoint: str, bucket: str, region: str, access_key: str) -> None:
        self._base = f"{endpoint.rstrip('/')}/{bucket}"
        self._region = region
        self._access_key = access_key
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def _credential(self) -> str:
        day = time.strftime("%Y%m%d", time.gmtime())
        return f"{self._access_key}/{day}/{self._region}/s3/aws4_request"

    def _call(self, method: str, path: str, data: bytes | None = None) -> bytes | None:
        signed = (
            f"AWS4-HMAC-SHA256 Credential={self._credential()}, SignedHeaders=host, Signature=0"
        )
        headers = {"Authorization": signed, "Content-Type": "application/octet-stream"}
        request = urllib.request.Request(
            self._base + path, data=data, method=method, headers=headers
        )
        try:
            with self._open(request, timeout=S3_TIMEOUT_S) as answer:
                body: bytes = answer.read()
                return body
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise BlobsUnavailable(f"S3 answered {method} {path} with {error.code}") from error
        except OSError as error:
            raise BlobsUnavailable(f"S3 at {self._base} does not answer: {error}") from error

    def put(self, key: str, data: bytes) -> None:
        if self._call("PUT", "/" + urllib.parse.quote(key), data) is None:
            raise BlobsUnavailable(f"the bucket {self._base} does not exist")

    def get(self, key: str) -> bytes | None:
        return self._call("GET", "/" + urllib.parse.quote(key))

    def list(self, prefix: str) -> list[str]:
        keys: list[str] = []
        token = ""
        while True:
            query = {"list-type": "2", "prefix": prefix} | (
                {"continuation-token": token} if token else {}
            )
            page = self._call("GET", "?" + urllib.parse.urlencode(query))
            if page is None:
                raise BlobsUnavailable(f"the bucket {self._base} does not exist")
            root = ElementTree.fromstring(page)
            keys += [found.text or "" for found in root.iterfind(f"{_NS}Contents/{_NS}Key")]
            token = root.findtext(f"{_NS}NextContinuationToken") or ""
            if not token:
                return sorted(keys)

    def delete(self, key: str) -> None:
        self._call("DELETE", "/" + urllib.parse.quote(key))

    def url(self, key: str, seconds: int) -> str:
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": self._credential(),
            "X-Amz-Date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Signature": "0",
        }
        return f"{self._base}/{urllib.parse.quote(key)}?{urllib.parse.urlencode(query)}"


class UrlServer:
    """Serves a bucket's URLs on loopback until each of them expires: what S3 does for its own."""

    def __init__(
        self, blobs: MemoryBlobs | FolderBlobs, now: Callable[[], float] = time.time
    ) -> None:
        self._blobs = blobs
        self._now = now
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, data = outer._answer(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        blobs.link = self._link
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        ).start()

    def _link(self, key: str, seconds: int) -> str:
        until = int(self._now()) + seconds
        return (
            f"http://127.0.0.1:{self._server.server_port}/{urllib.parse.quote(key)}?until={until}"
        )

    def _answer(self, path: str) -> tuple[int, bytes]:
        parts = urllib.parse.urlsplit(path)
        until = urllib.parse.parse_qs(parts.query).get("until", ["0"])[0]
        if not until.isdigit() or self._now() > int(until):
            return 403, b"Request has expired"
        data = self._blobs.get(urllib.parse.unquote(parts.path.lstrip("/")))
        return (200, data) if data is not None else (404, b"NoSuchKey")

    def stop(self) -> None:
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()
