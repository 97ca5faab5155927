"""What a run imports at its end is imported while its steps run: nobody waits for it."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import CommandLine, Sandbox

WATCHED = """
import os, sys
from drillkit.cli import main, starting
from drillkit.runner.execute import _Run

known, clean_up, leave = set(), _Run.clean_up, os._exit

def cleaning(run):
    starting.prepare_report(run.place.folder)
    known.update(sys.modules)
    return clean_up(run)

def leaving(code):
    new = sorted(name for name in set(sys.modules) - known if "encodings" not in name)
    print("imported by the end:", new if known else "never came there", flush=True)
    leave(code)

_Run.clean_up, os._exit = cleaning, leaving
main()
"""


def test_a_run_that_ends_imports_nothing_more(drillkit: CommandLine, sandbox: Sandbox) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WATCHED, "run", "pod-delete", "--target", "sandbox"],
        cwd=drillkit.folder,
        env=drillkit.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "imported by the end: []" in ended.stdout, "add these to `ENDING`"
