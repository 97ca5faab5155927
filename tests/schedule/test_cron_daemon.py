"""Debian's cron itself, in a namespace of its own: it takes what is printed, and runs it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from drillkit.schedule.cron import crontab
from tests.schedule.test_forms import NOW, job

ALONE = ("unshare", "--mount")
SETUP = """
set -e
mount -t tmpfs none /var/spool/cron
mkdir -m 1730 /var/spool/cron/crontabs
mount -t tmpfs none /etc/cron.d
mount --bind /dev/null /etc/crontab
mount -t tmpfs none /run
cp {table} /var/spool/cron/crontabs/root
chmod 600 /var/spool/cron/crontabs/root
exec cron -f
"""
"""Of this machine it sees no other table, and no pid file."""


def may_mount() -> bool:
    """Whether this process may do what the daemon's namespace needs."""
    if os.geteuid() or shutil.which("unshare") is None:
        return False
    words = [*ALONE, "mount", "-t", "tmpfs", "none", "/var/spool/cron"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.skipif(shutil.which("cron") is None, reason="Debian's cron is not installed"),
    pytest.mark.skipif(not may_mount(), reason="nothing may be mounted here"),
]


def test_cron_takes_the_printed_table_and_runs_its_line(tmp_path: Path) -> None:
    folder = tmp_path / "it's 100 % ours"
    folder.mkdir()
    program = folder / "drillkit"
    program.write_text('#!/bin/sh\necho "$PWD|$HOME|$DRILLKIT_HOME|$(umask)|$*"\n')
    program.chmod(0o755)
    printed = crontab(job(folder, program=(str(program),)), NOW)
    table = tmp_path / "table"
    table.write_text(printed)
    # Its dry run: the syntax, fields and all.
    checked = subprocess.run(["crontab", "-n", str(table)], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
    *_, line = printed.rstrip("\n").split("\n")
    # Not at the hour that it says, but when the daemon begins.
    table.write_text(f"@reboot {line.split(' ', 5)[5]}\n")
    script = SETUP.format(table=shlex.quote(str(table)))
    daemon = subprocess.Popen([*ALONE, "sh", "-c", script], stderr=subprocess.PIPE, text=True)
    log = folder / "reports" / "drillkit-monthly-dr-prod.log"
    try:
        deadline = time.monotonic() + 30
        while not (log.exists() and log.read_text().endswith("\n")):
            assert daemon.poll() is None, daemon.communicate()
            assert time.monotonic() < deadline, "cron has not run it"
            time.sleep(0.05)
    finally:
        daemon.terminate()
        daemon.communicate()
    there, at_home, state, mask, words = log.read_text().strip().split("|")
    assert (there, at_home, state) == (str(folder), str(folder), str(folder / "state"))
    assert mask == "0027"
    assert words.startswith("run monthly-dr --target prod --scheduled --yes --recover")
