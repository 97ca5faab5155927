"""A package of somebody else, installed for real, and the status board that its drills act on."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from drillkit.entry_points import brought
from tests.conftest import CommandLine, Ran

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pip has installed the package into."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(HERE / "package", folder / "source")
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", *offline),
            *("--target", str(folder / "site"), str(folder / "source")),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    return folder / "site"


@pytest.fixture
def plugged_in(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Acme's package in this process."""
    monkeypatch.syspath_prepend(str(installed))
    brought.cache_clear()
    yield
    brought.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "acme_drills"]:
        del sys.modules[name]


@dataclass
class Board:
    """The status board: what is up, and what it was asked to change."""

    url: str = ""
    entries: dict[str, Any] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)


@pytest.fixture
def board() -> Iterator[Board]:
    it = Board()

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def answer(self, status: int, content: Any = None) -> None:
            body = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @property
        def entry(self) -> str:
            return self.path.removeprefix("/entries/")

        def do_GET(self) -> None:
            found = it.entries.get(self.entry) if self.entry else it.entries
            self.answer(404 if found is None else 200, found)

        def do_PUT(self) -> None:
            given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            it.changes.append(f"PUT {self.entry}")
            there = it.entries.setdefault(self.entry, given)
            self.answer(201 if there is given else 409)

        def do_PATCH(self) -> None:
            given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            it.changes.append(f"PATCH {self.entry}")
            it.entries[self.entry].update(given)
            self.answer(204)

        def do_DELETE(self) -> None:
            it.changes.append(f"DELETE {self.entry}")
            self.answer(204 if it.entries.pop(self.entry, None) else 404)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    it.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield it
    server.shutdown()
    server.server_close()


@dataclass(frozen=True)
class Acme:
    """`drillkit` in Acme's project, with Acme's package."""

    line: CommandLine
    site: Path
    board: Board

    @property
    def env(self) -> dict[str, str]:
        return {"PYTHONPATH": os.pathsep.join([str(self.site), os.environ.get("PYTHONPATH", "")])}

    def __call__(self, *words: str, **sets: str) -> Ran:
        # A process of its own: only that finds the package.
        return self.line.process(*words, *self.sets(words, sets), env=self.env)

    def start(self, *words: str, **sets: str) -> subprocess.Popen[str]:
        return self.line.start(*words, *self.sets(words, sets), env=self.env)

    def sets(self, words: tuple[str, ...], more: dict[str, str]) -> list[str]:
        if words[0] not in ("plan", "run"):
            return []
        given = {"board": self.board.url, **more}
        return [word for key, value in given.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture
def acme(drillkit: CommandLine, installed: Path, board: Board) -> Acme:
    shutil.copytree(HERE / "project", drillkit.folder, dirs_exist_ok=True)
    return Acme(drillkit, installed, board)
