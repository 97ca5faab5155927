"""What several rooms' tests share: the command line as a process, and a sandbox of their own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings

from drillkit.cli import answer
from drillkit.secrets import KNOWN, environment
from drillkit.secrets.streams import guarded

ROOT = Path(__file__).resolve().parents[1]
LOOKING = frozenset(
    [
        "actions",
        "advise",
        "controls",
        "docs",
        "due",
        "export",
        "history",
        "init",
        "keygen",
        "kinds",
        "list",
        "metrics",
        "permissions",
        "plan",
        "report",
        "schedule",
        "schema",
        "show",
        "sign",
        "validate",
        "verify",
    ]
)
"""Commands that neither start a run nor catch signals: what they do is the same in any process."""

# Thousands of processes are started here: each would compile the same modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# What is started in the background ignores Ctrl-C, and so would all that is started here.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is, and nothing about the law it tests.
settings.register_profile("drillkit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("drillkit")


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


@dataclass(frozen=True)
class CommandLine:
    """`drillkit` in a folder of its own, with a home of its own."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith("DRILLKIT_") and k != "KUBECONFIG"
        }
        return {
            **kept,
            "DRILLKIT_HOME": str(self.home),
            "HOME": str(self.folder),
            "COLUMNS": "200",
            **(more or {}),
        }

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "drillkit", *arguments],
            cwd=self.folder,
            env=self.environment(env),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __call__(
        self, *arguments: str, env: Mapping[str, str] | None = None, limit_s: float = 120
    ) -> Ran:
        """Run a command. One that only looks runs in this process, where nothing is imported anew;
        `process` gives it one of its own.
        """
        if arguments[0] in LOOKING:
            return self.inside(*arguments, env=env)
        return self.process(*arguments, env=env, limit_s=limit_s)

    def process(
        self, *arguments: str, env: Mapping[str, str] | None = None, limit_s: float = 120
    ) -> Ran:
        process = self.start(*arguments, env=env)
        try:
            out, err = process.communicate(timeout=limit_s)
        finally:
            process.kill()
            process.wait()
        return Ran(process.returncode, out, err)

    def inside(self, *arguments: str, env: Mapping[str, str] | None = None) -> Ran:
        """Not for what starts runs, catches signals or ends processes."""
        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(self.folder),
            mock.patch.dict(os.environ, self.environment(env), clear=True),
            mock.patch.object(sys, "argv", ["drillkit", *arguments]),
            contextlib.redirect_stdout(guarded(out)),
            contextlib.redirect_stderr(guarded(err)),
        ):
            code = answer(list(arguments))
        KNOWN.forget()
        environment.forget()
        return Ran(code, out.getvalue(), err.getvalue())

    def run_folder(self, drill: str) -> Path:
        """The folder of the latest run of a drill."""
        return max((self.folder / "reports" / drill).iterdir())

    def verdict(self, drill: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.run_folder(drill) / "verdict.json").read_text())
        return found


@pytest.fixture
def drillkit(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that stays up for one test."""

    endpoints: Mapping[str, Any]
    pid: int

    @property
    def kubeconfig(self) -> Path:
        return Path(self.endpoints["kubeconfig"])


@contextlib.contextmanager
def sandboxed(state: Path, *more: str) -> Iterator[Sandbox]:
    """A sandbox whose folder this is, with more words."""
    state.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "drillkit.sandbox",
            "--state",
            str(state),
            "--die-with-parent",
            *more,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        yield Sandbox(json.loads(process.stdout.readline()), process.pid)
    finally:
        process.terminate()
        process.wait(20)
        process.stdin.close()
        process.stdout.close()


@pytest.fixture
def sandbox(drillkit: CommandLine) -> Iterator[Sandbox]:
    """A sandbox in the command line's home, as `drillkit sandbox up` makes it."""
    with sandboxed(drillkit.home / "sandbox") as made:
        yield made


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="Write stored reports and listings anew."
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs real time may be tried again, and nothing else: a busy machine is no fault."""
    for item in items:
        if item.get_closest_marker("realtime") is not None:
            item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=1))


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    """What one test teaches the redactor of this process is no business of the next."""
    yield
    KNOWN.forget()
    environment.forget()
