"""A sandbox for one drill: with what its steps need, and an inventory to compare."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.conftest import CommandLine, Sandbox
from tests.drills.inventory import databases, inventory

REST_S = 20.0
"""How long a cluster may take to be as it was: replacements of pods become ready."""


@dataclass(frozen=True)
class Playground(Sandbox):
    """A sandbox that can say what is in it."""

    def inventory(self) -> dict[str, Any]:
        return {**inventory(self.kubeconfig), **databases(dict(self.endpoints.get("aws") or {}))}

    def must_be(self, before: dict[str, Any]) -> None:
        """Wait until the inventory is that one again, and say what differs if it does not come."""
        end = time.monotonic() + REST_S
        while (now := self.inventory()) != before and time.monotonic() < end:
            time.sleep(0.2)
        differs = {
            key: (before.get(key), now.get(key))
            for key in {*before, *now}
            if before.get(key) != now.get(key)
        }
        assert differs == {}


@contextlib.contextmanager
def playing(drillkit: CommandLine, *arguments: str) -> Iterator[Playground]:
    """A sandbox in the command line's home, where `drillkit run -t sandbox` finds it."""
    state = drillkit.home / "sandbox"
    state.mkdir(parents=True)
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "drillkit.sandbox",
            "--state",
            str(state),
            "--die-with-parent",
            *arguments,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        yield Playground(json.loads(process.stdout.readline()), process.pid)
    finally:
        process.terminate()
        process.wait(30)
        process.stdin.close()
        process.stdout.close()
