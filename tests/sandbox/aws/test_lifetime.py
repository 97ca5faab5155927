"""Nothing is left behind: not by a stop, not by SIGKILL of the sandbox or of whoever started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from drillkit.sandbox.aws import AwsFailed, start_aws
from drillkit.sandbox.aws.postgres.tools import PostgresMissing, find_postgres

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the kernel's parent-death signal is Linux's"
)


@pytest.fixture(autouse=True)
def _postgres() -> None:
    try:
        find_postgres()
    except PostgresMissing as error:
        pytest.skip(str(error))


def processes_of(state: Path) -> list[psutil.Process]:
    """Every process whose command line names this state folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if process.pid != os.getpid() and any(
            str(state) in word for word in process.info["cmdline"] or []
        ):
            found.append(process)
    return found


def all_gone(state: Path, limit_s: float = 10.0) -> bool:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if not processes_of(state):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
def test_a_stopped_sandbox_leaves_no_process(tmp_path):
    handle = start_aws(tmp_path / "state", demo=True, cache=tmp_path / "cache")
    assert len(processes_of(tmp_path)) >= 2
    handle.stop()
    handle.stop()
    assert all_gone(tmp_path, limit_s=1)


@pytest.mark.slow
def test_databases_die_with_a_sandbox_that_is_killed(tmp_path):
    handle = start_aws(tmp_path / "state", demo=True, cache=tmp_path / "cache")
    os.kill(handle.pid, signal.SIGKILL)
    assert all_gone(tmp_path), processes_of(tmp_path)
    handle.stop()


@pytest.mark.slow
def test_a_sandbox_dies_with_its_parent_even_if_that_is_killed(tmp_path):
    program = (
        "import json, pathlib, sys, time\n"
        "from drillkit.sandbox.aws import start_aws\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "handle = start_aws(root / 'state', demo=True, cache=root / 'cache')\n"
        "print(json.dumps(handle.pid), flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert parent.stdout is not None
    with parent.stdout:
        assert json.loads(parent.stdout.readline()) > 0
    parent.kill()
    parent.wait(5)
    assert all_gone(tmp_path), processes_of(tmp_path)


def test_a_missing_postgresql_is_told_with_the_line_that_installs_one(tmp_path):
    with pytest.raises(AwsFailed, match="apt-get install postgresql"):
        start_aws(tmp_path / "state", postgres=tmp_path)
